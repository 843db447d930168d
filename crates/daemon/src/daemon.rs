//! What runs as a daemon: a driver, or something that serves without one, as the proxy does.
//!
//! [`run`](crate::run) gives it a process: flags, configuration, logging, sockets, limits, idle exit, the admin program. It
//! gives back a table of the calls that its clients may make. Every [`Driver`] is a daemon.

use crate::config::{DaemonConfig, Key};
use crate::{Driver, Handover, Info, Instance, Kind, Routes};
use error::{Code, Domain, Error, Result};
use futures_util::future::BoxFuture;
use rpc::{Router, Session, Transport};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpStream;

/// What runs as a daemon.
pub trait Daemon: Sized + Send + Sync + 'static {
    /// Which one.
    const INFO: Info;

    /// What the names of its sockets begin with: its own name, or that of the daemon whose place it takes.
    const SOCKETS: &'static str = Self::INFO.daemon;

    /// The kinds of sockets it has.
    const KINDS: &'static [Kind] = &Kind::ALL;

    /// As [`Driver::KEYS`].
    const KEYS: &'static [Key] = &[];

    /// Whether it serves over a network, as the keys of [`NetworkConfig`](crate::config::NetworkConfig) in its file say.
    const NETWORK: bool = false;

    /// As [`Driver::HANDS_OVER`].
    const HANDS_OVER: bool = false;

    /// As [`Driver::defaults`].
    fn defaults() -> DaemonConfig {
        DaemonConfig::default()
    }

    /// Opens it for an instance.
    ///
    /// # Errors
    /// Whatever keeps it from answering truthfully; the process then ends and says so.
    fn open(instance: Instance) -> impl Future<Output = Result<Arc<Self>>> + Send;

    /// Who serves which call.
    fn router() -> Router<Self>;

    /// How clients of its sockets for TLS come in; asked for once, if it has any.
    ///
    /// # Errors
    /// What is wrong with its certificates; the process then ends and says so.
    fn entrance(&self) -> impl Future<Output = Result<Arc<dyn Entrance>>> + Send {
        let text = "TLS is not for this daemon";
        std::future::ready(Err(Error::new(Code::NoSupport, Domain::Rpc, text)))
    }

    /// Whether something runs that needs it: then it does not end for want of clients.
    fn busy(&self) -> bool;

    /// Reads its configuration again.
    ///
    /// # Errors
    /// What is refused; the old configuration then stays in force.
    fn reload(&self) -> impl Future<Output = Result<()>> + Send;

    /// As [`Driver::hand_over`].
    ///
    /// # Errors
    /// As [`Driver::hand_over`].
    fn hand_over(&self) -> impl Future<Output = Result<Handover>> + Send {
        std::future::ready(Err(nothing_to_hand_over()))
    }

    /// As [`Driver::go_on`].
    fn go_on(&self) {}

    /// As [`Driver::resumed`].
    fn resumed(self: &Arc<Self>, _session: &Arc<Session>) {}

    /// Prepares for the end of the process.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

/// How a client of a network's socket comes in: what both do before the protocol begins.
pub trait Entrance: Debug + Send + Sync + 'static {
    /// Lets a client in. It may take for ever; whoever calls gives it up.
    ///
    /// # Errors
    /// Why not, for the log: the client is left without a word.
    fn enter(&self, stream: TcpStream) -> BoxFuture<'static, Result<Transport, String>>;

    /// Reads certificates and keys again, for clients that come from now on; blocks.
    ///
    /// # Errors
    /// What is wrong with them; the old ones then stay in force.
    fn reload(&self) -> Result<()>;
}

/// Why a process that holds nothing is not run anew.
pub(crate) fn nothing_to_hand_over() -> Error {
    let text = "this daemon holds nothing that it could hand over";
    Error::new(Code::NoSupport, Domain::Rpc, text)
}

impl<D: Driver> Daemon for D {
    const INFO: Info = <D as Driver>::INFO;
    const KINDS: &'static [Kind] = if D::CONNECTS {
        &Kind::ALL
    } else {
        &[Kind::ReadWrite, Kind::Admin]
    };
    const KEYS: &'static [Key] = <D as Driver>::KEYS;
    const HANDS_OVER: bool = <D as Driver>::HANDS_OVER;

    fn defaults() -> DaemonConfig {
        <D as Driver>::defaults()
    }

    fn open(instance: Instance) -> impl Future<Output = Result<Arc<Self>>> + Send {
        <D as Driver>::open(instance)
    }

    fn router() -> Router<Self> {
        Routes::of_driver()
    }

    fn busy(&self) -> bool {
        Driver::busy(self)
    }

    fn reload(&self) -> impl Future<Output = Result<()>> + Send {
        Driver::reload(self)
    }

    fn hand_over(&self) -> impl Future<Output = Result<Handover>> + Send {
        Driver::hand_over(self)
    }

    fn go_on(&self) {
        Driver::go_on(self);
    }

    fn resumed(self: &Arc<Self>, session: &Arc<Session>) {
        Driver::resumed(self, session);
    }

    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        Driver::shutdown(self)
    }
}
