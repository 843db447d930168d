//! What a daemon has before it serves.

use super::{Failure, ends};
use crate::config::{DaemonConfig, Loaded, NetworkConfig, Schema};
use crate::confinement::Confinement;
use crate::flags::Exit;
use crate::network::{self, NetworkSocket};
use crate::sockets::{self, Bound};
use crate::succession::{ClientNote, Luggage, NetworkNote, SocketNote};
use crate::{Daemon, Handover, Layout, Network, PidFile, activation};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Newly opened, or handed over by the program before in this process.
pub(super) struct Held {
    pub(super) pid_file: PidFile,
    pub(super) claims: Vec<PidFile>,
    pub(super) sockets: Vec<Bound>,
    pub(super) network: Vec<NetworkSocket>,
    pub(super) clients: Vec<(ClientNote, UnixStream)>,
    pub(super) handover: Option<Handover>,
    /// What the program before gave away.
    pub(super) confinement: Option<Confinement>,
}

impl Held {
    /// With the sockets that systemd opened, or else with those that the configuration asks for.
    ///
    /// # Errors
    /// What is refused, or cannot be bound.
    pub(super) fn listening<D: Daemon>(
        mut self,
        layout: &Layout,
        config: &DaemonConfig,
        (path, named): &(PathBuf, bool),
        listen: bool,
    ) -> Result<Self, Failure> {
        let keys = network_keys::<D>(path, *named)?;
        let network = keys.as_ref().map(|keys| &keys.values);
        let activated =
            activation::sockets(D::INFO.daemon, D::SOCKETS, network).map_err(ends(Exit::Sockets))?;
        if activated.own.is_empty() && activated.network.is_empty() {
            // Whoever finds the daemon's own sockets finds the others, too.
            let listens = D::NETWORK == Network::Configured || listen;
            if let Some(network) = network.filter(|_| listens) {
                let bound = network::bind_all(network, config.max_queued_clients);
                self.network = bound.map_err(ends(Exit::Sockets))?;
            }
            let bound = sockets::bind_all(D::SOCKETS, D::KINDS, layout, config);
            self.sockets = bound.map_err(ends(Exit::Sockets))?;
        } else if listen {
            return Err(ends(Exit::Refused)(format!(
                "--listen cannot be had with sockets that systemd opens; start {0}-tls.socket or {0}-tcp.socket instead",
                D::INFO.daemon
            )));
        } else {
            self.network = activated.network;
            let own = activated.own.into_iter();
            self.sockets = own
                .map(|(kind, listener)| Bound::activated(kind, listener))
                .collect();
        }
        Ok(self)
    }

    /// With what the program before had.
    ///
    /// # Errors
    /// Something of it is missing.
    pub(super) fn inherited(mut luggage: Luggage, pid_path: &Path) -> std::io::Result<Self> {
        let pid_file = PidFile::inherited(pid_path, luggage.descriptor()?);
        let mut claims = Vec::new();
        for path in std::mem::take(&mut luggage.notes.claims) {
            claims.push(PidFile::inherited(&path, luggage.descriptor()?));
        }
        let notes = std::mem::take(&mut luggage.notes.sockets);
        let mut sockets = Vec::new();
        for SocketNote { kind, file } in notes {
            sockets.push(Bound::inherited(kind, luggage.descriptor()?.into(), file));
        }
        let notes = std::mem::take(&mut luggage.notes.network);
        let mut network = Vec::new();
        for NetworkNote { tls } in notes {
            let listener = luggage.descriptor()?.into();
            network.push(match tls {
                true => NetworkSocket::Tls(listener),
                false => NetworkSocket::Tcp(listener),
            });
        }
        let notes = std::mem::take(&mut luggage.notes.clients);
        let mut clients = Vec::new();
        for note in notes {
            let stream = UnixStream::from(luggage.descriptor()?);
            stream.set_nonblocking(true)?;
            clients.push((note, stream));
        }
        Ok(Self {
            pid_file,
            claims,
            sockets,
            network,
            clients,
            confinement: luggage.notes.confinement.take(),
            handover: Some(luggage.into_handover()),
        })
    }
}

/// The keys of sockets of the network, where the daemon may have some.
pub(super) fn network_keys<D: Daemon>(
    path: &Path,
    named: bool,
) -> Result<Option<Loaded<NetworkConfig>>, Failure> {
    let keys = D::NETWORK
        .defaults()
        .map(|defaults| Loaded::shared_file(path, named, defaults, DaemonConfig::KEYS));
    keys.transpose().map_err(ends(Exit::Refused))
}
