//! Turns at what only one thread may change at a time, whichever pool it works for.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// Turns at devices.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<PathBuf, Weak<Mutex<()>>>>);

impl Turns {
    /// What to lock for a change of that device.
    pub(crate) fn at(&self, device: &Path) -> Arc<Mutex<()>> {
        let mut turns = self.0.lock();
        if let Some(turn) = turns.get(device).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(device.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_the_same_device_waits_for_the_same_turn() {
        let turns = Turns::default();
        let first = turns.at(Path::new("/dev/a"));
        assert!(Arc::ptr_eq(&first, &turns.at(Path::new("/dev/a"))));
        assert!(!Arc::ptr_eq(&first, &turns.at(Path::new("/dev/b"))));
        drop(first);
        turns.at(Path::new("/dev/c"));
        assert_eq!(turns.0.lock().len(), 1, "those that nobody has are gone");
    }
}
