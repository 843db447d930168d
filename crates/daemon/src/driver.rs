//! What a daemon needs of its driver.
//!
//! ```text
//!   flags ► config ► logging ► pid file ► sockets ► Driver::open ► READY ► serve … ► Driver::shutdown
//!                                                         reload ◄┘ (SIGHUP)
//! ```
//! Sockets are bound before [`Driver::open`], and clients that connect meanwhile wait in their queue; so `open` reads
//! what it needs to answer truthfully, and starts everything slow (probing binaries, reaching hypervisors) as tasks.

use crate::config::DaemonConfig;
use crate::{Layout, Routes, Workers};
use error::Result;
use std::future::Future;
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
}

/// A driver: what a daemon serves.
pub trait Driver: Sized + Send + Sync + 'static {
    /// Which one.
    const INFO: Info;

    /// Opens the driver for an instance: its configuration, its definitions, what runs.
    ///
    /// # Errors
    /// Whatever keeps it from answering truthfully; the daemon then ends and says so.
    fn open(instance: Instance) -> impl Future<Output = Result<Arc<Self>>> + Send;

    /// Registers who serves what. Authentication and `connect_supports_feature` are served by the daemon.
    fn routes(routes: &mut Routes<Self>);

    /// Whether it has the feature of that number (`connect_supports_feature`); the connection's own are answered
    /// before it is asked.
    fn supports_feature(&self, feature: i32) -> bool;

    /// Whether something runs that needs the daemon: then it does not end for want of clients.
    fn busy(&self) -> bool;

    /// Reads its configuration again.
    ///
    /// # Errors
    /// What is refused; the old configuration then stays in force.
    fn reload(&self) -> impl Future<Output = Result<()>> + Send;

    /// Prepares for the end of the daemon: what is acknowledged is on disk already, guests go on.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}
