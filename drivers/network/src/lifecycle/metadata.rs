//! Title, description and applications' own elements, of the definition and of the active network.

use crate::Driver;
use crate::handlers::Impact;
use crate::network::Network;
use error::Result;
use model::metadata::Piece;
use model::network::Network as Document;
use std::sync::Arc;

impl Driver {
    /// Changes metadata of the definition, of the active network, or of both.
    ///
    /// # Errors
    /// When one of them is not there, the piece is wrong, or the disk refuses.
    pub(crate) async fn set_metadata(&self, network: &Arc<Network>, piece: &Piece, flags: u32) -> Result<()> {
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        let impact = Impact::of(flags, &network.state())?;
        self.rewrite(network, impact, |document| piece.apply(document))
            .await?;
        let (kind, uri) = piece.told();
        self.events.metadata_changed(network, kind, uri);
        Ok(())
    }

    /// Changes the documents that are meant: on disk before they are seen. Nothing changes unless all can.
    pub(super) async fn rewrite(
        &self,
        network: &Network,
        impact: Impact,
        change: impl Fn(&mut Document) -> Result<()>,
    ) -> Result<()> {
        let state = network.state();
        let changed = |document: &Document| {
            let mut document = document.clone();
            change(&mut document).map(|()| Arc::new(document))
        };
        let config = impact.config.then(|| changed(state.definition())).transpose()?;
        let live = impact.live.then(|| changed(&state.document)).transpose()?;
        let (saved, running) = (config.clone(), live.clone());
        let floors = network.ports.floors();
        self.blocking(move |store| {
            if let Some(document) = saved {
                store.save(&document)?;
            }
            if let Some(document) = running {
                store.set_active(&document, false, &floors)?;
            }
            Ok(())
        })
        .await?;
        network.update(|state| {
            if let Some(document) = &config {
                if state.active {
                    state.next = Some(Arc::clone(document));
                } else {
                    state.document = Arc::clone(document);
                }
            }
            if let Some(document) = &live {
                if state.persistent && state.next.is_none() {
                    state.next = Some(Arc::clone(&state.document));
                }
                state.document = Arc::clone(document);
            }
        });
        Ok(())
    }
}
