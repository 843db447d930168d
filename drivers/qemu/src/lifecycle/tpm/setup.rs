//! Making a TPM: its keys and certificates, the first time, and which of its banks are in use.

use super::super::launch::{ask, run_to_end};
use super::super::provide::{failed, own};
use super::{CIPHER, Ground, PASSPHRASE_FD, Store, program, readable};
use command_fds::{CommandFdExt, FdMapping};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::tpm::{PcrBanks, TpmEmulator, TpmProfile, TpmVersion};
use serde::Deserialize;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use xdr::SecretBytes;

/// How long it may take.
const WAIT: Duration = Duration::from_secs(60);

/// swtpm_setup's names of what it can do.
const CAN_RECONFIGURE: &str = "cmdarg-reconfigure-pcr-banks";
const CAN_PROFILE: &str = "cmdarg-profile";

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// Makes the TPM of a store where there is none, and switches its banks.
///
/// # Errors
/// [`Code::ConfigUnsupported`] for what this swtpm_setup cannot do, and what it says.
pub(super) fn run(
    model: &Model,
    ground: &Ground,
    store: &Store,
    (emulator, passphrase): (&TpmEmulator, Option<&SecretBytes>),
    version: TpmVersion,
) -> Result<()> {
    let banks = emulator
        .active_pcr_banks
        .as_ref()
        .map(words)
        .filter(|banks| !banks.is_empty());
    if version == TpmVersion::V1_2 && (banks.is_some() || emulator.profile.is_some()) {
        return Err(unsupported(
            "<tpm>: <active_pcr_banks> and <profile> are for TPM version 2.0",
        ));
    }
    let setup = program("swtpm_setup")?;
    let made = store.is_made();
    if made && banks.is_none() {
        return Ok(());
    }
    let abilities = if banks.is_some() || emulator.profile.is_some() {
        abilities(&setup)?
    } else {
        Vec::new()
    };
    let mut options = Vec::new();
    if let Some(banks) = &banks {
        require(&abilities, CAN_RECONFIGURE, "active_pcr_banks")?;
        options.extend(["--pcr-banks".to_owned(), banks.clone()]);
    }
    if made {
        options.push("--reconfigure".to_owned());
        return perform(&setup, store, (options, passphrase), version, ground);
    }
    if let Some(profile) = &emulator.profile {
        require(&abilities, CAN_PROFILE, "profile")?;
        options.extend(of_profile(profile));
    }
    let uuid = model.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
    options.extend(["--vmid".to_owned(), format!("{}:{uuid}", model.name)]);
    let keys = [
        "--createek",
        "--create-ek-cert",
        "--create-platform-cert",
        "--lock-nvram",
    ];
    options.extend(keys.map(str::to_owned));

    // Made beside its place, so that a half-made one is never taken for a TPM.
    let unfinished = store.at(beside(store.path()));
    clear(&unfinished)?;
    if emulator.source.is_none() {
        folder(&ground.state, ground)?;
    }
    if let Store::Folder(path) = &unfinished {
        folder(path, ground)?;
    }
    let outcome = perform(&setup, &unfinished, (options, passphrase), version, ground).and_then(|()| {
        fs::rename(unfinished.path(), store.path()).map_err(|err| failed("make", store.path(), err))
    });
    if outcome.is_err() {
        clear(&unfinished)?;
    }
    outcome
}

fn folder(path: &Path, ground: &Ground) -> Result<()> {
    daemon::durable::create_folder(path, 0o700).map_err(|err| failed("create", path, err))?;
    own(path, ground.identity)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

fn clear(store: &Store) -> Result<()> {
    match store {
        Store::Folder(path) => super::forget(path),
        Store::File(path) => match fs::remove_file(path) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path, err)),
            _ => Ok(()),
        },
    }
}

fn words(banks: &PcrBanks) -> String {
    let all = [
        ("sha1", banks.sha1),
        ("sha256", banks.sha256),
        ("sha384", banks.sha384),
        ("sha512", banks.sha512),
    ];
    let on: Vec<&str> = all
        .into_iter()
        .filter(|(_, on)| *on)
        .map(|(name, _)| name)
        .collect();
    on.join(",")
}

fn of_profile(profile: &TpmProfile) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(source) = &profile.source {
        options.extend(["--profile-name".to_owned(), source.clone()]);
    }
    if let Some(remove) = profile.remove_disabled {
        options.extend(["--profile-remove-disabled".to_owned(), remove.to_string()]);
    }
    options
}

fn require(abilities: &[String], ability: &str, element: &str) -> Result<()> {
    if abilities.iter().any(|have| have == ability) {
        return Ok(());
    }
    Err(unsupported(format!(
        "<tpm><{element}>: the installed swtpm_setup cannot do this"
    )))
}

/// What the installed swtpm_setup can do, in its own words.
fn abilities(setup: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Told {
        features: Vec<String>,
    }
    let mut command = Command::new(setup);
    command.arg("--print-capabilities");
    let said = ask("<tpm>", "swtpm_setup", command, WAIT)?;
    let told: Told = serde_json::from_str(said.trim()).map_err(|err| {
        let text = format!("swtpm_setup does not tell what it can do: {err}");
        Error::new(Code::InternalError, ErrorDomain::Qemu, text)
    })?;
    Ok(told.features)
}

fn perform(
    setup: &Path,
    store: &Store,
    (options, passphrase): (Vec<String>, Option<&SecretBytes>),
    version: TpmVersion,
    ground: &Ground,
) -> Result<()> {
    let mut command = Command::new(setup);
    command.arg("--tpm-state").arg(store.for_setup()).args(options);
    if let Some(passphrase) = passphrase {
        let mapping = FdMapping {
            parent_fd: readable(passphrase)?,
            child_fd: PASSPHRASE_FD,
        };
        command.args(["--pwdfile-fd", &PASSPHRASE_FD.to_string(), "--cipher", CIPHER]);
        command.fd_mappings(vec![mapping]).map_err(|err| {
            let text = format!("<tpm>: the passphrase for swtpm_setup: {err}");
            Error::new(Code::InternalError, ErrorDomain::Qemu, text)
        })?;
    }
    if version != TpmVersion::V1_2 {
        command.arg("--tpm2");
    }
    if let Some((user, group)) = ground.identity {
        command.uid(user).gid(group);
    }
    run_to_end("<tpm>", "swtpm_setup", command, WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_are_named_in_one_word() {
        let banks = PcrBanks {
            sha1: true,
            sha384: true,
            ..PcrBanks::default()
        };
        assert_eq!(words(&banks), "sha1,sha384");
        assert_eq!(words(&PcrBanks::default()), "");
    }

    #[test]
    fn what_swtpm_setup_lacks_is_refused_by_name() {
        let refused = require(&["tpm-2.0".to_owned()], CAN_PROFILE, "profile").unwrap_err();
        assert_eq!(refused.code(), Code::ConfigUnsupported);
        assert!(refused.detail().contains("<profile>"));
    }
}
