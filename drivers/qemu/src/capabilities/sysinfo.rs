//! The host's `<sysinfo>` document: what its firmware tells of the machine.

use error::{Code, Domain, Error, Result};
use host::Host;
use host::dmi::{Entry as Told, SysInfo};
use xml::{Element, Fields};

#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "sysinfo")]
struct Document {
    #[xml(attr = "type")]
    kind: String,
    #[xml(child)]
    bios: Option<Entries>,
    #[xml(child)]
    system: Option<Entries>,
    #[xml(children = "baseBoard")]
    base_boards: Vec<Entries>,
    #[xml(child)]
    chassis: Option<Entries>,
    #[xml(children = "processor")]
    processors: Vec<Entries>,
    #[xml(children = "memory_device")]
    memory_devices: Vec<Entries>,
    #[xml(child = "oemStrings")]
    oem_strings: Option<OemStrings>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Entries {
    #[xml(children = "entry")]
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Entry {
    #[xml(attr)]
    name: String,
    #[xml(text)]
    text: String,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct OemStrings {
    #[xml(value = "entry")]
    entries: Vec<String>,
}

/// The document.
///
/// # Errors
/// [`Code::ConfigUnsupported`] when the firmware tells nothing, or not to this process.
pub fn document(host: &Host) -> Result<String> {
    let Some(info) = host.sysinfo() else {
        let detail = "Host SMBIOS information is not available";
        return Err(Error::new(Code::ConfigUnsupported, Domain::Qemu, detail));
    };
    Ok(xml::to_string(&of(info)))
}

fn of(info: SysInfo) -> Document {
    let entries = |told: Vec<Told>| Entries {
        entries: told
            .into_iter()
            .map(|(name, text)| Entry {
                name: name.to_owned(),
                text,
            })
            .collect(),
    };
    let one = |told: Vec<Told>| (!told.is_empty()).then(|| entries(told));
    let many = |parts: Vec<Vec<Told>>| parts.into_iter().filter_map(one).collect();
    let oem = Some(info.oem_strings).filter(|strings| !strings.is_empty());
    Document {
        kind: "smbios".to_owned(),
        bios: one(info.bios),
        system: one(info.system),
        base_boards: many(info.base_boards),
        chassis: one(info.chassis),
        processors: many(info.processors),
        memory_devices: many(info.memory_devices),
        oem_strings: oem.map(|entries| OemStrings { entries }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_firmware_tells_is_listed_by_part() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        assert_eq!(
            document(&host).unwrap_err().to_string(),
            "unsupported configuration: Host SMBIOS information is not available"
        );
        let folder = root.path().join("sys/class/dmi/id");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("sys_vendor"), "A & B\n").unwrap();
        let expected = "<sysinfo type='smbios'>\n  <system>\n    <entry name='manufacturer'>A &amp; B</entry>\n  \
                        </system>\n</sysinfo>\n";
        assert_eq!(document(&host).unwrap(), expected);
    }
}
