//! What runs as a daemon: a driver, or something that serves without one, as the proxy does.
//!
//! [`run`](crate::run) gives it a process: flags, configuration, logging, sockets, limits, idle exit, the admin program. It
//! gives back a table of the calls that its clients may make. Every [`Driver`] is a daemon.

use crate::access::Judge;
use crate::config::{DaemonConfig, Key, NetworkConfig};
use crate::confinement::Needs;
use crate::{Driver, Handover, Info, Instance, Kind, Routes};
use error::{Code, Domain, Error, Result};
use futures_util::future::BoxFuture;
use rpc::{Router, Session, Transport};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpStream;

/// More threads that serve calls would only hand work around.
pub(crate) const THREADS_MAX: usize = 4;

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

    /// When it serves over a network.
    const NETWORK: Network = Network::Never;

    /// As [`Driver::NEEDS`].
    const NEEDS: Needs = Needs::EVERYTHING;

    /// As [`Driver::CLIENTS_GO_ON`].
    const CLIENTS_GO_ON: bool = false;

    /// As [`Driver::THREADS`].
    const THREADS: usize = THREADS_MAX;

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

    /// Whether it has objects that access is granted to, in its own calls or in those of drivers that are linked into it;
    /// `access_drivers` means nothing where it has none.
    const GUARDS: bool = false;

    /// As [`Daemon::router`], with access control around its own calls; asked for only where [`Daemon::GUARDS`].
    fn guarded_router(_judge: Judge) -> Router<Self> {
        Self::router()
    }

    /// Whether clients prove who they are before they are served; where they do not, its sockets serve its own user alone.
    const AUTHENTICATES: bool = true;

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
        std::future::ready(Ok(Handover::default()))
    }

    /// As [`Driver::go_on`].
    fn go_on(&self) {}

    /// As [`Driver::resumed`].
    fn resumed(self: &Arc<Self>, _session: &Arc<Session>) {}

    /// Prepares for the end of the process.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

/// When a daemon serves over a network. Sockets that systemd opened for it are served in any case, where it may have some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Not at all: its file has none of the keys of [`NetworkConfig`].
    Never,
    /// As its file says.
    Configured,
    /// As its file says, where `--listen` asks for it; TLS unless the file says otherwise.
    Asked,
}

impl Network {
    /// What holds as long as the daemon's file says nothing, where it has such keys.
    pub fn defaults(self) -> Option<NetworkConfig> {
        let listen_tls = self == Self::Asked;
        (self != Self::Never).then(|| NetworkConfig {
            listen_tls,
            ..NetworkConfig::default()
        })
    }
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

impl<D: Driver> Daemon for D {
    const INFO: Info = <D as Driver>::INFO;
    const KINDS: &'static [Kind] = if D::CONNECTS {
        &Kind::ALL
    } else {
        &[Kind::ReadWrite, Kind::Admin]
    };
    const KEYS: &'static [Key] = <D as Driver>::KEYS;
    const NEEDS: Needs = <D as Driver>::NEEDS;
    const THREADS: usize = <D as Driver>::THREADS;
    const CLIENTS_GO_ON: bool = <D as Driver>::CLIENTS_GO_ON;

    fn defaults() -> DaemonConfig {
        <D as Driver>::defaults()
    }

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        // What has no connections has nothing but its sockets, which the daemon's own pid file is for.
        if D::CONNECTS {
            instance.claim(<D as Driver>::INFO.driver)?;
        }
        <D as Driver>::open(instance).await
    }

    fn router() -> Router<Self> {
        Routes::of_driver()
    }

    const GUARDS: bool = D::CONNECTS;
    const AUTHENTICATES: bool = D::CONNECTS;

    fn guarded_router(judge: Judge) -> Router<Self> {
        Routes::of_driver_behind(judge)
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
