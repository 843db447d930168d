//! `<pstore>`: memory where the guest's kernel leaves its last words.

use xml::{Element, Value};

use super::info::DeviceInfo;
use super::size::Kibibytes;

/// A persistent store for error records.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "pstore")]
pub struct Pstore {
    #[xml(attr)]
    pub backend: PstoreBackend,
    /// File on the host; chosen by the daemon where missing.
    #[xml(value = "path")]
    pub path: Option<String>,
    #[xml(child)]
    pub size: Kibibytes,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum PstoreBackend {
    #[xml("acpi-erst")]
    AcpiErst,
}
