//! Every lease, by lock space and name.

use crate::lease::{self, Refusal};
use crate::owner::Owner;
use daemon::{LIMIT_MAX, Limits, Workers};
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use protocol::Priority;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The space whose leases are on the disks themselves.
const DIRECT: &str = "";

/// The lock spaces of one instance.
#[derive(Debug)]
pub(crate) struct Spaces {
    state: Mutex<State>,
    /// A thread for each disk at work: one that hangs must not keep others waiting for theirs.
    threads: Workers,
}

#[derive(Debug)]
struct State {
    spaces: BTreeMap<String, BTreeMap<String, Entry>>,
    /// The next program takes over; what is acquired now it would not know.
    handed_over: bool,
}

#[derive(Debug)]
enum Entry {
    /// Somebody is about to lock, make or remove it.
    Pending,
    Held(Held),
}

#[derive(Debug)]
struct Held {
    file: File,
    note: HeldNote,
}

/// What is known of a lease beside its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeldNote {
    path: PathBuf,
    shared: bool,
    /// It was made for the lease and goes with it.
    autocreated: bool,
    /// As often as each has acquired it.
    owners: Vec<Owner>,
}

/// What the next program has to know: spaces with their leases, whose files follow in this order.
pub(crate) type SpaceNotes = BTreeMap<String, BTreeMap<String, HeldNote>>;

/// How a lease is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Others may have it too.
    pub(crate) shared: bool,
    /// Its file is made, and removed with the last lease.
    pub(crate) autocreate: bool,
}

impl Spaces {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                spaces: BTreeMap::from([(DIRECT.to_owned(), BTreeMap::new())]),
                handed_over: false,
            }),
            threads: Workers::new(Limits {
                min: 0,
                max: LIMIT_MAX,
                priority: 0,
            }),
        }
    }

    /// Whether anybody holds anything.
    pub(crate) fn any(&self) -> bool {
        self.state.lock().spaces.values().any(|space| !space.is_empty())
    }

    /// The processes that hold anything.
    pub(crate) fn owners(&self) -> BTreeSet<u32> {
        let state = self.state.lock();
        let held = state.spaces.values().flat_map(BTreeMap::values);
        held.filter_map(|entry| match entry {
            Entry::Held(held) => Some(held.note.owners.iter().map(|owner| owner.pid)),
            Entry::Pending => None,
        })
        .flatten()
        .collect()
    }

    /// Makes a folder of leases known, and makes the folder.
    ///
    /// # Errors
    /// [`Code::InternalError`] when it is known already and `fresh` is wanted; what the disk says.
    pub(crate) async fn add(&self, folder: &str, fresh: bool) -> Result<()> {
        let place = Path::new(folder);
        if !place.is_absolute() {
            let text = format!("a lock space is an absolute path, not '{folder}'");
            return Err(Error::new(Code::InvalidArg, Domain::Lockspace, text));
        }
        if self.state.lock().spaces.contains_key(folder) {
            return if fresh {
                let text = format!("Lockspace for path {folder} already exists");
                Err(Error::new(Code::InternalError, Domain::Rpc, text))
            } else {
                Ok(())
            };
        }
        let made = place.to_owned();
        let made = self.on_thread(move || {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(made)
        });
        made.await?
            .map_err(|failure| unable("create lockspace", place, &failure))?;
        let mut state = self.state.lock();
        state.refuse_if_handed_over()?;
        state.spaces.entry(folder.to_owned()).or_default();
        Ok(())
    }

    /// Makes the file of a lease.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] when it is leased; what the disk says.
    pub(crate) async fn create(&self, space: &str, name: &str) -> Result<()> {
        let path = place(space, name)?;
        let pending = self.pend(space, name)?;
        let file = path.clone();
        let made = self.on_thread(move || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            options.open(file).map(drop)
        });
        let made = made.await;
        drop(pending);
        made?.map_err(|failure| unable("open/create resource", &path, &failure))
    }

    /// Removes the file of a lease; one that is not there is fine.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] when it is leased; what the disk says.
    pub(crate) async fn delete(&self, space: &str, name: &str) -> Result<()> {
        let path = place(space, name)?;
        let pending = self.pend(space, name)?;
        let file = path.clone();
        let removed = self.on_thread(move || fs::remove_file(file)).await;
        drop(pending);
        match removed? {
            Err(failure) if failure.kind() != io::ErrorKind::NotFound => {
                Err(unable("delete lockspace resource", &path, &failure))
            }
            _ => Ok(()),
        }
    }

    /// Acquires a lease for `owner`; `still_wanted` tells in the end whether anybody hears of it.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] with who has it; what the disk says.
    pub(crate) async fn acquire(
        &self,
        (space, name): (&str, &str),
        owner: &Owner,
        wanted: Wanted,
        still_wanted: impl Fn() -> bool,
    ) -> Result<()> {
        let path = place(space, name)?;
        if wanted.shared {
            let mut state = self.state.lock();
            state.refuse_if_handed_over()?;
            if let Some(Entry::Held(held)) = state.space(space)?.get_mut(name)
                && held.note.shared
            {
                held.note.owners.push(owner.clone());
                return Ok(());
            }
        }
        let pending = self.pend(space, name)?;
        let file = path.clone();
        let locked = self.on_thread(move || lease::acquire(&file, wanted.shared, wanted.autocreate));
        let file = locked.await?.map_err(|refusal| match refusal {
            Refusal::Elsewhere => busy(
                name,
                "under another name, or by a process that this daemon does not know, here or on another host",
            ),
            Refusal::System(failure) if wanted.autocreate => unable("open/create resource", &path, &failure),
            Refusal::System(failure) => unable("open resource", &path, &failure),
        })?;
        let mut state = self.state.lock();
        state.refuse_if_handed_over()?;
        // Under the lock: the end of whoever asked comes before this or finds the lease.
        if !still_wanted() {
            let text = "whoever asked for the lease is gone";
            return Err(Error::new(Code::OperationFailed, Domain::Lockspace, text));
        }
        let held = Held {
            file,
            note: HeldNote {
                path,
                shared: wanted.shared,
                autocreated: wanted.autocreate,
                owners: vec![owner.clone()],
            },
        };
        state.space(space)?.insert(name.to_owned(), Entry::Held(held));
        drop(state);
        drop(pending);
        Ok(())
    }

    /// Gives up a lease of the process `pid`.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] when nobody has it, [`Code::InternalError`] when somebody else has.
    pub(crate) async fn release(&self, space: &str, name: &str, pid: u32) -> Result<()> {
        let given = {
            let mut state = self.state.lock();
            state.refuse_if_handed_over()?;
            let leases = state.space(space)?;
            let Some(Entry::Held(held)) = leases.get_mut(name) else {
                let text = format!("Lockspace resource '{name}' is not locked");
                return Err(Error::new(Code::ResourceBusy, Domain::Lockspace, text));
            };
            let owners = &mut held.note.owners;
            let Some(at) = owners.iter().position(|owner| owner.pid == pid) else {
                let text = format!("owner {pid} does not hold the resource lock");
                return Err(Error::new(Code::InternalError, Domain::Lockspace, text));
            };
            owners.remove(at);
            if held.note.owners.is_empty() {
                leases.remove(name)
            } else {
                None
            }
        };
        self.give_up(given.into_iter().collect()).await
    }

    /// Gives up every lease of the process `pid`; how many it had.
    ///
    /// # Errors
    /// [`Code::InternalError`] when that panicked.
    pub(crate) async fn release_all(&self, pid: u32) -> Result<usize> {
        let (count, given) = {
            let mut state = self.state.lock();
            let (mut count, mut given) = (0, Vec::new());
            for leases in state.spaces.values_mut() {
                let gone = leases.extract_if(.., |_, entry| {
                    let Entry::Held(held) = entry else { return false };
                    let before = held.note.owners.len();
                    held.note.owners.retain(|owner| owner.pid != pid);
                    count += before - held.note.owners.len();
                    held.note.owners.is_empty()
                });
                given.extend(gone.map(|(_, entry)| entry));
            }
            (count, given)
        };
        self.give_up(given).await?;
        Ok(count)
    }

    /// Removes files that were made for a lease, and lets go of the lock after that.
    async fn give_up(&self, given: Vec<Entry>) -> Result<()> {
        if given.is_empty() {
            return Ok(());
        }
        self.on_thread(move || {
            for entry in given {
                let Entry::Held(held) = entry else { continue };
                let path = &held.note.path;
                if held.note.autocreated
                    && let Err(failure) = fs::remove_file(path)
                {
                    tracing::warn!(path = %path.display(), %failure, "the file of a lease cannot be removed");
                }
                drop(held.file);
            }
        })
        .await
    }

    /// Stops everything, and gives what is held.
    ///
    /// # Errors
    /// The system has no more descriptors; [`Spaces::go_on`] has to follow.
    pub(crate) fn hand_over(&self) -> io::Result<(SpaceNotes, Vec<OwnedFd>)> {
        let mut state = self.state.lock();
        state.handed_over = true;
        let (mut notes, mut files) = (SpaceNotes::new(), Vec::new());
        for (space, leases) in &state.spaces {
            let mut held_notes = BTreeMap::new();
            for (name, entry) in leases {
                let Entry::Held(held) = entry else { continue };
                files.push(held.file.try_clone()?.into());
                held_notes.insert(name.clone(), held.note.clone());
            }
            notes.insert(space.clone(), held_notes);
        }
        Ok((notes, files))
    }

    /// There is no next program.
    pub(crate) fn go_on(&self) {
        self.state.lock().handed_over = false;
    }

    /// Takes what the program before in this process held.
    pub(crate) fn resume(&self, notes: SpaceNotes, files: Vec<OwnedFd>) {
        let mut files = files.into_iter();
        let mut state = self.state.lock();
        for (space, leases) in notes {
            let known = state.spaces.entry(space).or_default();
            for (name, note) in leases {
                let Some(file) = files.next() else { return };
                let file = file.into();
                known.insert(name, Entry::Held(Held { file, note }));
            }
        }
    }

    /// Keeps a name from everybody else while its file is worked on.
    fn pend<'a>(&'a self, space: &'a str, name: &'a str) -> Result<Pending<'a>> {
        let mut state = self.state.lock();
        state.refuse_if_handed_over()?;
        let leases = state.space(space)?;
        match leases.get(name) {
            None => {
                leases.insert(name.to_owned(), Entry::Pending);
                Ok(Pending {
                    spaces: self,
                    space,
                    name,
                })
            }
            Some(Entry::Pending) => Err(busy(name, "by somebody who is about to have it")),
            Some(Entry::Held(held)) => Err(busy(name, &held.note.who())),
        }
    }

    async fn on_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.threads.blocking(Priority::Low, work).await
    }
}

/// A name that nobody else may work on.
struct Pending<'a> {
    spaces: &'a Spaces,
    space: &'a str,
    name: &'a str,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut state = self.spaces.state.lock();
        if let Some(leases) = state.spaces.get_mut(self.space)
            && let Some(Entry::Pending) = leases.get(self.name)
        {
            leases.remove(self.name);
        }
    }
}

impl State {
    fn space(&mut self, space: &str) -> Result<&mut BTreeMap<String, Entry>> {
        self.spaces.get_mut(space).ok_or_else(|| {
            let text = format!("Lockspace for path {space} does not exist");
            Error::new(Code::InternalError, Domain::Rpc, text)
        })
    }

    fn refuse_if_handed_over(&self) -> Result<()> {
        if self.handed_over {
            let text = "virtlockd is about to run its program anew";
            return Err(Error::new(Code::OperationFailed, Domain::Lockspace, text));
        }
        Ok(())
    }
}

impl HeldNote {
    fn who(&self) -> String {
        let owners = self.owners.iter().map(|owner| {
            let uuid = owner
                .uuid
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>();
            format!("domain '{}' (process {}, UUID {uuid})", owner.name, owner.pid)
        });
        format!("by {}", owners.collect::<Vec<_>>().join(" and "))
    }
}

/// The file of a lease.
fn place(space: &str, name: &str) -> Result<PathBuf> {
    let fits = if space == DIRECT {
        Path::new(name).is_absolute()
    } else {
        !name.is_empty() && !name.contains('/') && name != "." && name != ".."
    };
    if !fits || name.contains('\0') {
        let text = format!("'{name}' names no resource of the lockspace '{space}'");
        return Err(Error::new(Code::InvalidArg, Domain::Lockspace, text));
    }
    Ok(Path::new(space).join(name))
}

fn busy(name: &str, who: &str) -> Error {
    let text = format!("Lockspace resource '{name}' is locked {who}");
    Error::new(Code::ResourceBusy, Domain::Lockspace, text)
}

fn unable(what: &str, path: &Path, failure: &io::Error) -> Error {
    let text = format!("Unable to {what} {}: {failure}", path.display());
    Error::new(Code::SystemError, Domain::Lockspace, text)
}
