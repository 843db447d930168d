//! Volumes in use: a job holds each that it works on.

use crate::failure::invalid;
use error::Result;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// How a volume is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is read; so may others.
    Read,
    /// It is changed or removed, by nobody else.
    Changed,
    /// It is being made.
    Made,
}

#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<Box<str>, (Held, usize)>>);

/// A volume in use, until the value goes.
#[derive(Debug)]
pub(crate) struct Hold {
    holds: Arc<Holds>,
    volume: Box<str>,
}

impl Holds {
    pub(super) fn take(self: &Arc<Self>, volume: &str, how: Held) -> Result<Hold> {
        let mut holds = self.0.lock();
        match holds.entry(volume.into()) {
            Entry::Vacant(free) => {
                free.insert((how, 1));
            }
            Entry::Occupied(mut taken) => match (taken.get_mut(), how) {
                ((Held::Read, count), Held::Read) => *count += 1,
                ((Held::Made, _), _) => {
                    return Err(invalid(format!("volume '{volume}' is still being allocated.")));
                }
                _ => return Err(invalid(format!("volume '{volume}' is still in use."))),
            },
        }
        Ok(Hold {
            holds: Arc::clone(self),
            volume: volume.into(),
        })
    }

    pub(super) fn any(&self) -> bool {
        !self.0.lock().is_empty()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.holds.0.lock();
        if let Some((_, count)) = holds.get_mut(&self.volume) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.volume);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_by_many_and_changed_by_one() {
        let holds = Arc::new(Holds::default());
        let first = holds.take("v", Held::Read).unwrap();
        let second = holds.take("v", Held::Read).unwrap();
        assert!(
            holds
                .take("v", Held::Changed)
                .unwrap_err()
                .to_string()
                .contains("in use")
        );
        drop(first);
        assert!(holds.take("v", Held::Made).is_err());
        drop(second);
        let made = holds.take("v", Held::Made).unwrap();
        let refusal = holds.take("v", Held::Read).unwrap_err();
        assert!(refusal.to_string().contains("still being allocated"), "{refusal}");
        let other = holds.take("w", Held::Changed).unwrap();
        drop((made, other));
        assert!(!holds.any());
    }
}
