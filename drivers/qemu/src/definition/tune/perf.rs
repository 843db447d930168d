//! Events of processors that are counted.

use super::changed_definition;
use crate::domain::Owner;
use crate::flags::Impact;
use error::Result;
use model::domain::lifecycle::{Perf, PerfEvent, PerfEventName};

impl Owner {
    /// Notes in the definition which events are counted. Of a running guest none is.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) async fn set_perf_events(
        &mut self,
        wanted: Vec<(PerfEventName, bool)>,
        flags: u32,
    ) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        let definition = changed_definition(&state, impact, |model| {
            let perf = model.perf.get_or_insert_with(|| Perf { events: Vec::new() });
            for (name, enabled) in wanted {
                perf.events.retain(|event| event.name != name);
                perf.events.push(PerfEvent {
                    name,
                    enabled: enabled.into(),
                });
            }
            Ok(())
        })?;
        self.replace_definition(definition).await
    }
}
