//! What tests against golden cases share: where the cases lie, and the list of those that are known to differ.
//!
//! Cases lie beside the project; without them a test says so and is skipped. `ONLY=NAME` in the environment runs one case
//! and shows it, `REPORT=FILE` writes every difference down.

use driver_qemu::binary::{BinaryCaps, probe, replay};
use driver_qemu::config::QemuConfig;
use driver_qemu::prepare::Facts;
use host::Host;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The firmware that the cases know: architecture and machine types, files of code and of variables, and what it can do.
const FIRMWARE: &[(&str, &str, &str, &str, &str)] = &[
    (
        "x86_64",
        "pc-q35-*",
        "ovmf/OVMF_CODE.secboot.fd",
        "ovmf/OVMF_VARS.secboot.fd",
        "requires-smm secure-boot enrolled-keys",
    ),
    (
        "x86_64",
        "pc-q35-*",
        "ovmf/OVMF_CODE_4M.secboot.qcow2",
        "ovmf/OVMF_VARS_4M.secboot.qcow2",
        "requires-smm secure-boot enrolled-keys",
    ),
    (
        "x86_64",
        "pc-q35-*",
        "ovmf/OVMF_CODE.secboot.fd",
        "ovmf/OVMF_VARS.fd",
        "requires-smm secure-boot",
    ),
    ("x86_64", "pc-*", "ovmf/OVMF_CODE.fd", "ovmf/OVMF_VARS.fd", ""),
    (
        "x86_64",
        "pc-*",
        "ovmf/OVMF_CODE_4M.qcow2",
        "ovmf/OVMF_VARS_4M.qcow2",
        "",
    ),
    (
        "x86_64",
        "pc-q35-*",
        "ovmf/OVMF.amdsev.fd",
        "",
        "amd-sev amd-sev-es amd-sev-snp",
    ),
    (
        "aarch64",
        "virt-*",
        "aarch64/QEMU_EFI-silent-pflash.raw",
        "aarch64/vars-template-pflash.raw",
        "",
    ),
];

/// What the daemon of those cases knows of its host, whose firmware is below `root`.
pub(crate) fn facts(root: &Path) -> Facts {
    Facts {
        nvram_dir: "/var/lib/libvirt/qemu/nvram".into(),
        lib_dir: "/var/lib/libvirt/qemu".into(),
        run_dir: "/run/libvirt/qemu".into(),
        host: firmware_host(root),
        variables: QemuConfig::default().nvram.0,
    }
}

/// A host with that firmware below `root`.
pub(crate) fn firmware_host(root: &Path) -> Host {
    let folder = root.join("usr/share/qemu/firmware");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| {
        let format = if name.ends_with("qcow2") { "qcow2" } else { "raw" };
        serde_json::json!({ "filename": format!("/usr/share/edk2/{name}"), "format": format })
    };
    let put = |at: usize, interface: &str, (arch, machines): (&str, &str), mapping: Value, features: &str| {
        let features: Vec<&str> = features.split_whitespace().collect();
        let text = serde_json::json!({
            "interface-types": [interface], "mapping": mapping, "features": features,
            "targets": [{ "architecture": arch, "machines": [machines] }],
        });
        std::fs::write(folder.join(format!("{at}.json")), text.to_string()).unwrap();
    };
    for (at, (arch, machines, code, variables, features)) in FIRMWARE.iter().enumerate() {
        let mapping = if variables.is_empty() {
            serde_json::json!({ "device": "flash", "mode": "stateless", "executable": file(code) })
        } else {
            serde_json::json!({ "device": "flash", "executable": file(code), "nvram-template": file(variables) })
        };
        put(at, "uefi", (arch, machines), mapping, features);
    }
    let bios = serde_json::json!({ "device": "memory", "filename": "/usr/share/seabios/bios-256k.bin" });
    put(FIRMWARE.len(), "bios", ("x86_64", "pc-*"), bios, "");
    Host::at(root)
}

/// A QEMU that cases were made with.
pub(crate) struct Made {
    /// The architecture, as the names of cases have it.
    pub(crate) arch: &'static str,
    caps: BinaryCaps,
}

impl Made {
    /// What that QEMU can do on the host that a case was made on.
    pub(crate) fn caps(&self, case: &str) -> Cow<'_, BinaryCaps> {
        // Which interrupt controllers the kernel of that host has, its name tells alone.
        let older = case.starts_with("aarch64-gic-") && case.ends_with("-v2");
        if !older {
            return Cow::Borrowed(&self.caps);
        }
        let mut caps = self.caps.clone();
        caps.gic.iter_mut().for_each(|gic| gic.version = 2);
        Cow::Owned(caps)
    }

    /// What a case is listed as.
    pub(crate) fn listed(&self, case: &str) -> String {
        match self.arch {
            "x86_64" => case.to_owned(),
            arch => format!("{case} on {arch}"),
        }
    }
}

/// The cases of domains, and what they were made with.
pub(crate) struct Golden {
    made: Vec<Made>,
    /// The files, sorted.
    pub(crate) files: Vec<PathBuf>,
    only: Option<String>,
}

/// The QEMU of ARM's cases. Its answers are not recorded anywhere, so the host's own QEMU gives them, for what is emulated and, as
/// none is at hand, for KVM; the cases' one was older.
fn arm() -> Option<BinaryCaps> {
    let binary = Path::new("/usr/bin/qemu-system-aarch64");
    if !binary.exists() {
        println!("cases of aarch64 are skipped: no {}", binary.display());
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let emulated = runtime.block_on(probe::record(binary)).unwrap();
    // What came with QEMU 9.0.
    let emulated = emulated.replace("\"backing-mask-protocol\"", "\"not-yet\"");
    let kernel = concat!(
        r#"{"execute":"query-kvm"}{"return":{"enabled":true,"present":true}}"#,
        r#"{"execute":"query-gic-capabilities"}{"return":[{"version":3,"emulated":false,"kernel":true}]}"#,
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(format!("{emulated}{kernel}{emulated}").as_bytes())
        .unwrap();
    Some(replay::from_replies(file.path(), binary).unwrap())
}

/// The folder of all cases, if it is there.
fn corpus() -> Option<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !corpus.is_dir() {
        println!("skipped: no documents at {}", corpus.display());
        return None;
    }
    Some(corpus)
}

impl Golden {
    /// Finds the cases, if they are there.
    pub(crate) fn find() -> Option<Self> {
        let corpus = corpus()?;
        let replies = corpus.join("qemu-caps/caps_10.0.0_x86_64.replies");
        let entries = std::fs::read_dir(corpus.join("domain")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let x86 = replay::from_replies(&replies, Path::new("/usr/bin/qemu-system-x86_64")).unwrap();
        let made = [("x86_64", Some(x86)), ("aarch64", arm())];
        let made = made
            .into_iter()
            .filter_map(|(arch, caps)| Some(Made { arch, caps: caps? }));
        Some(Self {
            made: made.collect(),
            files,
            only: std::env::var("ONLY").ok(),
        })
    }

    /// What the QEMU of x86's cases can do.
    pub(crate) fn x86(&self) -> &BinaryCaps {
        &self.made.first().unwrap().caps
    }

    /// The documents that every hypervisor reads alike.
    pub(crate) fn generic(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(corpus().unwrap().join("domain-generic")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The name of the case that a file belongs to, the file's ending, and what it was made with.
    pub(crate) fn case<'a>(&self, file: &'a Path) -> Option<(&'a str, &'a str, &Made)> {
        let file = file.file_name()?.to_str()?;
        self.made.iter().find_map(|made| {
            let (name, ending) = file.rsplit_once(&format!(".{}-latest", made.arch))?;
            self.wants(name).then_some((name, ending, made))
        })
    }

    /// Whether the case of that name is to be run.
    fn wants(&self, name: &str) -> bool {
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
