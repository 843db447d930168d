//! `<tpm>`: a trusted platform module.

use xml::{Element, Fields, Value, YesNo};

use super::info::DeviceInfo;
use crate::Uuid;

/// A TPM of the guest.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "tpm")]
pub struct Tpm {
    #[xml(attr)]
    pub model: Option<TpmModel>,
    #[xml(child)]
    pub backend: TpmBackend,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Interfaces of a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum TpmModel {
    #[xml("tpm-tis")]
    Tis,
    #[xml("tpm-crb")]
    Crb,
    #[xml("tpm-spapr")]
    Spapr,
    #[xml("spapr-tpm-proxy")]
    SpaprProxy,
}

/// What answers the guest's commands.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "backend")]
pub struct TpmBackend {
    #[xml(flatten)]
    pub kind: TpmBackendKind,
    #[xml(attr)]
    pub version: Option<TpmVersion>,
}

/// The `type` of a backend and what only this type has.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type")]
pub enum TpmBackendKind {
    /// The host's own TPM.
    #[xml(name = "passthrough")]
    Passthrough {
        #[xml(child)]
        device: Option<TpmDevice>,
    },
    /// A swtpm process of the domain.
    #[xml(name = "emulator")]
    Emulator(TpmEmulator),
    /// A process that somebody else runs.
    #[xml(name = "external")]
    External {
        #[xml(child)]
        source: Option<TpmSocket>,
    },
}

/// Versions of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TpmVersion {
    #[xml("default")]
    Default,
    #[xml("1.2")]
    V1_2,
    #[xml("2.0")]
    V2_0,
}

/// `<device path='/dev/tpm0'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "device")]
pub struct TpmDevice {
    #[xml(attr)]
    pub path: Option<String>,
}

/// Settings of swtpm.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct TpmEmulator {
    /// Whether the state stays when a transient domain ends.
    #[xml(attr)]
    pub persistent_state: Option<YesNo>,
    /// Level of swtpm's log.
    #[xml(attr)]
    pub debug: Option<u32>,
    #[xml(child)]
    pub encryption: Option<TpmEncryption>,
    #[xml(child)]
    pub active_pcr_banks: Option<PcrBanks>,
    #[xml(child)]
    pub source: Option<TpmStateSource>,
    #[xml(child)]
    pub profile: Option<TpmProfile>,
}

/// `<encryption secret='..'/>`
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "encryption")]
pub struct TpmEncryption {
    #[xml(attr)]
    pub secret: Uuid,
}

/// Banks of platform configuration registers to switch on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "active_pcr_banks")]
pub struct PcrBanks {
    #[xml(flag = "sha1")]
    pub sha1: bool,
    #[xml(flag = "sha256")]
    pub sha256: bool,
    #[xml(flag = "sha384")]
    pub sha384: bool,
    #[xml(flag = "sha512")]
    pub sha512: bool,
}

/// Where swtpm keeps its state.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct TpmStateSource {
    #[xml(attr = "type")]
    pub kind: TpmStateKind,
    #[xml(attr)]
    pub path: String,
}

/// Shape of swtpm's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TpmStateKind {
    #[xml("file")]
    File,
    #[xml("dir")]
    Dir,
}

/// Set of algorithms of a new TPM 2.0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "profile")]
pub struct TpmProfile {
    /// The profile to start from.
    #[xml(attr)]
    pub source: Option<String>,
    #[xml(attr = "removeDisabled")]
    pub remove_disabled: Option<RemoveDisabled>,
    /// Live documents: the profile that swtpm has.
    #[xml(attr)]
    pub name: Option<String>,
}

/// Whether algorithms that the host's OpenSSL forbids are taken out of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum RemoveDisabled {
    #[xml("check")]
    Check,
    #[xml("fips-host")]
    FipsHost,
}

/// Socket of an external TPM.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct TpmSocket {
    /// Always `unix`.
    #[xml(attr = "type")]
    pub transport: String,
    /// Always `connect`.
    #[xml(attr)]
    pub mode: Option<String>,
    #[xml(attr)]
    pub path: String,
}
