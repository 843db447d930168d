//! A network: what is published of it, and who may change it.
//!
//! ```text
//!  reads ──────► State, Ports            never wait
//!  changes ────► turn ─► the host        one at a time
//! ```

mod ports;

pub(crate) use ports::{Port, Ports};

use crate::failure::{invalid, refused};
use crate::host::dnsmasq::Server;
use arc_swap::ArcSwap;
use error::{Code, Result};
use model::network::Network as Document;
use parking_lot::Mutex;
use protocol::remote;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::MutexGuard;
use uuid::Uuid;

/// How long a change waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A network at one moment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// What it is, or is as long as it is active.
    pub document: Arc<Document>,
    /// What it will be once it has been stopped.
    pub next: Option<Arc<Document>>,
    /// Whether it has a definition on disk.
    pub persistent: bool,
    /// Whether it is started with the host.
    pub autostart: bool,
    /// Whether guests can be connected to it.
    pub active: bool,
}

impl State {
    pub(crate) fn new(document: Document) -> Self {
        Self {
            document: Arc::new(document),
            next: None,
            persistent: false,
            autostart: false,
            active: false,
        }
    }

    /// Its definition: what a start would make of it.
    pub(crate) fn definition(&self) -> &Arc<Document> {
        self.next.as_ref().unwrap_or(&self.document)
    }
}

/// A network.
#[derive(Debug)]
pub(crate) struct Network {
    /// What it is called; never changes.
    pub name: String,
    /// Who it is; never changes.
    pub uuid: Uuid,
    /// What is connected to it.
    pub ports: Ports,
    /// Its server of addresses and names, as long as it has one.
    pub server: Mutex<Option<Arc<Server>>>,
    state: ArcSwap<State>,
    turn: tokio::sync::Mutex<()>,
}

impl Network {
    pub(crate) fn new(uuid: Uuid, state: State) -> Arc<Self> {
        Arc::new(Self {
            name: state.document.name.clone(),
            uuid,
            ports: Ports::default(),
            server: Mutex::default(),
            state: ArcSwap::from_pointee(state),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The network as it is.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// The network as it is, if it is active.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`].
    pub(crate) fn active(&self) -> Result<Arc<State>> {
        let state = self.state();
        if !state.active {
            return Err(invalid(format!("network '{}' is not active", self.name)));
        }
        Ok(state)
    }

    /// Publishes a change.
    pub(crate) fn update(&self, change: impl Fn(&mut State)) {
        self.state.rcu(|state| {
            let mut next = State::clone(state);
            change(&mut next);
            next
        });
    }

    /// Waits for the turn to change it.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`].
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'_, ()>> {
        tokio::time::timeout(PATIENCE, self.turn.lock())
            .await
            .map_err(|_| {
                refused(
                    Code::OperationTimeout,
                    format!("an earlier change of network '{}' is still going on", self.name),
                )
            })
    }

    /// The port of that UUID.
    ///
    /// # Errors
    /// [`Code::NoNetworkPort`].
    pub(crate) fn port(&self, uuid: Uuid) -> Result<Port> {
        self.ports.get(uuid).ok_or_else(|| {
            let text = format!("network '{}' has no port with UUID {uuid}", self.name);
            refused(Code::NoNetworkPort, text)
        })
    }

    /// The reference that clients know it by.
    pub(crate) fn reference(&self) -> remote::Network {
        remote::Network {
            name: self.name.clone(),
            uuid: self.uuid.into_bytes(),
        }
    }

    /// Its document, while it is active with how many are connected; `definition` asks for what it will be after its next start.
    pub(crate) fn describe(&self, definition: bool) -> String {
        let state = self.state();
        if definition || !state.active {
            let shown = if definition {
                state.definition()
            } else {
                &state.document
            };
            return shown.to_xml();
        }
        let mut document = Document::clone(&state.document);
        self.ports.count_in(&mut document);
        document.to_xml()
    }
}
