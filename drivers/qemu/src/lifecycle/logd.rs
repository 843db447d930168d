//! virtlogd as this driver uses it: it keeps what guests write, whatever becomes of this daemon.
//!
//! QEMU gets the ends of pipes instead of files; virtlogd drains them. Where `stdio_handler` is not set, guests start
//! without virtlogd too, and QEMU writes its files itself; "logd" insists.

use super::descriptors::Descriptors;
use super::log_file::{LogFile, note};
use crate::Driver;
use crate::command::{self, Provision, Role};
use crate::config::StdioHandler;
use client::Client;
use daemon::{Kind, socket_name};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use protocol::log::{self as wire, DomainOpenLogFileFlags, procedure as call};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long virtlogd may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of QEMU's words is asked for, from the beginning of a start.
const WORDS: u64 = 64 * 1024;

/// How long the end of a guest waits for its last note, so that it stands before the next start's.
const NOTE_WAIT: Duration = Duration::from_millis(500);

/// A connection to virtlogd on behalf of one domain.
#[derive(Debug, Clone)]
pub(crate) struct Logd {
    client: Client,
    domain: wire::Domain,
}

/// A log as virtlogd opened it: what the guest writes to, and where that begins.
#[derive(Debug)]
pub(crate) struct Opened {
    pub pipe: OwnedFd,
    pub start: wire::LogFilePosition,
}

impl Logd {
    /// Reaches virtlogd, if the configuration does not forbid it.
    ///
    /// # Errors
    /// It cannot be reached or does not answer in time, and the configuration insists.
    pub(super) async fn for_start(driver: &Driver, name: &str, uuid: Uuid) -> Result<Option<Self>> {
        match driver.config().stdio_handler {
            Some(StdioHandler::File) => Ok(None),
            Some(StdioHandler::Logd) => Self::connect(driver, name, uuid).await.map(Some),
            None => match Self::connect(driver, name, uuid).await {
                Ok(logd) => Ok(Some(logd)),
                Err(err) => {
                    tracing::warn!(domain = name, %err, "virtlogd keeps no log of this guest: QEMU writes it itself");
                    Ok(None)
                }
            },
        }
    }

    async fn connect(driver: &Driver, name: &str, uuid: Uuid) -> Result<Self> {
        let socket = driver.neighbour_socket(&socket_name("virtlogd", Kind::ReadWrite));
        let connected = tokio::time::timeout(PATIENCE, Client::connect_unix(&socket)).await;
        let client = connected.map_err(|_| {
            let text = format!("virtlogd does not take connections at '{}'", socket.display());
            Error::new(Code::OperationTimeout, ErrorDomain::Qemu, text)
        })??;
        let logd = Self {
            client: client.with_deadline(PATIENCE),
            domain: wire::Domain {
                uuid: uuid.into_bytes(),
                name: name.to_owned(),
            },
        };
        // That somebody takes the connection does not say that he answers.
        let args = wire::DomainGetLogFilePositionArgs {
            path: text(&driver.paths.log_file(name)),
            flags: 0,
        };
        match logd.client.call::<call::DomainGetLogFilePosition>(&args).await {
            Err(err) if err.code() != Code::InternalError => Err(err.context("virtlogd")),
            _ => Ok(logd),
        }
    }

    /// Opens a log for the guest; without `keep` what it holds goes.
    ///
    /// # Errors
    /// What virtlogd says.
    pub(crate) async fn open(&self, path: &Path, keep: bool) -> Result<Opened> {
        const TRUNCATE: u32 = DomainOpenLogFileFlags::VirLogManagerProtocolDomainOpenLogFileTruncate as u32;
        let args = wire::DomainOpenLogFileArgs {
            driver: "qemu".to_owned(),
            dom: self.domain.clone(),
            path: text(path),
            flags: if keep { 0 } else { TRUNCATE },
        };
        let opened = self
            .client
            .call_with_fds::<call::DomainOpenLogFile>(&args, Vec::new());
        let (ret, fds) = opened.await.map_err(|err| err.context("virtlogd"))?;
        let pipe = fds.into_iter().next().ok_or_else(|| {
            let text = format!("virtlogd gave no descriptor for '{}'", path.display());
            Error::new(Code::InternalError, ErrorDomain::Qemu, text)
        })?;
        Ok(Opened { pipe, start: ret.pos })
    }

    /// Appends to a log.
    ///
    /// # Errors
    /// What virtlogd says.
    pub(crate) async fn append(&self, path: &Path, message: String) -> Result<()> {
        let args = wire::DomainAppendLogFileArgs {
            driver: "qemu".to_owned(),
            dom: self.domain.clone(),
            path: text(path),
            message,
            flags: 0,
        };
        let appended = self.client.call::<call::DomainAppendLogFile>(&args).await;
        appended.map(drop).map_err(|err| err.context("virtlogd"))
    }

    /// What a log holds from `start` on, its beginning if it is much.
    ///
    /// # Errors
    /// What virtlogd says.
    pub(crate) async fn read(&self, path: &Path, start: &wire::LogFilePosition) -> Result<String> {
        let args = wire::DomainReadLogFileArgs {
            path: text(path),
            pos: start.clone(),
            maxlen: WORDS,
            flags: 0,
        };
        let ret = self.client.call::<call::DomainReadLogFile>(&args).await;
        ret.map(|ret| ret.data).map_err(|err| err.context("virtlogd"))
    }

    /// Opens what the devices of a live document write: a pipe for each, as a start hands them to QEMU.
    ///
    /// # Errors
    /// What virtlogd says.
    pub(super) async fn outputs(&self, model: &Model, descriptors: &mut Descriptors) -> Result<()> {
        for wanted in command::requirements(model) {
            let (role, path, keep) = match wanted.what {
                Provision::OutputFile { path, append } => (Role::Output, path, append),
                Provision::LogFile { path, append } => (Role::Log, path, append),
                _ => continue,
            };
            let log = self.open(&path, keep).await?;
            descriptors.add(&wanted.alias, role, vec![log.pipe]);
        }
        Ok(())
    }
}

impl Driver {
    /// Opens the log of one start, with its header.
    ///
    /// # Errors
    /// What the disk or virtlogd says.
    pub(super) async fn open_log(&self, logd: Option<&Logd>, name: &str, header: String) -> Result<LogFile> {
        let path = self.paths.log_file(name);
        match logd {
            Some(logd) => LogFile::through(logd, &path, header).await,
            None => self.blocking(move || LogFile::with_header(&path, &header)).await,
        }
    }

    /// Adds one line to a guest's log, for example why it ended. Best effort: the guest's fate does not hang on it.
    pub(super) async fn note_in_log(self: &Arc<Self>, name: &str, uuid: Uuid, line: String) {
        let (driver, name) = (Arc::clone(self), name.to_owned());
        let noting = tokio::spawn(async move {
            let path = driver.paths.log_file(&name);
            if driver.config().stdio_handler != Some(StdioHandler::File)
                && let Ok(logd) = Logd::connect(&driver, &name, uuid).await
            {
                let noted = logd.append(&path, super::log_file::line(&line)).await;
                return noted.map_err(|err| err.to_string());
            }
            let noted = driver.blocking(move || {
                note(&path, &line);
                Ok(())
            });
            noted.await.map_err(|err| err.to_string())
        });
        match tokio::time::timeout(NOTE_WAIT, noting).await {
            Ok(Ok(Err(err))) => tracing::warn!(%err, "cannot write to the guest's log"),
            Ok(_) => {}
            Err(_) => tracing::warn!("a guest's log takes its time"),
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
