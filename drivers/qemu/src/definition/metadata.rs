//! Title, description and applications' own elements, of the definition and of the running guest.

use crate::domain::{Document, Live, Owner};
use crate::events::Event;
use crate::flags::Impact;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::{Domain as Model, metadata};
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
    ///
    /// # Errors
    /// When the element is no XML, or the title has several lines.
    fn apply(&self, model: &mut Model) -> Result<()> {
        match self {
            Self::Description(text) => model.description.clone_from(text),
            Self::Title(text) => {
                if text.as_ref().is_some_and(|text| text.contains('\n')) {
                    let text = "a domain's title cannot contain line breaks";
                    return Err(Error::new(Code::InvalidArg, ErrorDomain::Domain, text));
                }
                model.title.clone_from(text);
            }
            Self::Element { uri, key, text } => {
                let element = text
                    .as_ref()
                    .map(|text| metadata::in_namespace(text, uri, key))
                    .transpose()?;
                model.metadata = metadata::with_element(model.metadata.as_ref(), uri, element)?;
            }
        }
        Ok(())
    }

    fn event(&self) -> Event {
        match self {
            Self::Description(_) => Event::MetadataChange { kind: 0, uri: None },
            Self::Title(_) => Event::MetadataChange { kind: 1, uri: None },
            Self::Element { uri, .. } => Event::MetadataChange {
                kind: 2,
                uri: Some(uri.clone()),
            },
        }
    }
}

impl Owner {
    /// Changes metadata of the definition, of the running guest, or of both.
    ///
    /// # Errors
    /// When one of them is not there, the piece is wrong, or the disk refuses.
    pub(crate) async fn set_metadata(&mut self, piece: Piece, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        if impact.config
            && let Some(definition) = state.definition.as_ref()
        {
            let mut model = definition.parse()?;
            piece.apply(&mut model)?;
            let document = Document::of(&model);
            self.save_definition(&state.name, &document).await?;
            self.publish(|state| state.definition = Some(document));
        }
        if impact.live
            && let Some(live) = state.live.as_ref()
        {
            let mut model = live.document.parse()?;
            piece.apply(&mut model)?;
            let mut origin = live.origin.parse()?;
            piece.apply(&mut origin)?;
            let changed = Live {
                document: Document::of(&model),
                origin: Document::of(&origin),
                ..Live::clone(live)
            };
            self.replace_live(Arc::new(changed)).await;
        }
        self.tell(piece.event());
        Ok(())
    }

    /// Publishes another idea of the running guest, and keeps it for the next daemon.
    pub(crate) async fn replace_live(&mut self, changed: Arc<Live>) {
        if let Some(guest) = self.guest.as_mut() {
            guest.live = Arc::clone(&changed);
        }
        self.publish(|state| state.live = Some(changed));
        self.save_status().await;
    }
}
