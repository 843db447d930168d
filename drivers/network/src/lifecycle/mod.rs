//! Networks come, change and go; what they are on the host is in `run.rs`.

mod admit;
pub(crate) mod limits;
pub(crate) mod metadata;
mod overlap;
mod pool;
pub(crate) mod port;
mod run;
mod serve;
mod startup;
pub(crate) mod update;
mod zone;

use crate::Driver;
use crate::events::Happening;
use crate::failure::{invalid, refused};
use crate::network::{Network, State};
use error::{Code, Result};
use model::network::Network as Document;
use std::sync::Arc;
use uuid::Uuid;

/// Reads a document of a client's.
async fn read(text: &str, validate: bool) -> Result<Document> {
    let read = Document::from_xml(text);
    let is_xml = read
        .as_ref()
        .map_or_else(|err| err.code() != Code::XmlDetail, |_| true);
    if validate && is_xml {
        daemon::schema_check::check("network", text).await?;
    }
    let document = read?;
    document.validate()?;
    pool::check(&document)?;
    Ok(document)
}

impl Driver {
    /// Defines a network, or replaces the definition of one.
    ///
    /// # Errors
    /// What is wrong with the document, or does not go together with other networks; the disk's.
    pub(crate) async fn define(self: &Arc<Self>, text: &str, validate: bool) -> Result<Arc<Network>> {
        let _work = self.work.read().await;
        let mut document = read(text, validate).await?;
        let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
        let _changes = self.changes.lock().await;
        let known = self.admit(&document, uuid)?;
        self.complete(&mut document).await?;
        let document = Arc::new(document);
        let network = match known {
            Some(network) => {
                let _turn = network.turn().await?;
                let saved = Arc::clone(&document);
                self.blocking(move |store| store.save(&saved)).await?;
                network.update(|state| {
                    state.persistent = true;
                    if state.active {
                        state.next = Some(Arc::clone(&document));
                    } else {
                        state.document = Arc::clone(&document);
                    }
                });
                Arc::clone(&network)
            }
            None => {
                let saved = Arc::clone(&document);
                self.blocking(move |store| store.save(&saved)).await?;
                let state = State {
                    persistent: true,
                    ..State::new(Document::clone(&document))
                };
                let network = Network::new(uuid, state);
                self.networks.put(Arc::clone(&network));
                network
            }
        };
        self.events.lifecycle(&network, Happening::Defined);
        Ok(network)
    }

    /// Starts a network of that document, which has no definition unless it had one before.
    ///
    /// # Errors
    /// As [`Self::define`] and [`Self::start`].
    pub(crate) async fn create(self: &Arc<Self>, text: &str, validate: bool) -> Result<Arc<Network>> {
        let _work = self.work.read().await;
        let mut document = read(text, validate).await?;
        let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
        let network = {
            let _changes = self.changes.lock().await;
            let known = self.admit(&document, uuid)?;
            if let Some(network) = &known
                && network.state().active
            {
                return Err(invalid(format!(
                    "network is already active as '{}'",
                    network.name
                )));
            }
            self.complete(&mut document).await?;
            match known {
                Some(network) => {
                    let _turn = network.turn().await?;
                    let fresh = Arc::new(document);
                    network.update(|state| {
                        let definition = Arc::clone(&state.document);
                        state.next = state.persistent.then_some(definition);
                        state.document = Arc::clone(&fresh);
                    });
                    Arc::clone(&network)
                }
                None => {
                    let network = Network::new(uuid, State::new(document));
                    self.networks.put(Arc::clone(&network));
                    network
                }
            }
        };
        let started = self.start_in_turn(&network).await;
        if started.is_err() {
            self.forget_run(&network);
        }
        started.map(|()| network)
    }

    /// A network is not active any more, or has not become so.
    pub(crate) fn forget_run(&self, network: &Network) {
        network.ports.clear();
        network.update(|state| {
            state.active = false;
            if let Some(next) = state.next.take() {
                state.document = next;
            }
        });
        if !network.state().persistent {
            self.networks.remove(network);
        }
    }

    /// Starts a network.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for an active one; what the host refuses. Nothing is left of it then.
    pub(crate) async fn start(self: &Arc<Self>, network: &Arc<Network>) -> Result<()> {
        let _work = self.work.read().await;
        self.start_in_turn(network).await
    }

    /// Stops a network.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for one that is not active; what the host refuses.
    pub(crate) async fn stop(self: &Arc<Self>, network: &Arc<Network>) -> Result<()> {
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        network.active()?;
        self.take_down(network).await
    }

    /// Removes a network's definition; one that is active goes on without.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for one without definition; the disk's.
    pub(crate) async fn undefine(&self, network: &Arc<Network>) -> Result<()> {
        let _work = self.work.read().await;
        let _changes = self.changes.lock().await;
        let _turn = network.turn().await?;
        let state = network.state();
        if !state.persistent {
            return Err(invalid("can't undefine transient network"));
        }
        let name = network.name.clone();
        let bridge = state.document.bridge_name().map(str::to_owned);
        let forget = !state.active;
        self.blocking(move |store| {
            store.remove(&name)?;
            if forget {
                store.forget_leases(bridge.as_deref())?;
            }
            Ok(())
        })
        .await?;
        network.update(|state| {
            state.persistent = false;
            state.autostart = false;
            state.next = None;
        });
        if !state.active {
            self.networks.remove(network);
        }
        self.events.lifecycle(network, Happening::Undefined);
        Ok(())
    }

    /// Says whether a network is started with the host.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for one without definition; the disk's.
    pub(crate) async fn set_autostart(&self, network: &Arc<Network>, autostart: bool) -> Result<()> {
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        if !network.state().persistent {
            return Err(invalid("cannot set autostart for transient network"));
        }
        let name = network.name.clone();
        self.blocking(move |store| store.set_autostart(&name, autostart))
            .await?;
        network.update(|state| state.autostart = autostart);
        Ok(())
    }

    /// The document of each active network that has a bridge of its own.
    pub(crate) fn active_documents(&self) -> Vec<Arc<Document>> {
        let states = self.networks.all().into_iter().map(|network| network.state());
        states
            .filter(|state| state.active && state.document.mode().has_own_bridge())
            .map(|state| Arc::clone(&state.document))
            .collect()
    }
}

/// What stock daemons say of a second network with a name or UUID that there is.
fn taken(text: String) -> error::Error {
    refused(Code::OperationFailed, text)
}
