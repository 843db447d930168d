//! Title, description and applications' own elements, of the definition and of the active network.

use crate::Driver;
use crate::failure::argument;
use crate::handlers::Impact;
use crate::network::Network;
use error::Result;
use model::domain::metadata;
use model::network::Network as Document;
use std::sync::Arc;

/// A piece of metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `<description>`.
    Description(Option<String>),
    /// `<title>`.
    Title(Option<String>),
    /// The element of a namespace.
    Element {
        /// The namespace.
        uri: String,
        /// The prefix the element gets.
        key: String,
        /// The element; `None` removes it.
        text: Option<String>,
    },
}

impl Piece {
    /// Puts it into a document.
    fn apply(&self, document: &mut Document) -> Result<()> {
        match self {
            Self::Description(text) => document.description.clone_from(text),
            Self::Title(text) => {
                if text.as_ref().is_some_and(|text| text.contains('\n')) {
                    return Err(argument("a network's title cannot contain line breaks"));
                }
                document.title.clone_from(text);
            }
            Self::Element { uri, key, text } => {
                let element = text
                    .as_ref()
                    .map(|text| metadata::in_namespace(text, uri, key))
                    .transpose()?;
                document.metadata = metadata::with_element(document.metadata.as_ref(), uri, element)?;
            }
        }
        Ok(())
    }

    /// Its `virNetworkMetadataType`, and its namespace.
    fn told(&self) -> (i32, Option<&str>) {
        match self {
            Self::Description(_) => (0, None),
            Self::Title(_) => (1, None),
            Self::Element { uri, .. } => (2, Some(uri)),
        }
    }
}

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
