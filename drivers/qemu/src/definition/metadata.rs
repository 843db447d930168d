//! Title, description and applications' own elements, of the definition and of the running guest.

use crate::domain::{Document, Live, Owner};
use crate::events::Event;
use crate::flags::Impact;
use error::Result;
use model::metadata::Piece;
use std::sync::Arc;

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
        let (kind, uri) = piece.told();
        self.tell(Event::MetadataChange {
            kind,
            uri: uri.map(str::to_owned),
        });
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
