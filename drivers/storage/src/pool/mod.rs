//! A pool: what is published of it, and who may change it.
//!
//! ```text
//!  reads ──────► State, volumes                         never wait
//!  lifecycle ──► turn ─► Threads::run ─► Backend        one at a time, each with a deadline
//!  volumes ────► Hold ─► Threads::job ─► Backend        side by side, each volume for whom it is held
//! ```

mod encryptions;
mod hold;
mod threads;
mod volumes;

pub(crate) use hold::{Held, Hold};
pub(crate) use threads::{DEADLINE, Threads};
pub(crate) use volumes::Volumes;

use crate::backend::{Backend, Host, Place, Room};
use crate::failure::{invalid, refused};
use crate::volume::Volume;
use arc_swap::{ArcSwap, ArcSwapOption};
use error::{Code, Result};
use model::scaled::Bytes;
use model::storage::{Permissions, Pool as Document, tidy_path};
use protocol::remote;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{MutexGuard, watch};
use uuid::Uuid;
use xdr::SecretBytes;

/// How long a change waits for the one before it: a little longer than that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pool at one moment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// What it is, or is as long as it is active.
    pub document: Arc<Document>,
    /// What it will be once it has been stopped.
    pub next: Option<Arc<Document>>,
    /// Whether it has a definition on disk.
    pub persistent: bool,
    /// Whether it is started with the host.
    pub autostart: bool,
    /// Whether its volumes can be used.
    pub active: bool,
    /// What it had room for when that was last seen.
    pub room: Room,
    /// The permissions of its folder, as last seen.
    pub permissions: Option<Permissions>,
}

impl State {
    pub(crate) fn new(document: Document) -> Self {
        Self {
            document: Arc::new(document),
            next: None,
            persistent: false,
            autostart: false,
            active: false,
            room: Room::default(),
            permissions: None,
        }
    }
}

/// Whether a pool was looked at by this daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstLook {
    /// The last daemon left it active, and this one looks what is there.
    Going,
    /// Its storage did not answer, and is asked again.
    Awaited,
    /// It was, or was not active.
    Over,
}

/// A pool.
#[derive(Debug)]
pub(crate) struct Pool {
    /// What it is called; never changes.
    pub name: String,
    /// Who it is; never changes.
    pub uuid: Uuid,
    /// Its volumes, as last seen.
    pub volumes: Volumes,
    /// Who touches its storage.
    pub threads: Threads,
    /// What its `<auth>` proves itself with, as long as that is needed.
    pub secret: ArcSwapOption<SecretBytes>,
    holds: Arc<hold::Holds>,
    state: ArcSwap<State>,
    first_look: watch::Sender<FirstLook>,
    turn: tokio::sync::Mutex<()>,
}

impl Pool {
    pub(crate) fn new(uuid: Uuid, state: State) -> Arc<Self> {
        let name = state.document.name.clone();
        Arc::new(Self {
            threads: Threads::new(format!("pool '{name}'")),
            name,
            uuid,
            volumes: Volumes::default(),
            secret: ArcSwapOption::empty(),
            holds: Arc::default(),
            state: ArcSwap::from_pointee(state),
            first_look: watch::Sender::new(FirstLook::Over),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The pool as it is.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// The pool as it is, if it is active.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`].
    pub(crate) fn active(&self) -> Result<Arc<State>> {
        let state = self.state();
        if !state.active {
            return Err(invalid(format!("storage pool '{}' is not active", self.name)));
        }
        Ok(state)
    }

    /// The pool with its volumes, if it is active. Waits as long as the daemon, which has just started, looks at it first.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`]; [`Code::OperationTimeout`] as long as its storage has not answered this daemon at all.
    pub(crate) async fn known(&self) -> Result<Arc<State>> {
        self.active()?;
        let mut look = self.first_look.subscribe();
        let over = look.wait_for(|look| *look != FirstLook::Going);
        // Who waits for its end in vain hears below that it goes on.
        let _ = tokio::time::timeout(DEADLINE, over).await;
        if self.first_look() == FirstLook::Over {
            return self.active();
        }
        Err(refused(
            Code::OperationTimeout,
            format!(
                "the storage of pool '{}' has not answered since the daemon started; it can be stopped",
                self.name
            ),
        ))
    }

    pub(crate) fn first_look(&self) -> FirstLook {
        *self.first_look.borrow()
    }

    pub(crate) fn set_first_look(&self, look: FirstLook) {
        self.first_look.send_replace(look);
    }

    /// Publishes a change.
    pub(crate) fn update(&self, change: impl Fn(&mut State)) {
        self.state.rcu(|state| {
            let mut next = State::clone(state);
            change(&mut next);
            next
        });
    }

    /// Waits for the turn to change it.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`].
    pub(crate) async fn turn(&self) -> Result<MutexGuard<'_, ()>> {
        tokio::time::timeout(PATIENCE, self.turn.lock())
            .await
            .map_err(|_| {
                refused(
                    Code::OperationTimeout,
                    format!("an earlier change of pool '{}' is still going on", self.name),
                )
            })
    }

    /// Holds a volume for a job.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] where another job holds it in a way that does not go together.
    pub(crate) fn hold(&self, volume: &str, how: Held) -> Result<Hold> {
        self.holds.take(volume, how)
    }

    /// Whether jobs hold any of its volumes.
    pub(crate) fn is_busy(&self) -> bool {
        self.holds.any()
    }

    /// Whether it may have a volume at a path of which this daemon does not know yet.
    pub(crate) fn may_have(&self, path: &str) -> bool {
        let state = self.state();
        let folder = path.rsplit_once('/').map(|(folder, _)| folder);
        state.active && self.first_look() != FirstLook::Over && folder == state.document.path()
    }

    /// Its volume at a path, while it is active.
    pub(crate) fn volume_at(&self, path: &str) -> Option<Arc<Volume>> {
        let state = self.active().ok()?;
        if !state.document.kind.has_files() {
            return self.volumes.find(|volume| volume.path(&state.document) == path);
        }
        let (_, name) = path.rsplit_once('/')?;
        let volume = self.volumes.get(name)?;
        (volume.path(&state.document) == path).then_some(volume)
    }

    /// Its volume of that key, while it is active.
    pub(crate) fn volume_with_key(&self, key: &str) -> Option<Arc<Volume>> {
        let state = self.active().ok()?;
        if state.document.kind.has_files() {
            return self.volume_at(&tidy_path(key));
        }
        self.volumes.find(|volume| volume.key(&state.document) == key)
    }

    /// Forgets how a volume was opened that has no content any more. Blocks on the disk.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn forget_encryption(&self, place: &Place, volume: &Volume) -> Result<()> {
        let path = place.host.encryptions_of(self.uuid);
        self.volumes.encryptions.forget(&path, volume)
    }

    /// Its kind's backend, and what that works with.
    ///
    /// # Errors
    /// [`Code::NoSupport`] for kinds that are not built.
    pub(crate) fn storage(&self, host: &Arc<Host>) -> Result<(&'static dyn Backend, Place)> {
        let state = self.state();
        let backend = crate::backend::of(state.document.kind)?;
        let place = Place {
            pool: Arc::clone(&state.document),
            host: Arc::clone(host),
            secret: self.secret.load_full(),
        };
        Ok((backend, place))
    }

    /// Whether its storage answers, as far as that is known; what is not active is not asked.
    pub(crate) fn is_accessible(&self, host: &Arc<Host>) -> bool {
        let lost = || {
            let storage = self.storage(host);
            storage.is_ok_and(|(backend, place)| backend.is_lost(&place))
        };
        !self.threads.are_stuck() && self.first_look() == FirstLook::Over && !lost()
    }

    /// The reference that clients know it by.
    pub(crate) fn reference(&self) -> remote::StoragePool {
        remote::StoragePool {
            name: self.name.clone(),
            uuid: self.uuid.into_bytes(),
        }
    }

    /// Its document, as long as it is active with figures; `definition` asks for what it will be after its next start, where that
    /// is something else.
    pub(crate) fn describe(&self, definition: bool) -> String {
        let state = self.state();
        let next = state.next.as_ref().filter(|_| definition);
        let shown = next.unwrap_or(&state.document);
        let mut document = Document::clone(shown);
        document.uuid = Some(self.uuid);
        if next.is_none() && state.active {
            document.capacity = Some(Bytes(state.room.figures.capacity));
            document.allocation = Some(Bytes(state.room.figures.allocation));
            document.available = Some(Bytes(state.room.figures.available));
            if let Some(device) = document
                .source
                .as_mut()
                .and_then(|source| source.devices.first_mut())
            {
                device.free.clone_from(&state.room.free);
            }
            if let (Some(target), Some(permissions)) = (&mut document.target, &state.permissions) {
                let label = target.permissions.take().and_then(|given| given.label);
                target.permissions = Some(Permissions {
                    label,
                    ..permissions.clone()
                });
            }
        }
        document.to_xml()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_for_volumes_waits_for_the_first_look() {
        let document = "<pool type='dir'><name>p</name><target><path>/p</path></target></pool>";
        let pool = Pool::new(
            Uuid::new_v4(),
            State {
                active: true,
                ..State::new(Document::from_xml(document).unwrap())
            },
        );
        pool.known().await.unwrap();
        pool.set_first_look(FirstLook::Going);
        let asking = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.known().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!asking.is_finished(), "it is waited for");
        assert!(pool.may_have("/p/a") && !pool.may_have("/q/a"));
        pool.set_first_look(FirstLook::Over);
        assert!(!pool.may_have("/p/a"));
        asking.await.unwrap().unwrap();
        pool.set_first_look(FirstLook::Awaited);
        let error = pool.known().await.unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
        pool.update(|state| state.active = false);
        assert_eq!(pool.known().await.unwrap_err().code(), Code::OperationInvalid);
    }
}
