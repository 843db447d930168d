//! A daemon's process while it serves, until it ends or the next program takes over.

use super::mechanisms::Mechanisms;
use super::signals::{Asked, Signals};
use super::{Failure, client_limits, ends, load, session_limits, worker_limits};
use crate::access::{Judge, Mechanism};
use crate::activation::{Moment, tell};
use crate::admin::Admin;
use crate::config::{Auth, DaemonConfig, Loaded};
use crate::confinement::Confinement;
use crate::flags::Exit;
use crate::idle::idle;
use crate::logging::Logging;
use crate::network::NetworkSocket;
use crate::rest::rest;
use crate::server::{ClientLimits, Door, Server, Service};
use crate::sockets::{self, Bound, Kind, SocketFile};
use crate::succession::{ClientNote, Program};
use crate::workers::{Limits, Workers};
use crate::{Daemon, Instance, PidFile, activation, detach};
use error::Error;
use rpc::{Router, Session};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long a daemon may take to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a client that asked for the end may take to read the reply and leave.
const REPLY: Duration = Duration::from_millis(500);

/// A process that is set up but does not serve yet.
pub(super) struct Process {
    pub(super) instance: Instance,
    pub(super) pid_file: PidFile,
    pub(super) program: Program,
    pub(super) confinement: Option<Confinement>,
    /// Whether somebody waits to hear that clients are served.
    pub(super) detached: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) logging: Logging,
}

/// A listening socket with its purpose and its file, if the daemon made it.
pub(super) type Listening = (Kind, UnixListener, Option<SocketFile>);

/// Takes clients from each socket, for ever.
fn accept_all<D: Daemon>(
    listening: &[Listening],
    network: &[NetworkSocket],
    mechanisms: &Mechanisms,
    service: &Arc<Service<D>>,
    admin_service: &Arc<Service<Admin>>,
    authentication: impl Fn(Kind, &UnixListener) -> Option<Mechanism>,
) -> std::io::Result<JoinSet<()>> {
    let mut accepting = JoinSet::new();
    for (kind, listener, _) in listening {
        listener.set_nonblocking(true)?;
        let mechanism = authentication(*kind, listener);
        let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
        let door = Door::Unix {
            listener,
            read_only: *kind == Kind::ReadOnly,
        };
        match kind {
            Kind::Admin => accepting.spawn(Arc::clone(admin_service).accept(door, mechanism)),
            _ => accepting.spawn(Arc::clone(service).accept(door, mechanism)),
        };
    }
    for socket in network {
        let door = match (socket, service.server.entrance()) {
            (NetworkSocket::Tcp(listener), _) => Door::Tcp(tcp(listener)?),
            (NetworkSocket::Tls(listener), Some(entrance)) => Door::Tls(tcp(listener)?, Arc::clone(entrance)),
            // It was asked for before, where there is such a socket.
            (NetworkSocket::Tls(_), None) => continue,
        };
        let mechanism = mechanisms.of_network(socket.is_tls());
        accepting.spawn(Arc::clone(service).accept(door, mechanism));
    }
    Ok(accepting)
}

fn tcp(listener: &std::net::TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener.try_clone()?)
}

impl Process {
    /// The table of the calls that clients may make, under access control where the configuration says so. What never has any is a
    /// program without the code for it.
    fn router<D: Daemon>(&self) -> Router<D> {
        if D::GUARDS
            && let Some(judge) = Judge::of(&self.instance)
        {
            return D::guarded_router(judge);
        }
        D::router()
    }

    pub(super) async fn serve<D: Daemon>(
        self,
        mut signals: Signals,
        bound: Vec<Bound>,
        network: Vec<NetworkSocket>,
        clients_before: Vec<(ClientNote, UnixStream)>,
    ) -> Result<(), Failure> {
        let daemon = tokio::select! {
            daemon = D::open(self.instance.clone()) => daemon.map_err(ends(Exit::Driver))?,
            reason = signals.end() => {
                tracing::info!(reason, "ended before it served");
                return Ok(());
            }
        };
        let config = &self.instance.config;
        let (clients, clients_seen) = watch::channel(0);
        let (timeout, timeout_seen) = watch::channel(self.timeout);
        let server = Server::new(
            D::INFO.daemon,
            self.instance.workers.clone(),
            client_limits(config),
            session_limits(
                config.max_client_requests,
                config.keepalive_interval,
                config.keepalive_count,
            ),
            clients.clone(),
        );
        let admin_server = Server::new(
            "admin",
            Workers::new(Limits {
                min: config.admin_min_workers,
                max: config.admin_max_workers,
                priority: 0,
            }),
            ClientLimits {
                max: config.admin_max_clients,
                max_anonymous: 0,
            },
            session_limits(
                config.admin_max_client_requests,
                config.admin_keepalive_interval,
                config.admin_keepalive_count,
            ),
            clients,
        );
        let servers = [Arc::clone(&admin_server), Arc::clone(&server)];
        let (shutdown, mut asked) = mpsc::unbounded_channel::<Arc<Session>>();
        let admin = Admin::new(servers.to_vec(), self.logging.clone(), timeout, shutdown);
        let service = Arc::new(Service {
            server: Arc::clone(&server),
            router: Arc::new(self.router::<D>()),
            driver: Arc::clone(&daemon),
        });
        let admin_service = Arc::new(Service {
            server: admin_server,
            router: Arc::new(Admin::router()),
            driver: Arc::new(admin),
        });
        for (client, stream) in clients_before {
            let stream = tokio::net::UnixStream::from_std(stream).map_err(ends(Exit::Sockets))?;
            service.resume(client, stream);
        }
        let listening: Vec<_> = bound.into_iter().map(Bound::into_parts).collect();
        if network.iter().any(NetworkSocket::is_tls) {
            server.set_entrance(daemon.entrance().await.map_err(ends(Exit::Driver))?);
        }
        let mechanisms = if D::AUTHENTICATES {
            Mechanisms::open(&self.instance, &network).await?
        } else {
            Mechanisms::default()
        };
        let system = self.instance.layout.privileged();
        let authentication = |kind, listener: &UnixListener| {
            let asked = sockets::authentication(config, system, kind, listener);
            match asked {
                Auth::Polkit if D::AUTHENTICATES => Some(Mechanism::Polkit(self.instance.polkit.clone())),
                Auth::Sasl if D::AUTHENTICATES => mechanisms.sasl(),
                _ => None,
            }
        };
        let accept = || {
            accept_all(
                &listening,
                &network,
                &mechanisms,
                &service,
                &admin_service,
                authentication,
            )
        };
        let mut accepting = accept().map_err(ends(Exit::Sockets))?;
        tell(Moment::Ready);
        if self.detached
            && let Err(failure) = detach::ready()
        {
            tracing::warn!(%failure, "cannot tell that clients are served");
        }
        tracing::info!(daemon = D::INFO.daemon, "clients are served");
        let watched = tokio::spawn(watchdog());
        let resting = tokio::spawn(rest(clients_seen.clone()));
        let busy = Arc::clone(&daemon);
        let idle = idle(clients_seen, timeout_seen, move || busy.busy());
        tokio::pin!(idle);
        let reason = loop {
            let asked = tokio::select! {
                asked = signals.next() => asked,
                Some(session) = asked.recv() => {
                    // Who asked leaves after the reply.
                    let _ = tokio::time::timeout(REPLY, session.closed()).await;
                    break "the admin socket";
                }
                () = &mut idle => break "nothing to do",
            };
            match asked {
                Asked::End(reason) => break reason,
                Asked::Reload if !self.program.was_replaced() => self.reload(&*daemon, &server).await,
                Asked::Reload | Asked::Succeed => {
                    accepting.shutdown().await;
                    let failure = self.succeed(&*daemon, &servers, (&listening, &network)).await;
                    tracing::error!(%failure, "the program was not run anew, and this one goes on");
                    accepting = accept().map_err(ends(Exit::Sockets))?;
                    if asked == Asked::Reload {
                        self.reload(&*daemon, &server).await;
                    }
                }
            }
        };
        tracing::info!(reason, "ending");
        tell(Moment::Stopping);
        accepting.shutdown().await;
        if tokio::time::timeout(FAREWELL, daemon.shutdown()).await.is_err() {
            tracing::warn!("the daemon did not end in time");
        }
        for server in servers {
            server.end();
        }
        watched.abort();
        resting.abort();
        drop(listening);
        self.instance.claims.lock().clear();
        Ok(())
    }

    /// What the configuration file says now.
    async fn load_again<D: Daemon>(&self) -> Result<Result<Loaded<DaemonConfig>, Failure>, Error> {
        let (path, named) = self.instance.config_file.clone();
        self.instance
            .workers
            .blocking(protocol::Priority::High, move || load::<D>(&path, named))
            .await
    }

    /// SIGHUP: what the configuration says now, as far as it can change while running. Logging is changed through the
    /// admin socket, and sockets by a restart.
    async fn reload<D: Daemon>(&self, daemon: &D, server: &Server) {
        tell(Moment::Reloading);
        match self.load_again::<D>().await {
            Ok(Ok(loaded)) => {
                let config = loaded.values;
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                let applied = self
                    .instance
                    .workers
                    .set_limits(worker_limits(&config))
                    .and_then(|()| server.set_limits(client_limits(&config)));
                server.set_session_limits(session_limits(
                    config.max_client_requests,
                    config.keepalive_interval,
                    config.keepalive_count,
                ));
                if let Err(failure) = applied {
                    tracing::error!(%failure, "the configuration is refused");
                }
            }
            Ok(Err(failure)) => {
                tracing::error!(
                    "the configuration is refused, and the former stays in force: {}",
                    failure.text
                );
            }
            Err(failure) => tracing::error!(%failure, "the configuration cannot be read"),
        }
        if let Err(failure) = daemon.reload().await {
            tracing::error!(%failure, "its own configuration is refused, and the former stays in force");
        }
        tell(Moment::Ready);
    }
}

/// Tells systemd that calls are still served: this runs where they do.
async fn watchdog() {
    let Some(interval) = activation::watchdog() else {
        return;
    };
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        tell(Moment::Alive);
    }
}
