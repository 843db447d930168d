//! What tests against golden cases share: where the cases lie, and the list of those that are known to differ.
//!
//! Cases lie beside the project; without them a test says so and is skipped. `ONLY=NAME` in the environment runs one case
//! and shows it, `REPORT=FILE` writes every difference down.

use driver_qemu::binary::{BinaryCaps, replay};
use host::Host;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The firmware that the cases know: machine types, files of code and of variables, and what it can do.
const FIRMWARE: &[(&str, &str, &str, &str)] = &[
    (
        "q35",
        "OVMF_CODE.secboot.fd",
        "OVMF_VARS.secboot.fd",
        "requires-smm secure-boot enrolled-keys",
    ),
    (
        "q35",
        "OVMF_CODE_4M.secboot.qcow2",
        "OVMF_VARS_4M.secboot.qcow2",
        "requires-smm secure-boot enrolled-keys",
    ),
    (
        "q35",
        "OVMF_CODE.secboot.fd",
        "OVMF_VARS.fd",
        "requires-smm secure-boot",
    ),
    ("*", "OVMF_CODE.fd", "OVMF_VARS.fd", ""),
    ("*", "OVMF_CODE_4M.qcow2", "OVMF_VARS_4M.qcow2", ""),
    ("q35", "OVMF.amdsev.fd", "", "amd-sev amd-sev-es amd-sev-snp"),
];

/// A host with that firmware below `root`.
pub(crate) fn firmware_host(root: &Path) -> Host {
    let folder = root.join("usr/share/qemu/firmware");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| {
        let format = if name.ends_with("qcow2") { "qcow2" } else { "raw" };
        serde_json::json!({ "filename": format!("/usr/share/edk2/ovmf/{name}"), "format": format })
    };
    let put = |at: usize, interface: &str, machine: &str, mapping: serde_json::Value, features: &str| {
        let features: Vec<&str> = features.split_whitespace().collect();
        let machines = format!("pc-{machine}-*");
        let text = serde_json::json!({
            "interface-types": [interface], "mapping": mapping, "features": features,
            "targets": [{ "architecture": "x86_64", "machines": [machines] }],
        });
        std::fs::write(folder.join(format!("{at}.json")), text.to_string()).unwrap();
    };
    for (at, (machine, code, variables, features)) in FIRMWARE.iter().enumerate() {
        let mapping = if variables.is_empty() {
            serde_json::json!({ "device": "flash", "mode": "stateless", "executable": file(code) })
        } else {
            serde_json::json!({ "device": "flash", "executable": file(code), "nvram-template": file(variables) })
        };
        put(at, "uefi", machine, mapping, features);
    }
    let bios = serde_json::json!({ "device": "memory", "filename": "/usr/share/seabios/bios-256k.bin" });
    put(FIRMWARE.len(), "bios", "*", bios, "");
    Host::at(root)
}

/// The cases of domains, and the QEMU they were made with.
pub(crate) struct Golden {
    /// What that QEMU can do.
    pub(crate) caps: BinaryCaps,
    /// The files, sorted.
    pub(crate) files: Vec<PathBuf>,
    only: Option<String>,
}

impl Golden {
    /// Finds the cases, if they are there.
    pub(crate) fn find() -> Option<Self> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
        if !corpus.is_dir() {
            println!("skipped: no documents at {}", corpus.display());
            return None;
        }
        let replies = corpus.join("qemu-caps/caps_10.0.0_x86_64.replies");
        let entries = std::fs::read_dir(corpus.join("domain")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        Some(Self {
            caps: replay::from_replies(&replies, Path::new("/usr/bin/qemu-system-x86_64")).unwrap(),
            files,
            only: std::env::var("ONLY").ok(),
        })
    }

    /// Whether the case of that name is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }

    /// Holds the differences against the list of known ones, `CASE: reason` each: one more or one less is refused. What
    /// `may_agree` says of a listed case and its reason may go either way.
    pub(crate) fn settle(
        &self,
        failed: &BTreeMap<String, String>,
        known: &str,
        may_agree: impl Fn(&str) -> bool,
    ) {
        if let Ok(report) = std::env::var("REPORT") {
            let text: String = failed.iter().fold(String::new(), |mut text, (name, reason)| {
                writeln!(text, "== {name}\n{reason}").unwrap();
                text
            });
            std::fs::write(report, text).unwrap();
        }
        if self.only.is_some() {
            failed
                .iter()
                .for_each(|(name, reason)| println!("{name}\n{reason}"));
            return;
        }
        let listed: BTreeMap<&str, &str> = known.lines().filter_map(|line| line.split_once(": ")).collect();
        let new: Vec<String> = failed
            .iter()
            .filter(|(name, _)| !listed.contains_key(name.as_str()))
            .map(|(name, reason)| format!("{name}:\n{reason}"))
            .collect();
        let mended: Vec<&&str> = listed
            .iter()
            .filter(|(name, reason)| !failed.contains_key(**name) && !may_agree(reason))
            .map(|(name, _)| name)
            .collect();
        assert!(
            new.is_empty(),
            "{} cases differ and are not listed:\n{}",
            new.len(),
            new.join("\n")
        );
        assert!(mended.is_empty(), "listed, but as expected now: {mended:?}");
    }
}
