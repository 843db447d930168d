//! Notes of what is being made where nothing of it can say so: a partition that is filled looks like any other.
//!
//! A note is on disk before anything is made, and goes when that is whole, or undone. What daemons before this one noted
//! and did not come to the end of is undone by the next look at its pool.
//!
//! Everything here blocks on the disk.

use crate::failure::system;
use daemon::durable;
use error::Result;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What the names of notes end in.
const ENDING: &str = "note";

/// The notes of an instance of the driver.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// Those of this daemon.
    own: Mutex<HashSet<String>>,
}

/// A note of something that is being made. When it is dropped before it is done, what it is about counts as left.
#[derive(Debug)]
pub(crate) struct Note<'a> {
    journal: &'a Journal,
    name: String,
}

/// A note that was left.
#[derive(Debug)]
pub(crate) struct Left {
    name: String,
    /// What was noted.
    pub what: String,
}

fn failed(err: io::Error) -> error::Error {
    system("cannot note what is being made", err)
}

impl Journal {
    /// The journal in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        durable::create_folder(folder, 0o700).map_err(failed)?;
        durable::remove_left_overs(folder, ENDING).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            own: Mutex::default(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// Notes what is going to be made in a pool.
    ///
    /// # Errors
    /// [`error::Code::SystemError`]; then nothing is noted.
    pub(crate) fn note(&self, pool: Uuid, what: &str) -> Result<Note<'_>> {
        let name = format!("{pool}.{}", Uuid::new_v4().simple());
        let note = Note {
            journal: self,
            name: name.clone(),
        };
        self.own.lock().insert(name);
        durable::replace(&self.path(&note.name), what.as_bytes()).map_err(failed)?;
        Ok(note)
    }

    /// What was left unfinished in a pool.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn left(&self, pool: Uuid) -> Result<Vec<Left>> {
        let of = format!("{pool}.");
        let found = durable::documents(&self.folder, ENDING).map_err(failed)?;
        let own = self.own.lock();
        let left = found
            .into_iter()
            .filter(|(name, _)| name.starts_with(&of) && !own.contains(name));
        left.map(|(name, what)| {
            let what = what.map_err(failed)?;
            Ok(Left { name, what })
        })
        .collect()
    }

    /// What was left is undone.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn undone(&self, left: &Left) -> Result<()> {
        durable::remove(&self.path(&left.name)).map_err(failed)
    }
}

impl Note<'_> {
    /// It is whole, or nothing is left of it.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn done(self) -> Result<()> {
        durable::remove(&self.journal.path(&self.name)).map_err(failed)
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        self.journal.own.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_left_to_the_next_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        let (pool, other) = (Uuid::new_v4(), Uuid::new_v4());
        let (done, going_on, given_up) = (
            journal.note(pool, "done").unwrap(),
            journal.note(pool, "going on").unwrap(),
            journal.note(pool, "given up").unwrap(),
        );
        done.done().unwrap();
        drop(given_up);
        let told = |journal: &Journal, pool| {
            let left = journal.left(pool).unwrap();
            let mut told: Vec<_> = left.into_iter().map(|left| left.what).collect();
            told.sort();
            told
        };
        assert_eq!(told(&journal, pool), ["given up"]);
        assert_eq!(told(&journal, other), [""; 0]);
        let next = Journal::open(dir.path()).unwrap();
        assert_eq!(told(&next, pool), ["given up", "going on"]);
        for left in next.left(pool).unwrap() {
            next.undone(&left).unwrap();
        }
        assert_eq!(told(&next, pool), [""; 0]);
        drop(going_on);
    }
}
