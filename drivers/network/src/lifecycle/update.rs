//! One section of a network's document changed while it runs (`virNetworkUpdate`).

use crate::Driver;
use crate::failure::argument;
use crate::handlers::Impact;
use crate::host::hook::Event;
use crate::network::{Network, State};
use error::Result;
use model::network::{Network as Document, Section, UpdateCommand};
use std::sync::Arc;

/// What a client wants changed, by the numbers of the public header.
#[derive(Debug)]
pub(crate) struct Update {
    /// `virNetworkUpdateCommand`.
    pub command: u32,
    /// `virNetworkUpdateSection`.
    pub section: u32,
    /// Which of several parents of the section, or -1.
    pub parent: i32,
    /// The element.
    pub text: String,
}

impl Driver {
    /// Changes a section of the definition, of the active network, or of both; nothing unless all can be.
    ///
    /// # Errors
    /// What is wrong with the change; what the host refuses, and then the active network is as it was.
    pub(crate) async fn update(
        self: &Arc<Self>,
        network: &Arc<Network>,
        update: &Update,
        flags: u32,
    ) -> Result<()> {
        let unknown =
            |what: &str, number: u32| argument(format!("there is no {what} {number} of virNetworkUpdate"));
        let command = UpdateCommand::of(update.command).ok_or_else(|| unknown("command", update.command))?;
        let section = Section::of(update.section).ok_or_else(|| unknown("section", update.section))?;
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        let former = network.state();
        let impact = Impact::of(flags, &former)?;
        let change = |document: &mut Document| document.update(command, section, update.parent, &update.text);
        self.rewrite(network, impact, change).await?;
        if !impact.live {
            return Ok(());
        }
        let document = Arc::clone(&network.state().document);
        if let Err(err) = self.bring_in(network, &former.document, &document).await {
            self.bring_back(network, &former, impact).await;
            return Err(err);
        }
        self.hooks.tell(Event::Updated, &document, None).await;
        Ok(())
    }

    /// Makes an active network what its document says now.
    async fn bring_in(
        self: &Arc<Self>,
        network: &Arc<Network>,
        former: &Arc<Document>,
        document: &Arc<Document>,
    ) -> Result<()> {
        if !document.mode().has_own_bridge() {
            return Ok(());
        }
        if (&former.ips, &former.forward) != (&document.ips, &document.forward) {
            self.firewall.guard(self, document).await?;
        }
        self.serve_changed(network, document).await
    }

    /// Makes all of it what it was.
    async fn bring_back(self: &Arc<Self>, network: &Arc<Network>, former: &State, impact: Impact) {
        let now = Arc::clone(&network.state().document);
        let only = |live: bool| Impact { live, config: !live };
        let back = |document: &Arc<Document>| {
            let document = Arc::clone(document);
            move |changed: &mut Document| {
                changed.clone_from(&document);
                Ok(())
            }
        };
        let mut outcome = self.rewrite(network, only(true), back(&former.document)).await;
        if impact.config {
            let definition = self.rewrite(network, only(false), back(former.definition()));
            outcome = outcome.and(definition.await);
        }
        outcome = outcome.and(self.bring_in(network, &now, &former.document).await);
        if let Err(err) = outcome {
            tracing::error!(%err, network = network.name, "a change that did not work was not undone");
        }
    }
}
