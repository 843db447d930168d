//! What a daemon needs of its driver.
//!
//! ```text
//!   flags ► config ► logging ► pid file ► sockets ► Driver::open ► READY ► serve … ► Driver::shutdown
//!                                                         reload ◄┘ (SIGHUP)
//! ```
//! One process at a time has a driver open, whichever daemon it is: see [`Instance::claim`].
//! What must not be lost when the program is run anew is handed over with [`Driver::hand_over`]; see `succession.rs`.
//!
//! Sockets are bound before [`Driver::open`], and clients that connect meanwhile wait in their queue; so `open` reads
//! what it needs to answer truthfully, and starts everything slow (probing binaries, reaching hypervisors) as tasks.

use crate::access::{self, Object, Polkit};
use crate::config::{ConfigError, DaemonConfig, Key, Loaded, Schema};
use crate::confinement::Needs;
use crate::{Handover, Layout, PidFile, Routes, Workers, durable};
use error::{Code, Domain, Error, Result};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rpc::{Identity, Session};
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::UnixStream;

/// Which driver it is, and in which daemon.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// The daemon: `virtqemud`. Sockets, configuration and pid file are named after it.
    pub daemon: &'static str,
    /// What it does, in a few words, for `--help`.
    pub about: &'static str,
    /// The driver's name in paths: `qemu`.
    pub driver: &'static str,
}

/// What a driver is given: the instance it works in. Clones share it.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Where everything lies, and for whom the daemon works.
    pub layout: Arc<Layout>,
    /// The daemon's own configuration.
    pub config: Arc<DaemonConfig>,
    /// Threads for work that waits.
    pub workers: Workers,
    /// How the daemons of the instance reach each other, if not at their sockets.
    pub passage: Option<Arc<dyn Passage>>,
    /// The daemon's configuration file, and whether somebody named it.
    pub(crate) config_file: (PathBuf, bool),
    /// What the program before in this process handed over.
    pub(crate) handover: Arc<Mutex<Option<Handover>>>,
    /// The host's polkit.
    pub(crate) polkit: Polkit,
    /// The drivers that this process alone may have.
    pub(crate) claims: Arc<Mutex<Vec<PidFile>>>,
}

impl Instance {
    /// The driver's keys in the daemon's own file: those of [`Driver::KEYS`]. May block on the disk.
    ///
    /// # Errors
    /// The file cannot be read or is refused.
    pub fn own_keys<T: Schema>(&self) -> Result<Loaded<T>, ConfigError> {
        let (path, named) = &self.config_file;
        Loaded::shared_file(path, *named, T::default(), DaemonConfig::KEYS)
    }

    /// Whether polkit lets a process do something, of which it is told these `details`. Nobody is asked for a password.
    ///
    /// # Errors
    /// [`Code::AccessDenied`] where polkit cannot tell.
    pub async fn asks_polkit(
        &self,
        process: &Identity,
        action: &str,
        details: &[(&str, &str)],
    ) -> Result<bool> {
        let details = details.iter().copied().collect();
        self.polkit
            .allows_action(process, action, &details)
            .await
            .map_err(|why| Error::new(Code::AccessDenied, Domain::Access, why))
    }

    /// Makes this process the only one of the instance that has the driver, until it ends: what the driver manages
    /// has one master, be it a daemon of its own or libvirtd, ours or libvirt's, which takes the same `driver.pid`. What the
    /// program before in this process had claimed it has still.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] with who has it, or why the file cannot be written.
    pub(crate) fn claim(&self, driver: &str) -> Result<()> {
        let failed = |failure: &dyn std::error::Error| {
            let text = format!("the driver '{driver}' cannot be opened: {failure}");
            Error::new(Code::OperationFailed, Domain::None, text)
        };
        let folder = self.layout.driver_run_dir(driver);
        let path = folder.join("driver.pid");
        let mut claims = self.claims.lock();
        if claims.iter().all(|claim| claim.path() != path) {
            durable::create_folder(&folder, self.layout.folder_mode()).map_err(|failure| failed(&failure))?;
            claims.push(PidFile::acquire(&path).map_err(|failure| failed(&failure))?);
        }
        Ok(())
    }

    /// What it has claimed, as it is handed to the program's next life: where each pid file is, and the file.
    pub(crate) fn handed_over_claims(&self) -> io::Result<Vec<(PathBuf, OwnedFd)>> {
        let claims = self.claims.lock();
        let handed_over = claims.iter().map(|claim| {
            let file = claim.as_fd().try_clone_to_owned()?;
            Ok((claim.path().to_owned(), file))
        });
        handed_over.collect()
    }

    /// What the program before in this process handed over, once.
    pub fn take_handover(&self) -> Option<Handover> {
        self.handover.lock().take()
    }
}

/// The way between daemons that share a process.
pub trait Passage: Debug + Send + Sync + 'static {
    /// Connects to the daemon of that name, to look only or for anything; as a socket's, the other end names this process.
    ///
    /// # Errors
    /// The daemon is not there.
    fn connect(&self, daemon: &'static str, read_only: bool) -> BoxFuture<'static, Result<UnixStream>>;
}

/// A driver: what a daemon serves.
pub trait Driver: Sized + Send + Sync + 'static {
    /// Which one.
    const INFO: Info;
    /// Whether clients open a connection before anything else. Without that there is nothing they could open to look only:
    /// one socket serves all, and only the daemon's own user.
    const CONNECTS: bool = true;
    /// Keys of the daemon's own file that the driver reads, with [`Instance::own_keys`].
    const KEYS: &'static [Key] = &[];
    /// What it needs of root's powers, the kernel and the file system; all else is taken away before anybody is served.
    const NEEDS: Needs = Needs::EVERYTHING;
    /// Whether clients go on when the program is run anew: then [`Driver::resumed`] has to make good all that the daemon
    /// knew of them. Where a client has opened a connection, that is who it speaks for and what it may, so it is
    /// disconnected instead, and connects anew.
    const CLIENTS_GO_ON: bool = false;

    /// The most threads that serve calls, if there are as many processors. With one, the process's first thread does it
    /// alone, which keeps a daemon small whose work is done by [`Workers`](crate::Workers), or is next to nothing.
    const THREADS: usize = crate::daemon::THREADS_MAX;

    /// The daemon's own keys where its file does not set them.
    fn defaults() -> DaemonConfig {
        DaemonConfig::default()
    }

    /// Opens the driver for an instance: its configuration, its definitions, what runs.
    ///
    /// # Errors
    /// Whatever keeps it from answering truthfully; the daemon then ends and says so.
    fn open(instance: Instance) -> impl Future<Output = Result<Arc<Self>>> + Send;

    /// Registers who serves what. Authentication and `connect_supports_feature` are served by the daemon.
    fn routes(routes: &mut Routes<Self>);

    /// Whether it has the feature of that number (`connect_supports_feature`); the connection's own are answered
    /// before it is asked.
    fn supports_feature(&self, _feature: i32) -> bool {
        false
    }

    /// Who an object is that a call names, as the driver itself knows it: what access control judges by. Asked for where
    /// `access_drivers` says so, for calls that the driver serves and what their lists tell.
    ///
    /// # Errors
    /// What the call itself would be told: there is no such object, the document is refused. It is not served then.
    fn describe(
        &self,
        kind: access::Kind,
        by: access::By<'_>,
    ) -> impl Future<Output = Result<Object>> + Send {
        std::future::ready(Err(access::undescribed(kind, by)))
    }

    /// Whether something runs that needs the daemon: then it does not end for want of clients.
    fn busy(&self) -> bool;

    /// Reads its configuration again.
    ///
    /// # Errors
    /// What is refused; the old configuration then stays in force.
    fn reload(&self) -> impl Future<Output = Result<()>> + Send;

    /// Stops all work within seconds and gives what the next program needs to go on with it, of what is not on disk; the
    /// clients hold still already. The program may go on in spite of it: then [`Driver::go_on`] follows.
    ///
    /// # Errors
    /// What keeps it from stopping; the program then goes on.
    fn hand_over(&self) -> impl Future<Output = Result<Handover>> + Send {
        std::future::ready(Ok(Handover::default()))
    }

    /// Takes up work again: there is no next program.
    fn go_on(&self) {}

    /// A client of the program before in this process goes on, under its former number. Called before it is served.
    fn resumed(self: &Arc<Self>, _session: &Arc<Session>) {}

    /// Prepares for the end of the daemon: what is acknowledged is on disk already, guests go on.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;
    use crate::workers::Limits;

    #[test]
    fn a_claim_lasts_from_one_life_of_the_program_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            min: 1,
            max: 1,
            priority: 0,
        };
        let instance = || Instance {
            layout: Arc::new(Layout::below(Mode::System, dir.path())),
            config: Arc::default(),
            workers: Workers::new(limits),
            passage: None,
            config_file: (PathBuf::new(), false),
            handover: Arc::default(),
            polkit: Polkit::default(),
            claims: Arc::default(),
        };
        let before = instance();
        before.claim("a").unwrap();
        before.claim("b").unwrap();
        let claims = before.handed_over_claims().unwrap();
        // As an exec does: nothing is dropped.
        std::mem::forget(std::mem::take(&mut *before.claims.lock()));
        let stranger = instance().claim("a").unwrap_err();
        assert!(
            stranger
                .to_string()
                .contains("run/libvirt/a/driver.pid is held by"),
            "{stranger}"
        );
        let next = instance();
        let inherited = claims
            .into_iter()
            .map(|(path, file)| PidFile::inherited(&path, file));
        next.claims.lock().extend(inherited);
        next.claim("a").unwrap();
        next.claims.lock().clear();
        instance().claim("a").unwrap();
    }
}
