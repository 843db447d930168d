//! Emulated TPMs: a swtpm process beside QEMU, and the state it keeps from run to run.

mod setup;

use super::Resources;
use super::launch::Program;
use super::log_file::LogFile;
use super::provide::{failed, own};
use super::secrets::Passphrases;
use crate::Driver;
use crate::capabilities::tools;
use crate::command;
use crate::domain::{Document, Domain};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Tpm;
use model::domain::devices::tpm::{TpmBackendKind, TpmEmulator, TpmStateKind, TpmVersion};
use rustix::fs::MemfdFlags;
use std::fs;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xdr::SecretBytes;
use xml::YesNo;

/// The number swtpm knows its listening socket by.
const CONTROL_FD: i32 = 3;

/// The number it knows its log by.
const LOG_FD: i32 = 4;

/// The number it knows the passphrase of its state by.
const PASSPHRASE_FD: i32 = 5;

/// How the state is encrypted.
const CIPHER: &str = "aes-256-cbc";

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
    /// What TPMs are encrypted with.
    pub passphrases: Passphrases,
}

/// Where a TPM keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Store {
    /// In files of a folder.
    Folder(PathBuf),
    /// In one file.
    File(PathBuf),
}

impl Store {
    /// The place that the document names, else one in the domain's own folder.
    fn of(emulator: &TpmEmulator, own: &Path, version: TpmVersion) -> Result<Self> {
        let store = match &emulator.source {
            Some(source) => match source.kind {
                TpmStateKind::Dir => Self::Folder(source.path.clone().into()),
                TpmStateKind::File => Self::File(source.path.clone().into()),
            },
            None => Self::Folder(own.join(match version {
                TpmVersion::V1_2 => "tpm1.2",
                _ => "tpm2",
            })),
        };
        let path = store.path();
        if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&b',') {
            let text = format!(
                "<tpm><source path='{}'>: an absolute path without commas is wanted",
                path.display()
            );
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
        Ok(store)
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::File(path) => path,
        }
    }

    /// The same kind of place elsewhere.
    pub(super) fn at(&self, path: PathBuf) -> Self {
        match self {
            Self::Folder(_) => Self::Folder(path),
            Self::File(_) => Self::File(path),
        }
    }

    /// As swtpm is told it.
    fn for_swtpm(&self) -> String {
        match self {
            Self::Folder(path) => format!("dir={},mode=0600", path.display()),
            Self::File(path) => format!("backend-uri=file://{}", path.display()),
        }
    }

    /// As swtpm_setup is told it.
    pub(super) fn for_setup(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::File(path) => format!("file://{}", path.display()),
        }
    }

    /// Whether there is a TPM in it.
    pub(super) fn is_made(&self) -> bool {
        match self {
            Self::Folder(path) => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()),
            Self::File(path) => path.metadata().is_ok_and(|about| about.len() > 0),
        }
    }
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
        let alias = tpm.info.alias_name().unwrap_or_default();
        let version = tpm.backend.version.unwrap_or(TpmVersion::V2_0);
        let swtpm = program("swtpm")?;
        let store = Store::of(emulator, &ground.state, version)?;
        let passphrase = ground.passphrases.get(alias);
        setup::run(model, ground, &store, (emulator, passphrase), version)?;
        let socket = command::swtpm_socket(&ground.domain_dir, alias);
        let listener = UnixListener::bind(&socket).map_err(|err| failed("bind", &socket, err))?;
        own(&socket, ground.qemu)?;
        let mut arguments: Vec<String> = ["socket", "--terminate", "--ctrl"].map(str::to_owned).to_vec();
        arguments.push(format!("type=unixio,fd={CONTROL_FD}"));
        arguments.push("--tpmstate".to_owned());
        arguments.push(store.for_swtpm());
        if let Some(level) = emulator.debug {
            arguments.push("--log".to_owned());
            // It takes no number of the standard ones.
            arguments.push(format!("fd={LOG_FD},level={level}"));
        }
        if version != TpmVersion::V1_2 {
            arguments.push("--tpm2".to_owned());
        }
        let mut descriptors = vec![(listener.into(), CONTROL_FD)];
        if let Some(passphrase) = passphrase {
            arguments.push("--key".to_owned());
            arguments.push(format!("pwdfd={PASSPHRASE_FD},mode={CIPHER}"));
            descriptors.push((readable(passphrase)?, PASSPHRASE_FD));
        }
        let environment = command::environment(&ground.domain_dir);
        let log = LogFile::open(&ground.log, &environment, &swtpm, &arguments)?;
        let words = log.handle().map_err(|err| failed("write", &ground.log, err))?;
        descriptors.push((words.into(), LOG_FD));
        let process = Program {
            binary: swtpm,
            arguments,
            environment,
            descriptors,
            identity: ground.identity,
        }
        .spawn(&log)?;
        let process = Arc::new(process);
        resources.add_helper(Arc::clone(&process));
        // It is our child: whenever it ends, somebody has to take note.
        tokio::spawn(async move { process.ended().await });
        started.push(alias.to_owned());
    }
    Ok(started)
}

/// A descriptor that a passphrase can be read from, in memory of its own.
pub(super) fn readable(passphrase: &SecretBytes) -> Result<OwnedFd> {
    let made = rustix::fs::memfd_create("passphrase", MemfdFlags::CLOEXEC).map_err(std::io::Error::from);
    let written = made.and_then(|memory| {
        let mut file = fs::File::from(memory);
        file.write_all(passphrase.expose())?;
        file.rewind()?;
        Ok(file.into())
    });
    written.map_err(|err| failed("hand over", Path::new("the TPM's passphrase"), err))
}

pub(super) fn program(name: &str) -> Result<PathBuf> {
    tools::find(name).ok_or_else(|| {
        let text = format!("<tpm>: '{name}' is not installed (packages swtpm and swtpm-tools)");
        Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text)
    })
}
