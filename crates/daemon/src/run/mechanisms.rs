//! How the clients of sockets prove who they are, where it is not polkit that knows.

use super::{Failure, ends};
use crate::access::{Mechanism, Sasl};
use crate::config::{Auth, DaemonConfig, Loaded, NetworkAuth, NetworkConfig, Schema};
use crate::flags::Exit;
use crate::network::NetworkSocket;
use crate::succession::Notes;
use crate::workers::Limits;
use crate::{Instance, Layout, Workers};
use protocol::Priority;
use rpc::TransportKind;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a socket for plain TCP is not opened where no client could come in.
const TOO_WEAK: &str = "\"sasl\", which is the default, wants a mechanism that encrypts as strongly as tcp_min_ssf says, which \
                        GSSAPI does where it is in mech_list and there is a keytab, and no other does; use TLS, or set tcp_min_ssf \
                        to 0 where something else encrypts, or \"none\" to let everybody who reaches the port do everything";

/// SASL, and who is asked for it.
#[derive(Debug, Default)]
pub(super) struct Mechanisms {
    sasl: Option<Arc<Sasl>>,
    tcp: bool,
    tls: bool,
}

/// Which sockets there are.
#[derive(Debug, Clone, Copy)]
struct Sockets {
    /// One of this host asks for SASL.
    unix: bool,
    tcp: bool,
    tls: bool,
}

impl Sockets {
    fn none(self) -> bool {
        !(self.unix || self.tcp || self.tls)
    }
}

/// Whether a socket of this host asks for SASL.
fn unix(config: &DaemonConfig) -> bool {
    config.auth_unix_ro == Auth::Sasl || config.auth_unix_rw == Some(Auth::Sasl)
}

impl Mechanisms {
    /// As the configuration says, for those sockets of the network.
    ///
    /// # Errors
    /// The configuration is refused, or lets nobody in.
    pub(super) async fn open(instance: &Instance, network: &[NetworkSocket]) -> Result<Self, Failure> {
        let sockets = Sockets {
            unix: unix(&instance.config),
            tcp: network.iter().any(|socket| !socket.is_tls()),
            tls: network.iter().any(NetworkSocket::is_tls),
        };
        if sockets.none() {
            return Ok(Self::default());
        }
        let (layout, workers) = (Arc::clone(&instance.layout), instance.workers.clone());
        let (config, file) = (Arc::clone(&instance.config), instance.config_file.clone());
        let read = instance.workers.blocking(Priority::High, move || {
            read(&layout, &workers, &config, &file, sockets)
        });
        read.await.map_err(ends(Exit::Setup))?
    }

    /// Whether the configuration as it is now allows what the program before would hand over.
    ///
    /// # Errors
    /// What it refuses.
    pub(super) fn rehearse(
        layout: &Layout,
        file: &(PathBuf, bool),
        config: &DaemonConfig,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let sockets = Sockets {
            unix: unix(config),
            tcp: notes.network.iter().any(|socket| !socket.tls),
            tls: notes.network.iter().any(|socket| socket.tls),
        };
        if sockets.none() {
            return Ok(());
        }
        // Nobody comes who would need threads.
        let none = Workers::new(Limits {
            min: 0,
            max: 1,
            priority: 0,
        });
        read(layout, &none, config, file, sockets).map(drop)
    }

    /// SASL, for a socket that asks for it.
    pub(super) fn sasl(&self) -> Option<Mechanism> {
        self.sasl.clone().map(Mechanism::Sasl)
    }

    /// What clients of the network's sockets have to prove.
    pub(super) fn of_network(&self, tls: bool) -> Option<Mechanism> {
        let asks = if tls { self.tls } else { self.tcp };
        self.sasl().filter(|_| asks)
    }
}

fn read(
    layout: &Layout,
    workers: &Workers,
    config: &DaemonConfig,
    (path, named): &(PathBuf, bool),
    there: Sockets,
) -> Result<Mechanisms, Failure> {
    let keys = (there.tcp || there.tls)
        .then(|| Loaded::shared_file(path, *named, NetworkConfig::default(), DaemonConfig::KEYS))
        .transpose()
        .map_err(ends(Exit::Refused))?;
    let network = keys.as_ref().map(|keys| keys.values.clone()).unwrap_or_default();
    let mut mechanisms = Mechanisms {
        sasl: None,
        tcp: there.tcp && network.auth_tcp == NetworkAuth::Sasl,
        tls: there.tls && network.auth_tls == NetworkAuth::Sasl,
    };
    if !(there.unix || mechanisms.tcp || mechanisms.tls) {
        return Ok(mechanisms);
    }
    let allowed = config.sasl_allowed_username_list.clone().map(|list| list.0);
    let sasl = Sasl::open(layout, workers, allowed, network.tcp_min_ssf.0).map_err(ends(Exit::Refused))?;
    if let Some(keys) = keys.filter(|_| mechanisms.tcp && sasl.offered(TransportKind::Tcp).is_empty()) {
        return Err(ends(Exit::Refused)(keys.refuse(path, "auth_tcp", TOO_WEAK)));
    }
    mechanisms.sasl = Some(sasl);
    Ok(mechanisms)
}
