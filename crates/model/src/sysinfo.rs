//! `<sysinfo>`: what SMBIOS tells about a machine, the host's or a guest's, and firmware configuration entries.

use xml::Element;

/// One kind of system information. A document of its own tells the host's.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "sysinfo", tag = "type", default = "smbios")]
pub enum Sysinfo {
    /// Tables of the system management BIOS.
    #[xml(name = "smbios")]
    Smbios(Box<Smbios>),
    /// Entries that the guest reads through QEMU's firmware configuration device.
    #[xml(name = "fwcfg")]
    Fwcfg {
        #[xml(children = "entry")]
        entries: Vec<FwcfgEntry>,
    },
}

/// SMBIOS tables.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "sysinfo")]
pub struct Smbios {
    #[xml(child)]
    pub bios: Option<Entries>,
    #[xml(child)]
    pub system: Option<Entries>,
    #[xml(children = "baseBoard")]
    pub base_boards: Vec<Entries>,
    #[xml(child)]
    pub chassis: Option<Entries>,
    /// The host's document only.
    #[xml(children = "processor")]
    pub processors: Vec<Entries>,
    /// The host's document only.
    #[xml(children = "memory_device")]
    pub memory_devices: Vec<Entries>,
    #[xml(child = "oemStrings")]
    pub oem_strings: Option<OemStrings>,
}

/// Named strings of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "system")]
pub struct Entries {
    #[xml(children = "entry")]
    pub entries: Vec<Entry>,
}

impl Entries {
    /// The string of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.value.as_str())
    }

    /// Adds a string; an empty one is left out.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.entries.push(Entry {
                name: name.to_owned(),
                value,
            });
        }
    }
}

/// A named string.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "entry")]
pub struct Entry {
    #[xml(attr)]
    pub name: String,
    #[xml(text)]
    pub value: String,
}

/// Strings of the manufacturer's, without names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "oemStrings")]
pub struct OemStrings {
    #[xml(value = "entry")]
    pub entries: Vec<String>,
}

/// An entry of the firmware configuration: a string, or the content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "entry")]
pub struct FwcfgEntry {
    /// A path below `opt/`, as `opt/com.example/name`.
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub file: Option<String>,
    #[xml(text)]
    pub value: Option<String>,
}
