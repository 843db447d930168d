//! Programs beside QEMU that some devices of guests need.

use serde::Deserialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How long a program may take to tell its features.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where programs are looked for, whatever environment the daemon was started with.
const FOLDERS: &[&str] = &[
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
];

/// Where a program is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file())
}

#[derive(Deserialize)]
struct Features {
    #[serde(default)]
    features: Vec<String>,
}

/// The versions of TPM that the emulator `swtpm` offers; none unless it is complete and answers.
pub(super) async fn tpm_versions() -> Vec<String> {
    let (Some(swtpm), Some(_)) = (find("swtpm"), find("swtpm_setup")) else {
        return Vec::new();
    };
    let asked = Command::new(swtpm)
        .args(["socket", "--print-capabilities"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(Ok(output)) = tokio::time::timeout(DEADLINE, asked).await else {
        return Vec::new();
    };
    let told: Features = serde_json::from_slice(&output.stdout).unwrap_or(Features { features: Vec::new() });
    let versions = [("tpm-1.2", "1.2"), ("tpm-2.0", "2.0")];
    let offered = |feature: &str| told.features.iter().any(|have| have == feature);
    versions
        .iter()
        .filter(|(feature, _)| offered(feature))
        .map(|(_, version)| (*version).to_owned())
        .collect()
}
