//! Security labels, key wrapping and memory encryption of a domain.

use xml::{Element, OnOff, Value, YesNo};

/// `<seclabel>`: under which label the domain runs, for one security model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "seclabel")]
pub struct SecLabel {
    #[xml(attr)]
    pub r#type: Option<SecLabelType>,
    /// `selinux`, `apparmor`, `dac` or `none`.
    #[xml(attr)]
    pub model: Option<String>,
    #[xml(attr)]
    pub relabel: Option<YesNo>,
    #[xml(value = "label")]
    pub label: Option<String>,
    /// Live documents: label of the domain's files.
    #[xml(value = "imagelabel")]
    pub image_label: Option<String>,
    #[xml(value = "baselabel")]
    pub base_label: Option<String>,
}

/// Who chooses the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SecLabelType {
    #[xml("none")]
    None,
    /// The daemon, at start.
    #[xml("dynamic")]
    Dynamic,
    /// The document.
    #[xml("static")]
    Static,
}

/// `<keywrap>` (s390).
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "keywrap")]
pub struct KeyWrap {
    #[xml(children = "cipher")]
    pub ciphers: Vec<KeyWrapCipher>,
}

/// Whether keys of a cipher may be wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cipher")]
pub struct KeyWrapCipher {
    #[xml(attr)]
    pub name: KeyWrapCipherName,
    #[xml(attr)]
    pub state: OnOff,
}

/// Ciphers of key wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum KeyWrapCipherName {
    #[xml("aes")]
    Aes,
    #[xml("dea")]
    Dea,
}

/// `<launchSecurity>`: a guest whose memory the host cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "launchSecurity", tag = "type")]
pub enum LaunchSecurity {
    #[xml(name = "sev")]
    Sev(Box<Sev>),
    #[xml(name = "sev-snp")]
    SevSnp(Box<SevSnp>),
    #[xml(name = "s390-pv")]
    S390Pv,
}

/// Secure encrypted virtualisation.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "launchSecurity")]
pub struct Sev {
    /// Hashes of kernel, initrd and command line are measured.
    #[xml(attr = "kernelHashes")]
    pub kernel_hashes: Option<YesNo>,
    #[xml(value = "cbitpos")]
    pub cbitpos: Option<u32>,
    #[xml(value = "reducedPhysBits")]
    pub reduced_phys_bits: Option<u32>,
    #[xml(value = "policy")]
    pub policy: xml::Hex<u32, 4>,
    /// Base64.
    #[xml(value = "dhCert")]
    pub dh_cert: Option<String>,
    /// Base64.
    #[xml(value = "session")]
    pub session: Option<String>,
}

/// Secure encrypted virtualisation with secure nested paging.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "launchSecurity")]
pub struct SevSnp {
    #[xml(attr = "kernelHashes")]
    pub kernel_hashes: Option<YesNo>,
    #[xml(attr = "authorKey")]
    pub author_key: Option<YesNo>,
    #[xml(attr)]
    pub vcek: Option<YesNo>,
    #[xml(value = "cbitpos")]
    pub cbitpos: Option<u32>,
    #[xml(value = "reducedPhysBits")]
    pub reduced_phys_bits: Option<u32>,
    #[xml(value = "policy")]
    pub policy: xml::Hex<u64, 8>,
    /// Base64, as all that follow.
    #[xml(value = "guestVisibleWorkarounds")]
    pub guest_visible_workarounds: Option<String>,
    #[xml(value = "idBlock")]
    pub id_block: Option<String>,
    #[xml(value = "idAuth")]
    pub id_auth: Option<String>,
    #[xml(value = "hostData")]
    pub host_data: Option<String>,
}
