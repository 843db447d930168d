//! What a daemon needs of its driver.
//!
//! ```text
//!   flags ► config ► logging ► pid file ► sockets ► Driver::open ► READY ► serve … ► Driver::shutdown
//!                                                         reload ◄┘ (SIGHUP)
//! ```
//! Drivers that hold what must not be lost in a restart say so with [`Driver::HANDS_OVER`]; see `succession.rs`.
//!
//! Sockets are bound before [`Driver::open`], and clients that connect meanwhile wait in their queue; so `open` reads
//! what it needs to answer truthfully, and starts everything slow (probing binaries, reaching hypervisors) as tasks.

use crate::config::{ConfigError, DaemonConfig, Key, Loaded, Schema};
use crate::{Handover, Layout, Routes, Workers};
use error::Result;
use parking_lot::Mutex;
use rpc::Session;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// The daemon's configuration file, and whether somebody named it.
    pub(crate) config_file: (PathBuf, bool),
    /// What the program before in this process handed over.
    pub(crate) handover: Arc<Mutex<Option<Handover>>>,
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

    /// What the program before in this process handed over, once.
    pub fn take_handover(&self) -> Option<Handover> {
        self.handover.lock().take()
    }
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
    /// Whether SIGUSR1 runs the program anew in the same process, with what [`Driver::hand_over`] gives and with the
    /// clients.
    const HANDS_OVER: bool = false;

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

    /// Whether something runs that needs the daemon: then it does not end for want of clients.
    fn busy(&self) -> bool;

    /// Reads its configuration again.
    ///
    /// # Errors
    /// What is refused; the old configuration then stays in force.
    fn reload(&self) -> impl Future<Output = Result<()>> + Send;

    /// Stops all work and gives what the next program needs to go on with it; the clients hold still already. The program
    /// may go on in spite of it: then [`Driver::go_on`] follows.
    ///
    /// # Errors
    /// What keeps it from stopping; the program then goes on.
    fn hand_over(&self) -> impl Future<Output = Result<Handover>> + Send {
        std::future::ready(Err(crate::daemon::nothing_to_hand_over()))
    }

    /// Takes up work again: there is no next program.
    fn go_on(&self) {}

    /// A client of the program before in this process goes on, under its former number. Called before it is served.
    fn resumed(self: &Arc<Self>, _session: &Arc<Session>) {}

    /// Prepares for the end of the daemon: what is acknowledged is on disk already, guests go on.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}
