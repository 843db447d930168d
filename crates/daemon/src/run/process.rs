//! A daemon's process while it serves, until it ends or the next program takes over.

use super::signals::Signals;
use super::{Failure, client_limits, ends, load, session_limits, worker_limits};
use crate::activation::{Moment, tell};
use crate::admin::Admin;
use crate::config::{DaemonConfig, Loaded};
use crate::flags::Exit;
use crate::idle::idle;
use crate::logging::Logging;
use crate::network::NetworkSocket;
use crate::server::{ClientLimits, Door, Server, Service};
use crate::sockets::{Bound, Kind, SocketFile};
use crate::succession::{self, ClientNote, Notes, Program, SocketNote};
use crate::workers::{Limits, Workers};
use crate::{Daemon, Instance, PidFile, activation, detach};
use error::{Code, Domain, Error};
use rpc::Session;
use std::os::fd::AsFd;
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
    /// Whether somebody waits to hear that clients are served.
    pub(super) detached: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) logging: Logging,
}

/// A listening socket with its purpose and its file, if the daemon made it.
type Listening = (Kind, UnixListener, Option<SocketFile>);

/// Takes clients from each socket, for ever.
fn accept_all<D: Daemon>(
    listening: &[Listening],
    network: &[NetworkSocket],
    service: &Arc<Service<D>>,
    admin_service: &Arc<Service<Admin>>,
) -> std::io::Result<JoinSet<()>> {
    let mut accepting = JoinSet::new();
    for (kind, listener, _) in listening {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
        let door = Door::Unix {
            listener,
            read_only: *kind == Kind::ReadOnly,
        };
        match kind {
            Kind::Admin => accepting.spawn(Arc::clone(admin_service).accept(door)),
            _ => accepting.spawn(Arc::clone(service).accept(door)),
        };
    }
    for socket in network {
        let door = match (socket, service.server.entrance()) {
            (NetworkSocket::Tcp(listener), _) => Door::Tcp(tcp(listener)?),
            (NetworkSocket::Tls(listener), Some(entrance)) => Door::Tls(tcp(listener)?, Arc::clone(entrance)),
            // It was asked for before, where there is such a socket.
            (NetworkSocket::Tls(_), None) => continue,
        };
        accepting.spawn(Arc::clone(service).accept(door));
    }
    Ok(accepting)
}

fn tcp(listener: &std::net::TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener.try_clone()?)
}

impl Process {
    pub(super) async fn serve<D: Daemon>(
        self,
        bound: Vec<Bound>,
        network: Vec<NetworkSocket>,
        clients_before: Vec<(ClientNote, UnixStream)>,
    ) -> Result<(), Failure> {
        let mut signals = Signals::new(D::HANDS_OVER).map_err(ends(Exit::Setup))?;
        succession::take_signal().map_err(ends(Exit::Setup))?;
        let daemon = tokio::select! {
            daemon = D::open(self.instance.clone()) => daemon.map_err(ends(Exit::Driver))?,
            reason = Signals::end(&mut signals.terminate, &mut signals.interrupt, &mut signals.quit) => {
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
        let servers = vec![Arc::clone(&admin_server), Arc::clone(&server)];
        let (shutdown, mut asked) = mpsc::unbounded_channel::<Arc<Session>>();
        let admin = Admin::new(servers.clone(), self.logging.clone(), timeout, shutdown);
        let service = Arc::new(Service {
            server: Arc::clone(&server),
            router: Arc::new(D::router()),
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
        if network
            .iter()
            .any(|socket| matches!(socket, NetworkSocket::Tls(_)))
        {
            server.set_entrance(daemon.entrance().await.map_err(ends(Exit::Driver))?);
        }
        let accept = || accept_all(&listening, &network, &service, &admin_service);
        let mut accepting = accept().map_err(ends(Exit::Sockets))?;
        tell(Moment::Ready);
        if self.detached
            && let Err(failure) = detach::ready()
        {
            tracing::warn!(%failure, "cannot tell that clients are served");
        }
        tracing::info!(daemon = D::INFO.daemon, "clients are served");
        let watched = tokio::spawn(watchdog());
        let busy = Arc::clone(&daemon);
        let idle = idle(clients_seen, timeout_seen, move || busy.busy());
        tokio::pin!(idle);
        let reason = loop {
            tokio::select! {
                reason = Signals::end(&mut signals.terminate, &mut signals.interrupt, &mut signals.quit) => break reason,
                Some(session) = asked.recv() => {
                    // Who asked leaves after the reply.
                    let _ = tokio::time::timeout(REPLY, session.closed()).await;
                    break "the admin socket";
                }
                () = &mut idle => break "nothing to do",
                _ = signals.hang_up.recv() => self.reload(&*daemon, &server).await,
                () = Signals::succeed(&mut signals.succeed) => {
                    accepting.shutdown().await;
                    let failure = self.succeed(&*daemon, &server, &listening).await;
                    tracing::error!(%failure, "the program was not run anew, and this one goes on");
                    accepting = accept().map_err(ends(Exit::Sockets))?;
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
        drop(listening);
        Ok(())
    }

    /// SIGUSR1: the program anew. Comes back only with the reason why not.
    async fn succeed<D: Daemon>(&self, daemon: &D, server: &Server, listening: &[Listening]) -> Error {
        // The next program could not say no any more.
        match self.load_again::<D>().await {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => return Error::new(Code::ConfSyntax, Domain::Conf, failure.text),
            Err(failure) => return failure,
        }
        tracing::info!("the program is run anew");
        let sessions = server.sessions();
        let held = sessions.iter().map(|session| async {
            let note = ClientNote {
                id: session.id(),
                read_only: session.read_only(),
            };
            session.hold_still().await.map(|socket| (note, socket))
        });
        let clients: Vec<_> = futures_util::future::join_all(held).await;
        let clients: Vec<_> = clients.into_iter().flatten().collect();
        let failure = match daemon.hand_over().await {
            Ok(handover) => {
                let notes = Notes {
                    sockets: listening
                        .iter()
                        .map(|(kind, _, file)| SocketNote {
                            kind: *kind,
                            file: file.as_ref().map(|file| file.path().to_owned()),
                        })
                        .collect(),
                    clients: clients.iter().map(|(note, _)| *note).collect(),
                    driver: handover.notes,
                };
                let descriptors: Vec<_> = std::iter::once(self.pid_file.as_fd())
                    .chain(listening.iter().map(|(_, listener, _)| listener.as_fd()))
                    .chain(clients.iter().map(|(_, socket)| socket.as_fd()))
                    .chain(handover.descriptors.iter().map(AsFd::as_fd))
                    .collect();
                tell(Moment::Reloading);
                let failure = self.program.succeed(&notes, &descriptors);
                tell(Moment::Ready);
                daemon.go_on();
                Error::new(
                    Code::SystemError,
                    Domain::Rpc,
                    format!("cannot run it: {failure}"),
                )
            }
            Err(failure) => failure,
        };
        for session in sessions {
            session.read_on();
        }
        failure
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
