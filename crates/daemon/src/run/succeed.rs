//! The program anew, in this process: what the old one does before it lets go.

use super::process::{Listening, Process};
use super::signals;
use crate::activation::{Moment, tell};
use crate::network::NetworkSocket;
use crate::server::Server;
use crate::succession::{ClientNote, NetworkNote, Notes, SocketNote};
use crate::{Daemon, Handover};
use error::{Code, Domain, Error};
use futures_util::future::join_all;
use rpc::Session;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// How long clients are waited for until they have the replies to what they asked.
const PATIENCE: Duration = Duration::from_secs(10);

impl Process {
    /// Hands everything to the program's next life. Comes back only with the reason why not. Nobody accepts meanwhile:
    /// new clients wait in the queues of the sockets.
    pub(super) async fn succeed<D: Daemon>(
        &self,
        daemon: &D,
        [admin_server, server]: &[Arc<Server>; 2],
        (listening, network): (&[Listening], &[NetworkSocket]),
    ) -> Error {
        let sockets = listening.iter().map(|(kind, _, file)| SocketNote {
            kind: *kind,
            file: file.as_ref().map(|file| file.path().to_owned()),
        });
        let network_notes = network.iter().map(|socket| NetworkNote { tls: socket.is_tls() });
        let claims = match self.instance.handed_over_claims() {
            Ok(claims) => claims,
            Err(failure) => {
                let text = format!("the pid files of drivers cannot be handed over: {failure}");
                return Error::new(Code::SystemError, Domain::Rpc, text);
            }
        };
        let mut notes = Notes {
            claims: claims.iter().map(|(path, _)| path.clone()).collect(),
            sockets: sockets.collect(),
            network: network_notes.collect(),
            confinement: self.confinement.clone(),
            ..Notes::default()
        };
        // Later it could not say no any more.
        if let Err(reason) = self.program.rehearse(&notes).await {
            let text = format!("the program that is to take over would not start: {reason}");
            return Error::new(Code::OperationFailed, Domain::Rpc, text);
        }
        tracing::info!("the program is run anew");
        let (sessions, admins) = (server.sessions(), admin_server.sessions());
        let (clients, _) = tokio::join!(hold_still(&sessions), hold_still(&admins));
        let clients: Vec<_> = clients.into_iter().filter(|_| D::CLIENTS_GO_ON).collect();
        notes.clients = clients.iter().map(|(note, _)| note.clone()).collect();
        let failure = match daemon.hand_over().await {
            Ok(Handover {
                notes: of_driver,
                descriptors,
            }) => {
                notes.driver = of_driver;
                let descriptors: Vec<_> = std::iter::once(self.pid_file.as_fd())
                    .chain(claims.iter().map(|(_, claim)| claim.as_fd()))
                    .chain(listening.iter().map(|(_, listener, _)| listener.as_fd()))
                    .chain(network.iter().map(AsFd::as_fd))
                    .chain(clients.iter().map(|(_, socket)| socket.as_fd()))
                    .chain(descriptors.iter().map(AsFd::as_fd))
                    .collect();
                tell(Moment::Reloading);
                // Another signal while nobody listens for it would end the process; it waits instead.
                let held = signals::hold();
                let failure = held.map_or_else(|held| held, |()| self.program.succeed(&notes, &descriptors));
                if let Err(deaf) = signals::take() {
                    tracing::error!(%deaf, "signals other than to end are not heard any more");
                }
                tell(Moment::Ready);
                daemon.go_on();
                let text = format!("cannot run it: {failure}");
                Error::new(Code::SystemError, Domain::Rpc, text)
            }
            Err(failure) => failure,
        };
        for session in sessions.iter().chain(&admins) {
            session.read_on();
        }
        failure
    }
}

/// Stops taking the calls of clients, and waits until those that they have made are answered; gives who lacks nothing and
/// could go on.
async fn hold_still(sessions: &[Arc<Session>]) -> Vec<(ClientNote, OwnedFd)> {
    let settled = sessions.iter().map(|session| async {
        let note = ClientNote {
            id: session.id(),
            read_only: session.read_only(),
            caller: Some(session.caller().as_ref().clone()),
        };
        if !session.hold_still(PATIENCE).await {
            tracing::info!(client = note.id, "a client is left in the middle of something");
            return None;
        }
        // The next program would not know what is asked of it.
        let duplicate = session.authenticated().then(|| session.duplicate());
        duplicate.flatten().map(|socket| (note, socket))
    });
    join_all(settled).await.into_iter().flatten().collect()
}
