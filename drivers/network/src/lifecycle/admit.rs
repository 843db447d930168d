//! Which documents may be networks beside those that there are, and what is chosen for them.

use super::taken;
use crate::Driver;
use crate::failure::refused;
use crate::host::links::Links;
use crate::network::Network;
use error::{Code, Result};
use model::Mac;
use model::network::{BridgeMac, Network as Document};
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

/// What bridges are called whose name nobody says, with a number in place of the letters.
const TEMPLATE: &str = "virbr%d";

/// The kernel's longest name of a link.
const NAME_LONGEST: usize = 15;

impl Driver {
    /// The network that a document is about, where there is one, if the document may be one's.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when another network has its name or its UUID, [`Code::InternalError`] for a bridge of another
    /// network's, which is what stock daemons say.
    pub(super) fn admit(&self, document: &Document, uuid: Uuid) -> Result<Option<Arc<Network>>> {
        let known = self.networks.get(uuid);
        if let Some(known) = known.as_ref().filter(|known| known.name != document.name) {
            return Err(taken(format!(
                "network '{}' is already defined with uuid {uuid}",
                known.name
            )));
        }
        let same_name = self.networks.named(&document.name);
        if let Some(other) = same_name.filter(|other| other.uuid != uuid) {
            return Err(taken(format!(
                "network '{}' already exists with uuid {}",
                other.name, other.uuid
            )));
        }
        let own = document
            .bridge_name()
            .filter(|_| document.mode().has_own_bridge());
        for other in self.networks.all() {
            let state = other.state();
            let theirs = std::iter::once(&state.document).chain(state.next.as_ref());
            let mut theirs = theirs.filter(|document| document.mode().has_own_bridge());
            let same = |theirs: &Arc<Document>| own.is_some() && theirs.bridge_name() == own;
            if other.uuid != uuid && theirs.any(same) {
                let text = format!(
                    "bridge name '{}' already in use by network '{}'",
                    own.unwrap_or_default(),
                    other.name
                );
                return Err(refused(Code::InternalError, text));
            }
        }
        Ok(known)
    }

    /// Chooses what a document leaves to the daemon: the bridge's name and address.
    ///
    /// # Errors
    /// [`Code::InternalError`] when there is no free name; what the kernel says.
    pub(super) async fn complete(&self, document: &mut Document) -> Result<()> {
        if !document.mode().has_own_bridge() {
            return Ok(());
        }
        let bridge = document.bridge.get_or_insert_default();
        let template = match bridge.name.as_deref() {
            None => Some(TEMPLATE),
            Some(name) => name.contains("%d").then_some(name),
        };
        if let Some(template) = template.map(str::to_owned) {
            bridge.name = Some(self.free_name(&template, &document.name).await?);
        }
        if document.mac.is_none() {
            let random = Uuid::new_v4();
            let [a, b, c, ..] = random.into_bytes();
            document.mac = Some(BridgeMac {
                address: Mac::qemu([a, b, c]),
            });
        }
        Ok(())
    }

    /// The first name of that form that neither a network nor a link has.
    async fn free_name(&self, template: &str, own: &str) -> Result<String> {
        // The kernel would be asked anew for each name otherwise.
        let links = Links::new()?.all().await?;
        let mut used: HashSet<String> = links.into_iter().map(|link| link.name).collect();
        for network in self.networks.all() {
            let state = network.state();
            for document in std::iter::once(&state.document).chain(state.next.as_ref()) {
                let Some(name) = document.bridge_name() else {
                    continue;
                };
                if network.name == own {
                    // It keeps the name it had.
                    used.remove(name);
                } else {
                    used.insert(name.to_owned());
                }
            }
        }
        let names = (0..=u16::MAX).map(|number| template.replacen("%d", &number.to_string(), 1));
        let mut names = names.take_while(|name| name.len() <= NAME_LONGEST);
        names.find(|name| !used.contains(name)).ok_or_else(|| {
            let text = format!("there is no free name for a bridge of the form '{template}'");
            refused(Code::InternalError, text)
        })
    }
}
