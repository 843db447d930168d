//! The volumes of a pool, as last seen.
//!
//! A look at all of them takes its time, and volumes come and go meanwhile: what jobs have done since it began counts more
//! than what it saw. Looks may overlap; what one saw that began before another that is back already counts nothing.

use super::encryptions::Encryptions;
use crate::volume::Volume;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Volumes {
    seen: RwLock<Inner>,
    /// What opens those that are encrypted.
    pub encryptions: Encryptions,
}

#[derive(Debug, Default)]
struct Inner {
    by_name: BTreeMap<Box<str>, Arc<Volume>>,
    /// Counts beginnings of looks.
    now: u64,
    /// How many looks go on.
    looks: usize,
    /// When the look began that was back last.
    last: u64,
    /// Names that jobs have touched while looks went on, with when that was.
    touched: HashMap<Box<str>, u64>,
}

/// A look at all volumes that goes on.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    volumes: &'a Volumes,
    began: u64,
}

impl Inner {
    fn touch(&mut self, name: &str) {
        if self.looks > 0 {
            self.touched.insert(name.into(), self.now);
        }
    }
}

impl Volumes {
    /// The volume of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Volume>> {
        self.seen.read().by_name.get(name).cloned()
    }

    /// The first of which that is true, in the order of names.
    pub(crate) fn find(&self, is: impl Fn(&Volume) -> bool) -> Option<Arc<Volume>> {
        let inner = self.seen.read();
        inner.by_name.values().find(|volume| is(volume)).cloned()
    }

    /// Something of each, in the order of their names. Whoever changes one waits until it is told, so that has to be short: with
    /// ten thousand it counts that none of them is touched twice.
    pub(crate) fn each<T>(&self, tell: impl Fn(&Volume) -> T) -> Vec<T> {
        self.with_all(|volumes| volumes.map(tell).collect())
    }

    /// The same of all of them together.
    pub(crate) fn with_all<T>(
        &self,
        tell: impl FnOnce(&mut dyn ExactSizeIterator<Item = &Volume>) -> T,
    ) -> T {
        let inner = self.seen.read();
        tell(&mut inner.by_name.values().map(|volume| &**volume))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.seen.read().by_name.len()
    }

    /// Adds to a volume what its storage does not tell.
    pub(crate) fn complete(&self, volume: &mut Volume) {
        if volume.unfinished.is_none() {
            self.encryptions.complete(volume);
        }
    }

    /// A job has made or changed one.
    pub(crate) fn put(&self, mut volume: Volume) {
        self.complete(&mut volume);
        let mut inner = self.seen.write();
        inner.touch(&volume.name);
        inner.by_name.insert(volume.name.clone(), Arc::new(volume));
    }

    /// A job has removed one.
    pub(crate) fn forget(&self, name: &str) {
        let mut inner = self.seen.write();
        inner.touch(name);
        inner.by_name.remove(name);
    }

    /// A look at all of them begins. It is over with the value.
    pub(crate) fn look_begins(&self) -> Look<'_> {
        let mut inner = self.seen.write();
        inner.now += 1;
        inner.looks += 1;
        Look {
            volumes: self,
            began: inner.now,
        }
    }

    /// What a look has seen, by a job that has `done` one of them, if any.
    pub(crate) fn seen(&self, look: Look<'_>, seen: Vec<Volume>, done: Option<&str>) {
        let mut inner = self.seen.write();
        if look.began < inner.last {
            // A later look cannot tell that the job is done.
            let own = seen.into_iter().find(|volume| done == Some(&*volume.name));
            drop(inner);
            match (own, done) {
                (Some(volume), _) => self.put(volume),
                (None, Some(name)) => self.forget(name),
                (None, None) => {}
            }
            return;
        }
        inner.last = look.began;
        let touched = |name: &str| inner.touched.get(name).is_some_and(|when| *when >= look.began);
        let mut by_name: BTreeMap<_, _> = seen
            .into_iter()
            .filter(|volume| !touched(&volume.name))
            .map(|mut volume| {
                self.complete(&mut volume);
                (volume.name.clone(), Arc::new(volume))
            })
            .collect();
        let kept = inner.by_name.iter().filter(|(name, volume)| {
            // A look sees no volume that is being made.
            touched(name) || volume.unfinished.is_some() && done != Some(&***name)
        });
        by_name.extend(kept.map(|(name, volume)| (name.clone(), Arc::clone(volume))));
        inner.by_name = by_name;
        drop(inner);
        drop(look);
    }

    /// The pool was stopped.
    pub(crate) fn clear(&self) {
        let mut inner = self.seen.write();
        inner.by_name.clear();
        // Whoever still looks has nothing to say.
        inner.now += 1;
        inner.last = inner.now;
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let mut inner = self.volumes.seen.write();
        inner.looks -= 1;
        if inner.looks == 0 {
            inner.touched.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::storage::VolumeKind;

    fn volume(name: &str, unfinished: bool) -> Volume {
        Volume {
            unfinished: unfinished.then(|| "file".into()),
            ..Volume::named(name, VolumeKind::File)
        }
    }

    fn names(volumes: &Volumes) -> Vec<String> {
        volumes.each(|volume| volume.name.to_string())
    }

    #[test]
    fn what_jobs_do_while_somebody_looks_counts_more() {
        let volumes = Volumes::default();
        volumes.put(volume("gone", false));
        let look = volumes.look_begins();
        volumes.put(volume("made", false));
        volumes.put(volume("making", true));
        volumes.forget("gone");
        volumes.seen(look, vec![volume("gone", false), volume("old", false)], None);
        assert_eq!(names(&volumes), ["made", "making", "old"]);
        let look = volumes.look_begins();
        volumes.seen(look, vec![volume("making", false)], None);
        assert_eq!(names(&volumes), ["making"]);
        assert!(
            volumes
                .get("making")
                .is_some_and(|volume| volume.unfinished.is_some())
        );
        let look = volumes.look_begins();
        volumes.seen(look, vec![volume("making", false)], Some("making"));
        assert!(
            volumes
                .get("making")
                .is_some_and(|volume| volume.unfinished.is_none())
        );
    }

    #[test]
    fn a_look_that_is_late_changes_nothing() {
        let volumes = Volumes::default();
        let (early, late) = (volumes.look_begins(), volumes.look_begins());
        volumes.seen(late, vec![volume("new", false)], None);
        volumes.seen(early, vec![volume("old", false)], None);
        assert_eq!(names(&volumes), ["new"]);
        // But what its job has done counts.
        let (early, late) = (volumes.look_begins(), volumes.look_begins());
        volumes.put(volume("making", true));
        volumes.seen(late, Vec::new(), None);
        let made = vec![volume("making", false), volume("old", false)];
        volumes.seen(early, made, Some("making"));
        assert_eq!(names(&volumes), ["making"]);
        assert!(
            volumes
                .get("making")
                .is_some_and(|volume| volume.unfinished.is_none())
        );
        let look = volumes.look_begins();
        volumes.clear();
        volumes.seen(look, vec![volume("new", false)], None);
        assert_eq!(names(&volumes), [""; 0]);
    }
}
