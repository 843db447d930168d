//! The catalogue of processor models, read when it is first asked for and again when its package has changed.

use host::Host;
use host::catalogue::Catalogue;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::SystemTime;

/// The catalogue of one host.
#[derive(Debug)]
pub(crate) struct Models {
    host: Host,
    /// With the time it is of.
    kept: Mutex<Option<(SystemTime, Arc<Catalogue>)>>,
}

impl Models {
    /// That of `host`, not read yet.
    pub(crate) fn of(host: Host) -> Self {
        Self {
            host,
            kept: Mutex::default(),
        }
    }

    /// The catalogue of an architecture's processors, where its package is installed; only x86 has one. Blocks on the
    /// disk.
    pub(crate) fn get(&self, arch: &str) -> Option<Arc<Catalogue>> {
        if !matches!(arch, "i686" | "x86_64") {
            return None;
        }
        let changed = self.host.catalogue_changed()?;
        let mut kept = self.kept.lock();
        if let Some((_, catalogue)) = kept.as_ref().filter(|(time, _)| *time == changed) {
            return Some(Arc::clone(catalogue));
        }
        let catalogue = Arc::new(self.host.catalogue()?);
        *kept = Some((changed, Arc::clone(&catalogue)));
        Some(catalogue)
    }
}
