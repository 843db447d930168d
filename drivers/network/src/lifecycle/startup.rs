//! What a daemon finds: definitions, networks that are active already, networks that start with the host.

use super::run::bridge_is_there;
use crate::Driver;
use crate::former::FormerRules;
use crate::host::firewall::Instead;
use crate::network::{Network, Port, State};
use crate::store::Left;
use error::Result;
use model::network::Network as Document;
use std::sync::Arc;
use uuid::Uuid;

impl Driver {
    /// Reads what lies on disk, takes up what the last daemon left active and down what it left half done, and starts what starts
    /// with the host, once for each start of the host.
    ///
    /// # Errors
    /// The folders cannot be read.
    pub(crate) async fn load_at_start(self: &Arc<Self>) -> Result<()> {
        let left = self.blocking(|store| store.were_active()).await?;
        let mut unfinished = Vec::new();
        let mut former = Vec::new();
        for mut left in left {
            let name = left.document.name.clone();
            former.extend(left.former.take().map(|rules| (name, rules)));
            unfinished.extend(self.take_up(left).await);
        }
        let to_start = self.load(true).await?;
        // First of all: whatever had become of them, guests are guarded as they were.
        let active = self.active_documents();
        if !active.is_empty() || !unfinished.is_empty() {
            let instead = if former.iter().any(|(_, rules)| rules.are_tables()) {
                Instead::OfLibvirts
            } else {
                Instead::OfOwn
            };
            self.firewall.doubt().await;
            let guarded = self.firewall.guard_only(self, active, instead).await;
            let set = guarded.is_ok();
            told("rules cannot be set", guarded);
            if set {
                told("libvirt's rules are left", self.forget_former(former).await);
            }
        }
        for network in unfinished {
            tracing::info!(network = network.name, "undoing what was not finished");
            let document = Arc::clone(&network.state().document);
            told("it is not all gone", self.clear_away(&network, &document).await);
            self.forget_run(&network);
        }
        for network in self.networks.all() {
            if network.state().active {
                told("it is not whole", self.adopt(&network).await);
            }
        }
        for network in to_start {
            told("it does not start", self.start_in_turn(&network).await);
        }
        Ok(())
    }

    /// Removes what libvirt's own daemon left of its rules, and the notes of it.
    async fn forget_former(&self, former: Vec<(String, FormerRules)>) -> Result<()> {
        for (name, rules) in former {
            tracing::info!(network = name, "taken over from libvirt");
            self.blocking(move |_| {
                rules.remove();
                Ok(())
            })
            .await?;
            let Some(network) = self
                .networks
                .named(&name)
                .filter(|network| network.state().active)
            else {
                continue;
            };
            let (document, floors) = (Arc::clone(&network.state().document), network.ports.floors());
            self.blocking(move |store| store.set_active(&document, false, &floors))
                .await?;
        }
        Ok(())
    }

    /// Takes up one that the last daemon left; gives it where it has to go.
    async fn take_up(self: &Arc<Self>, left: Left) -> Option<Arc<Network>> {
        let uuid = left.document.uuid.unwrap_or_else(Uuid::new_v4);
        let there = match bridge_is_there(&left.document).await {
            Ok(there) => there,
            Err(err) => {
                tracing::error!(%err, network = left.document.name, "it is not known whether its bridge is there");
                true
            }
        };
        let network = Network::new(uuid, State::new(left.document));
        self.networks.put(Arc::clone(&network));
        if left.unfinished || !there {
            return Some(network);
        }
        network.update(|state| state.active = true);
        for port in left.ports {
            network.ports.put(Port {
                uuid: port.uuid.unwrap_or_else(Uuid::new_v4),
                document: Arc::new(port),
            });
        }
        None
    }

    /// Reads definitions that are not known; gives those that are to be started, where `at_start`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) async fn load(&self, at_start: bool) -> Result<Vec<Arc<Network>>> {
        let _changes = self.changes.lock().await;
        let first_start = at_start && self.blocking(|store| store.first_start()).await?;
        let mut to_start = Vec::new();
        for stored in self.blocking(|store| store.definitions()).await? {
            let mut document = stored.document;
            let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
            let known = self
                .networks
                .get(uuid)
                .filter(|known| known.name == document.name);
            let network = match known {
                Some(network) if at_start => {
                    let document = Arc::new(document);
                    network.update(|state| state.next = Some(Arc::clone(&document)));
                    network
                }
                // It is known already, and changed by clients only.
                Some(_) => continue,
                None => match self.load_new(uuid, document).await {
                    Ok(network) => network,
                    Err(err) => {
                        tracing::error!(%err, "a definition was left out");
                        continue;
                    }
                },
            };
            network.update(|state| {
                state.persistent = true;
                state.autostart = stored.autostart;
            });
            if first_start && stored.autostart && !network.state().active {
                to_start.push(network);
            }
        }
        Ok(to_start)
    }

    /// Takes a definition in that nobody knows.
    async fn load_new(&self, uuid: Uuid, mut document: Document) -> Result<Arc<Network>> {
        self.admit(&document, uuid)?;
        let given = document.clone();
        self.complete(&mut document).await?;
        if document != given {
            // What was chosen is kept: the bridge has the same name and address after each start.
            let chosen = document.clone();
            self.blocking(move |store| store.save(&chosen)).await?;
        }
        let network = Network::new(uuid, State::new(document));
        self.networks.put(Arc::clone(&network));
        Ok(network)
    }
}

/// The other networks go on.
fn told(what: &str, outcome: Result<()>) {
    if let Err(err) = outcome {
        tracing::error!(%err, "a network: {what}");
    }
}
