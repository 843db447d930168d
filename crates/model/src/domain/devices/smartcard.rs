//! `<smartcard>`: a smartcard reader of the guest.

use xml::{Element, Fields};

use super::chardev::CharSource;
use super::info::DeviceInfo;

/// A smartcard reader.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "smartcard")]
pub struct Smartcard {
    #[xml(flatten)]
    pub kind: SmartcardKind,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// The `mode` of a reader: where the card is.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "mode")]
pub enum SmartcardKind {
    /// In a reader of the host.
    #[xml(name = "host")]
    Host,
    /// Emulated, with certificates from a database of the host.
    #[xml(name = "host-certificates")]
    HostCertificates {
        /// Names of exactly three certificates.
        #[xml(value = "certificate")]
        certificates: Vec<String>,
        /// Folder of the database.
        #[xml(value = "database")]
        database: Option<String>,
    },
    /// At the other end of a character device.
    #[xml(name = "passthrough")]
    Passthrough {
        #[xml(flatten)]
        source: CharSource,
    },
}
