//! What a daemon has before it serves.

use super::{Failure, ends};
use crate::config::{DaemonConfig, Loaded, NO_AUTH_TCP, NetworkConfig, Schema};
use crate::flags::Exit;
use crate::network::{self, NetworkSocket};
use crate::sockets::{self, Bound};
use crate::succession::{ClientNote, Luggage, SocketNote};
use crate::{Daemon, Handover, Layout, PidFile, activation};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Newly opened, or handed over by the program before in this process.
pub(super) struct Held {
    pub(super) pid_file: PidFile,
    pub(super) sockets: Vec<Bound>,
    pub(super) network: Vec<NetworkSocket>,
    pub(super) clients: Vec<(ClientNote, UnixStream)>,
    pub(super) handover: Option<Handover>,
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
    ) -> Result<Self, Failure> {
        let keys = D::NETWORK
            .then(|| Loaded::shared_file(path, *named, NetworkConfig::default(), DaemonConfig::KEYS));
        let keys: Option<Loaded<NetworkConfig>> = keys.transpose().map_err(ends(Exit::Refused))?;
        let network = keys.as_ref().map(|keys| &keys.values);
        let activated =
            activation::sockets(D::INFO.daemon, D::SOCKETS, network).map_err(ends(Exit::Sockets))?;
        if activated.own.is_empty() && activated.network.is_empty() {
            // Whoever finds the daemon's own sockets finds the others, too.
            if let Some(network) = network {
                let bound = network::bind_all(network, config.max_queued_clients);
                self.network = bound.map_err(ends(Exit::Sockets))?;
            }
            let bound = sockets::bind_all(D::SOCKETS, D::KINDS, layout, config);
            self.sockets = bound.map_err(ends(Exit::Sockets))?;
        } else {
            self.network = activated.network;
            let own = activated.own.into_iter();
            self.sockets = own
                .map(|(kind, listener)| Bound::activated(kind, listener))
                .collect();
        }
        let plain = self
            .network
            .iter()
            .any(|socket| matches!(socket, NetworkSocket::Tcp(_)));
        match keys.filter(|keys| plain && keys.values.auth_tcp.is_none()) {
            Some(keys) => Err(ends(Exit::Refused)(keys.refuse(path, "auth_tcp", NO_AUTH_TCP))),
            None => Ok(self),
        }
    }

    /// With what the program before had.
    ///
    /// # Errors
    /// Something of it is missing.
    pub(super) fn inherited(mut luggage: Luggage, pid_path: &Path) -> std::io::Result<Self> {
        let pid_file = PidFile::inherited(pid_path, luggage.descriptor()?);
        let notes = std::mem::take(&mut luggage.notes.sockets);
        let mut sockets = Vec::new();
        for SocketNote { kind, file } in notes {
            sockets.push(Bound::inherited(kind, luggage.descriptor()?.into(), file));
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
            sockets,
            // Nobody who serves there hands over.
            network: Vec::new(),
            clients,
            handover: Some(luggage.into_handover()),
        })
    }
}
