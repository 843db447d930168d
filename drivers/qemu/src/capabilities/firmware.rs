//! The firmware that packages have installed for guests, as QEMU's firmware descriptors tell.
//!
//! A descriptor is a small JSON file. Packages put theirs below `/usr/share`, the administrator below `/etc`, a user
//! below his own configuration; a file of a later folder replaces one of the same name, an empty one takes it away.
//! Their order by name is the order of preference.

use crate::binary::arch;
use host::Host;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// No descriptor is nearly as large.
const MAX_FILE: u64 = 1 << 20;

/// Where firmware lies that has no descriptor, by architecture.
const UNDESCRIBED: &[(&str, &[&str])] = &[
    (
        "i686",
        &[
            "/usr/share/OVMF/OVMF_CODE.fd",
            "/usr/share/OVMF/OVMF_CODE.secboot.fd",
        ],
    ),
    (
        "x86_64",
        &[
            "/usr/share/OVMF/OVMF_CODE.fd",
            "/usr/share/OVMF/OVMF_CODE.secboot.fd",
        ],
    ),
    ("aarch64", &["/usr/share/AAVMF/AAVMF_CODE.fd"]),
    ("armv7l", &["/usr/share/AAVMF/AAVMF32_CODE.fd"]),
];

/// One descriptor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Descriptor {
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What the guest sees: `uefi`, `bios`.
    pub interface_types: Vec<String>,
    /// What QEMU is given.
    pub mapping: Mapping,
    /// Which machines it is for.
    pub targets: Vec<Target>,
    /// What it can do or needs, such as `secure-boot` and `requires-smm`.
    pub features: Vec<String>,
}

/// How firmware is given to QEMU.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "device")]
pub enum Mapping {
    /// As flash memory, with variables in a second one.
    Flash {
        /// `split` where it is not told.
        #[serde(default)]
        mode: Option<String>,
        /// The code.
        executable: File,
        /// What variables start as.
        #[serde(default, rename = "nvram-template")]
        nvram_template: Option<File>,
    },
    /// As a kernel.
    Kernel {
        /// The file.
        filename: PathBuf,
    },
    /// As the machine's BIOS.
    Memory {
        /// The file.
        filename: PathBuf,
    },
}

/// A file with its format.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct File {
    /// Where it lies.
    pub filename: PathBuf,
    /// `raw` or `qcow2`.
    pub format: String,
}

/// Machines that firmware is for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Target {
    /// QEMU's name of the architecture.
    pub architecture: String,
    /// Patterns of machine types.
    pub machines: Vec<String>,
}

impl Descriptor {
    /// Whether it is for a machine type of an architecture, both by the names of a definition (the machine in full).
    pub fn is_for(&self, guest: &str, machine: &str) -> bool {
        let target = arch::by_name(guest).map_or(guest, |arch| arch.target);
        self.targets.iter().any(|have| {
            have.architecture == target && have.machines.iter().any(|pattern| matches(pattern, machine))
        })
    }

    /// Whether the guest sees this interface.
    pub fn is(&self, interface: &str) -> bool {
        self.interface_types.iter().any(|have| have == interface)
    }

    /// Whether it can do or needs this.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|have| have == feature)
    }

    /// The file with its code.
    pub fn code(&self) -> &Path {
        match &self.mapping {
            Mapping::Flash { executable, .. } => &executable.filename,
            Mapping::Kernel { filename } | Mapping::Memory { filename } => filename,
        }
    }
}

/// Matches `*` and `?`; a pattern of the file cannot make this slow.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

/// The descriptors in order of preference. `own` is the user's folder of configuration, if he has one.
pub fn descriptors(host: &Host, own: Option<&Path>) -> Vec<Descriptor> {
    let folders = [
        Some(host.path("usr/share/qemu/firmware")),
        Some(host.path("etc/qemu/firmware")),
    ];
    let own = own.map(|folder| folder.join("qemu/firmware"));
    let mut files: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for folder in folders.into_iter().chain([own]).flatten() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.insert(entry.file_name(), entry.path());
            }
        }
    }
    files.into_values().filter_map(|path| read(&path)).collect()
}

fn read(path: &Path) -> Option<Descriptor> {
    let about = path.metadata().ok()?;
    if !about.is_file() || about.len() == 0 || about.len() > MAX_FILE {
        return None;
    }
    match serde_json::from_slice(&std::fs::read(path).ok()?) {
        Ok(descriptor) => Some(descriptor),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "a firmware descriptor is unreadable and left out");
            None
        }
    }
}

/// What one machine type can boot with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// Words of the `firmware` attribute.
    pub interfaces: Vec<&'static str>,
    /// Files of UEFI firmware.
    pub files: Vec<String>,
    /// Whether one of them enforces Secure Boot.
    pub secure: bool,
}

/// What a machine type of an architecture can boot with.
pub fn offered(host: &Host, descriptors: &[Descriptor], guest: &str, machine: &str) -> Firmware {
    let fitting: Vec<&Descriptor> = descriptors
        .iter()
        .filter(|have| have.is_for(guest, machine))
        .collect();
    let mut interfaces = Vec::new();
    for (interface, word) in [("bios", "bios"), ("uefi", "efi")] {
        if fitting.iter().any(|descriptor| descriptor.is(interface)) {
            interfaces.push(word);
        }
    }
    let mut files = Vec::new();
    for descriptor in fitting.iter().filter(|descriptor| descriptor.is("uefi")) {
        let file = descriptor.code().display().to_string();
        if !files.contains(&file) {
            files.push(file);
        }
    }
    if files.is_empty() {
        let usual = UNDESCRIBED
            .iter()
            .find(|(name, _)| *name == guest)
            .map_or(&[][..], |(_, files)| files);
        files.extend(
            usual
                .iter()
                .filter(|file| host.path(file).is_file())
                .map(|&file| file.to_owned()),
        );
    }
    let secure = fitting
        .iter()
        .any(|have| have.has("secure-boot") && have.has("requires-smm"));
    Firmware {
        interfaces,
        files,
        secure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECURE: &str = r#"{"description":"d","interface-types":["uefi"],
        "mapping":{"device":"flash","executable":{"filename":"/ms.fd","format":"raw"}},
        "targets":[{"architecture":"x86_64","machines":["pc-q35-*"]}],
        "features":["requires-smm","secure-boot"],"tags":[]}"#;

    #[test]
    fn later_folders_replace_and_take_away() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put(
            "usr/share/qemu/firmware/50-a.json",
            &SECURE.replace("/ms.fd", "/a.fd"),
        );
        put("usr/share/qemu/firmware/60-b.json", SECURE);
        put("usr/share/qemu/firmware/10-c.json", SECURE);
        put("usr/share/qemu/firmware/05-broken.json", "{");
        put("etc/qemu/firmware/60-b.json", &SECURE.replace("/ms.fd", "/b.fd"));
        put("etc/qemu/firmware/10-c.json", "");
        let host = Host::at(root.path());
        let found = descriptors(&host, None);
        let files: Vec<_> = found
            .iter()
            .map(|descriptor| descriptor.code().to_owned())
            .collect();
        assert_eq!(files, [Path::new("/a.fd"), Path::new("/b.fd")]);
        let q35 = offered(&host, &found, "x86_64", "pc-q35-10.0");
        assert_eq!((q35.interfaces, q35.secure), (vec!["efi"], true));
        assert_eq!(
            offered(&host, &found, "x86_64", "pc-i440fx-10.0"),
            Firmware::default()
        );
        put("usr/share/OVMF/OVMF_CODE.fd", "x");
        assert_eq!(
            offered(&host, &found, "i686", "pc-q35-10.0").files,
            ["/usr/share/OVMF/OVMF_CODE.fd"]
        );
    }

    #[test]
    fn patterns_match_machine_types() {
        for (pattern, text, expected) in [
            ("pc-q35-*", "pc-q35-9.0", true),
            ("pc-q35-*", "pc-i440fx-9.0", false),
            ("*", "", true),
            ("virt-?.*", "virt-9.0", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b", "ac", false),
            ("virt", "virt-9", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
