//! Emulated TPMs: a swtpm process beside QEMU, and the state it keeps from run to run.

use super::Resources;
use super::launch::{Program, run_to_end};
use super::log_file::LogFile;
use super::provide::{failed, own};
use crate::Driver;
use crate::capabilities::tools;
use crate::command;
use crate::domain::{Document, Domain};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Tpm;
use model::domain::devices::tpm::{TpmBackendKind, TpmEmulator, TpmVersion};
use std::fs;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use xml::YesNo;

/// The number swtpm knows its listening socket by.
const CONTROL_FD: i32 = 3;

/// How long the making of a TPM's keys and certificates may take.
const SETUP_WAIT: Duration = Duration::from_secs(60);

/// Where one run's TPM works.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The folder of the run.
    pub domain_dir: PathBuf,
    /// The folder of this domain's TPM state.
    pub state: PathBuf,
    /// What swtpm says.
    pub log: PathBuf,
    /// The user and group swtpm runs as, where not the daemon's own.
    pub identity: Option<(u32, u32)>,
    /// The user and group QEMU runs as, where not the daemon's own.
    pub qemu: Option<(u32, u32)>,
}

/// The emulated TPMs of a document.
pub(crate) fn emulators(model: &Model) -> impl Iterator<Item = (&Tpm, &TpmEmulator)> {
    model
        .devices
        .tpms
        .iter()
        .filter_map(|tpm| match &tpm.backend.kind {
            TpmBackendKind::Emulator(emulator) => Some((tpm, emulator)),
            _ => None,
        })
}

/// Whether the state goes with the definition, or with the end of a domain that has none.
pub(crate) fn is_fleeting(model: &Model) -> bool {
    emulators(model).any(|(_, emulator)| emulator.persistent_state != Some(YesNo::Yes))
}

/// Says in a document whether the state goes with the domain.
pub(crate) fn set_fleeting(model: &mut Model, goes: bool) {
    for tpm in &mut model.devices.tpms {
        if let TpmBackendKind::Emulator(emulator) = &mut tpm.backend.kind {
            emulator.persistent_state = Some(if goes { YesNo::No } else { YesNo::Yes });
        }
    }
}

/// Removes a domain's TPM state. Blocks on the disk.
///
/// # Errors
/// When it is there and cannot be removed.
pub(crate) fn forget(state: &Path) -> Result<()> {
    match fs::remove_dir_all(state) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", state, err)),
        _ => Ok(()),
    }
}

/// The TPM state that is of no use any more once the domain does not run: its document says so, and it has no definition.
pub(super) fn state_to_forget(driver: &Driver, domain: &Domain, document: &Document) -> Option<PathBuf> {
    let goes = !domain.state().is_persistent() && document.parse().is_ok_and(|model| is_fleeting(&model));
    goes.then(|| driver.paths.tpm_state(domain.uuid))
}

/// [`forget`], where there is something to.
///
/// # Errors
/// As [`forget`].
pub(super) fn forget_all(state: Option<PathBuf>) -> Result<()> {
    state.map_or(Ok(()), |state| forget(&state))
}

/// Starts swtpm for each emulated TPM, with a socket that is already bound; gives their names. Blocks on the disk, inside
/// the runtime.
///
/// # Errors
/// [`Code::NoSupport`] for what is not built in, [`Code::OperationUnsupported`] without swtpm, and what swtpm says.
pub(super) fn start(model: &Model, ground: &Ground, resources: &mut Resources) -> Result<Vec<String>> {
    let mut started = Vec::new();
    for (tpm, emulator) in emulators(model) {
        refuse_options(emulator)?;
        let alias = tpm.info.alias_name().unwrap_or_default();
        let version = tpm.backend.version.unwrap_or(TpmVersion::V2_0);
        let swtpm = program("swtpm")?;
        let state = ground.state.join(match version {
            TpmVersion::V1_2 => "tpm1.2",
            _ => "tpm2",
        });
        set_up(model, ground, &state, version)?;
        let socket = command::swtpm_socket(&ground.domain_dir, alias);
        let listener = UnixListener::bind(&socket).map_err(|err| failed("bind", &socket, err))?;
        own(&socket, ground.qemu)?;
        let mut arguments: Vec<String> = ["socket", "--terminate", "--ctrl"].map(str::to_owned).to_vec();
        arguments.push(format!("type=unixio,fd={CONTROL_FD}"));
        arguments.push("--tpmstate".to_owned());
        arguments.push(format!("dir={},mode=0600", state.display()));
        if let Some(level) = emulator.debug {
            arguments.push("--log".to_owned());
            arguments.push(format!("fd=2,level={level}"));
        }
        if version != TpmVersion::V1_2 {
            arguments.push("--tpm2".to_owned());
        }
        let environment = command::environment(&ground.domain_dir);
        let log = LogFile::open(&ground.log, &environment, &swtpm, &arguments)?;
        let process = Program {
            binary: swtpm,
            arguments,
            environment,
            descriptors: vec![(listener.into(), CONTROL_FD)],
            identity: ground.identity,
        }
        .spawn(&log)?;
        let process = Arc::new(process);
        resources.helpers.push(Arc::clone(&process));
        // It is our child: whenever it ends, somebody has to take note.
        tokio::spawn(async move { process.ended().await });
        started.push(alias.to_owned());
    }
    Ok(started)
}

/// What would be ignored is refused.
fn refuse_options(emulator: &TpmEmulator) -> Result<()> {
    let asked = [
        ("encryption", emulator.encryption.is_some()),
        ("active_pcr_banks", emulator.active_pcr_banks.is_some()),
        ("source", emulator.source.is_some()),
        ("profile", emulator.profile.is_some()),
    ];
    super::refuse_asked(asked, |what| {
        format!("<tpm><backend type='emulator'>: <{what}> is not supported yet")
    })
}

fn program(name: &str) -> Result<PathBuf> {
    tools::find(name).ok_or_else(|| {
        let text = format!("<tpm>: '{name}' is not installed (packages swtpm and swtpm-tools)");
        Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text)
    })
}

/// Makes a TPM with its keys and certificates, the first time.
fn set_up(model: &Model, ground: &Ground, state: &Path, version: TpmVersion) -> Result<()> {
    if state.exists() {
        return Ok(());
    }
    let setup = program("swtpm_setup")?;
    // Made beside its place, so that a half-made one is never taken for a TPM.
    let unfinished = ground.state.join("unfinished");
    forget(&unfinished)?;
    for folder in [&ground.state, &unfinished] {
        daemon::durable::create_folder(folder, 0o700).map_err(|err| failed("create", folder, err))?;
        own(folder, ground.identity)?;
    }
    let uuid = model.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
    let mut command = Command::new(setup);
    command
        .arg("--tpm-state")
        .arg(&unfinished)
        .args(["--vmid", &format!("{}:{uuid}", model.name)])
        .args([
            "--createek",
            "--create-ek-cert",
            "--create-platform-cert",
            "--lock-nvram",
        ]);
    if version != TpmVersion::V1_2 {
        command.arg("--tpm2");
    }
    if let Some((user, group)) = ground.identity {
        command.uid(user).gid(group);
    }
    run_to_end("<tpm>", "swtpm_setup", command, SETUP_WAIT)?;
    fs::rename(&unfinished, state).map_err(|err| failed("make", state, err))
}
