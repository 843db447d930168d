//! The guest's processor at a start: chosen before QEMU runs, and written down as QEMU made it.

use super::{COMMAND_WAIT, monitor_error};
use crate::Driver;
use crate::binary::BinaryCaps;
use crate::processor::{self, FeatureWord};
use error::Result;
use host::catalogue::Catalogue;
use model::domain::Domain as Model;
use qmp::Monitor;
use std::sync::Arc;

/// Chooses the processor; the catalogue it was chosen with, where there is one.
///
/// # Errors
/// As [`processor::choose`].
pub(super) async fn choose(
    driver: &Driver,
    mut model: Model,
    caps: &Arc<BinaryCaps>,
) -> Result<(Model, Option<Arc<Catalogue>>)> {
    let (models, caps) = (driver.capabilities.models(), Arc::clone(caps));
    driver
        .blocking(move || {
            let catalogue = models.get(&caps.arch);
            processor::choose(&mut model, &caps, catalogue.as_deref())?;
            Ok((model, catalogue))
        })
        .await
}

/// Learns from QEMU what the first processor has; all are alike.
///
/// # Errors
/// As [`processor::note`], and when the monitor is gone.
pub(super) async fn learn(model: &mut Model, monitor: &Monitor, catalogue: &Catalogue) -> Result<()> {
    let Some(cpu) = model.cpu.as_deref_mut() else {
        return Ok(());
    };
    let processors = monitor
        .query_cpus_fast(COMMAND_WAIT)
        .await
        .map_err(monitor_error)?;
    let Some(first) = processors.first().filter(|first| !first.qom_path.is_empty()) else {
        return Ok(());
    };
    let words: qmp::Result<Vec<FeatureWord>> = monitor
        .qom_get(&first.qom_path, "feature-words", COMMAND_WAIT)
        .await;
    match words {
        Ok(words) => processor::note(cpu, &words, catalogue),
        Err(err) if err.is_closed() || err.is_timeout() => Err(monitor_error(err)),
        Err(err) => {
            tracing::debug!(%err, "QEMU does not tell what the guest's processor has");
            Ok(())
        }
    }
}
