//! Pools come, start, stop and go: each change in the pool's turn, on disk before it is seen.

use crate::Driver;
use crate::backend::{self, Needed, Overwrite};
use crate::claims::claims;
use crate::events::Happening;
use crate::failure::{invalid, refused};
use crate::pool::{DEADLINE, FirstLook, Pool, State};
use daemon::durable;
use error::{Code, Error, Result};
use model::storage::Pool as Document;
use std::sync::Arc;
use std::time::Duration;
use tool::Cancel;
use uuid::Uuid;

/// How long a start may take: a mount, a login to a target.
const START: Duration = Duration::from_secs(60);

/// How long making and removing a pool's storage may take: that of a file system.
const BUILD: Duration = Duration::from_secs(600);

/// How long storage may take to say its sizes before a pool that has jobs is stopped as one that hangs.
const ANSWER: Duration = Duration::from_secs(5);

fn failed(text: String) -> Error {
    refused(Code::OperationFailed, text)
}

impl Driver {
    /// Reads a document that a client gives.
    async fn read(&self, text: &str, validate: bool) -> Result<Document> {
        if validate {
            daemon::schema_check::check("storagepool", text).await?;
        }
        let document = Document::from_xml(text)?;
        backend::of(document.kind)?;
        Ok(document)
    }

    /// The pool that a document is about, if there is one already.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when it would be two pools, or made of what another one is made of.
    fn admit(&self, document: &Document) -> Result<Option<Arc<Pool>>> {
        let same = document.uuid.and_then(|uuid| self.pools.get(uuid));
        if let Some(pool) = same.as_ref().filter(|pool| pool.name != document.name) {
            let text = format!("pool '{}' is already defined with uuid {}", pool.name, pool.uuid);
            return Err(failed(text));
        }
        let named = self.pools.named(&document.name);
        if let Some(pool) = named.filter(|pool| Some(pool.uuid) != document.uuid) {
            let text = format!("pool '{}' already exists with uuid {}", pool.name, pool.uuid);
            return Err(failed(text));
        }
        let claimed = claims(document);
        let others = self.pools.all();
        let conflict = others.iter().find(|pool| {
            pool.name != document.name
                && claims(&pool.state().document)
                    .iter()
                    .any(|one| claimed.contains(one))
        });
        match conflict {
            Some(pool) => Err(failed(format!(
                "Storage source conflict with pool: '{}'",
                pool.name
            ))),
            None => Ok(same),
        }
    }

    /// Defines a pool, or gives one another definition, which an active one takes up when it was stopped.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::OperationFailed`] for a conflict with another pool; the disk's.
    pub(crate) async fn define(&self, text: &str, validate: bool) -> Result<Arc<Pool>> {
        let mut document = self.read(text, validate).await?;
        let _changes = self.changes.lock().await;
        let known = self.admit(&document)?;
        let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
        let _turn = match &known {
            Some(pool) => Some(pool.turn().await?),
            None => None,
        };
        let saved = document.clone();
        self.blocking(move |store| store.save(&saved)).await?;
        let pool = match &known {
            Some(pool) => {
                let document = Arc::new(document);
                pool.update(|state| {
                    state.persistent = true;
                    if state.active {
                        state.next = Some(Arc::clone(&document));
                    } else {
                        state.document = Arc::clone(&document);
                    }
                });
                Arc::clone(pool)
            }
            None => {
                let pool = Pool::new(
                    uuid,
                    State {
                        persistent: true,
                        ..State::new(document)
                    },
                );
                self.pools.put(Arc::clone(&pool));
                pool
            }
        };
        self.events.lifecycle(&pool, Happening::Defined);
        Ok(pool)
    }

    /// Starts a pool from a document, without a definition if there is none of it.
    ///
    /// # Errors
    /// As [`Self::define`] and [`Self::start`].
    pub(crate) async fn create(&self, text: &str, build: Option<Overwrite>) -> Result<Arc<Pool>> {
        let mut document = self.read(text, false).await?;
        let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
        let pool = {
            let _changes = self.changes.lock().await;
            match self.admit(&document)? {
                Some(pool) => {
                    let _turn = pool.turn().await?;
                    self.inactive(&pool, "is already active")?;
                    let (definition, fresh) = (Arc::clone(&pool.state().document), Arc::new(document));
                    pool.update(|state| {
                        state.next = state.persistent.then(|| Arc::clone(&definition));
                        state.document = Arc::clone(&fresh);
                    });
                    Arc::clone(&pool)
                }
                None => {
                    let pool = Pool::new(uuid, State::new(document));
                    self.pools.put(Arc::clone(&pool));
                    pool
                }
            }
        };
        let started = self.start(&pool, build).await;
        if started.is_err() {
            self.forget_run(&pool);
        }
        started.map(|()| pool)
    }

    /// A pool is not active any more, or has not become so.
    fn forget_run(&self, pool: &Pool) {
        pool.volumes.clear();
        pool.secret.store(None);
        pool.set_first_look(FirstLook::Over);
        pool.update(|state| {
            state.active = false;
            state.permissions = None;
            if let Some(next) = state.next.take() {
                state.document = next;
            }
        });
        if !pool.state().persistent {
            self.pools.remove(pool);
        }
    }

    fn inactive(&self, pool: &Pool, why: &str) -> Result<()> {
        if pool.state().active {
            return Err(invalid(format!("storage pool '{}' {why}", pool.name)));
        }
        Ok(())
    }

    /// Starts a pool, and makes its storage before if `build` says so.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for an active one; what the storage says.
    pub(crate) async fn start(&self, pool: &Arc<Pool>, build: Option<Overwrite>) -> Result<()> {
        let _turn = pool.turn().await?;
        self.inactive(pool, "is already active")?;
        if let Some(overwrite) = build {
            self.make(pool, overwrite).await?;
        }
        // It may be another one since.
        pool.secret.store(None);
        self.unlock(pool).await?;
        let (backend, place) = pool.storage(&self.host)?;
        pool.threads
            .run(START, move |cancel| backend.start(&place, cancel))
            .await?;
        let noted = Arc::clone(&pool.state().document);
        let mut started = self.scan(pool).await;
        if started.is_ok() {
            started = self.blocking(move |store| store.set_active(&noted)).await;
        }
        if let Err(err) = started {
            let (backend, place) = pool.storage(&self.host)?;
            let hangs = pool.threads.are_stuck();
            if let Err(err) = pool
                .threads
                .run_anyway(DEADLINE, move |cancel| backend.stop(&place, hangs, cancel))
                .await
            {
                tracing::warn!(%err, pool = pool.name, "a pool that did not start could not be stopped");
            }
            pool.volumes.clear();
            pool.secret.store(None);
            return Err(err);
        }
        if backend::of(pool.state().document.kind)?.secret() == Needed::AtStart {
            pool.secret.store(None);
        }
        pool.update(|state| state.active = true);
        self.events.lifecycle(pool, Happening::Started);
        Ok(())
    }

    /// Looks at everything that a pool has.
    pub(crate) async fn scan(&self, pool: &Arc<Pool>) -> Result<()> {
        let (backend, place) = pool.storage(&self.host)?;
        let look = pool.volumes.look_begins();
        let own = Arc::clone(pool);
        let scan = pool
            .threads
            .run(DEADLINE, move |cancel| {
                own.volumes.encryptions.load(&place.host.encryptions_of(own.uuid));
                backend.volumes().scan(&place, cancel)
            })
            .await?;
        pool.volumes.seen(look, scan.volumes, None);
        pool.update(|state| {
            state.room.clone_from(&scan.room);
            state.permissions.clone_from(&scan.permissions);
        });
        pool.set_first_look(FirstLook::Over);
        Ok(())
    }

    /// Looks at a pool anew. One whose storage is not there any more has stopped; one whose storage does not answer has
    /// not.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for one that is not active; what the storage says.
    pub(crate) async fn refresh(&self, pool: &Arc<Pool>) -> Result<()> {
        let _turn = pool.turn().await?;
        let state = pool.active()?;
        if backend::of(state.document.kind)?.secret() == Needed::Always {
            self.unlock(pool).await?;
        }
        match self.scan(pool).await {
            Ok(()) => {
                self.events.refreshed(pool);
                Ok(())
            }
            Err(err) if matches!(err.code(), Code::OperationTimeout | Code::OperationAborted) => Err(err),
            Err(err) => {
                tracing::error!(%err, pool = pool.name, "the storage of a pool is gone; it has stopped");
                let (backend, place) = pool.storage(&self.host)?;
                let hangs = pool.threads.are_stuck();
                let stopped = pool
                    .threads
                    .run_anyway(DEADLINE, move |cancel| backend.stop(&place, hangs, cancel));
                if let Err(err) = stopped.await {
                    tracing::warn!(%err, pool = pool.name, "it could not be stopped properly");
                }
                self.has_stopped(pool).await?;
                Err(err)
            }
        }
    }

    pub(crate) async fn has_stopped(&self, pool: &Pool) -> Result<()> {
        let name = pool.name.clone();
        self.blocking(move |store| store.set_inactive(&name)).await?;
        if !pool.state().persistent {
            self.forget_encryptions(pool).await?;
        }
        self.forget_run(pool);
        self.events.lifecycle(pool, Happening::Stopped);
        Ok(())
    }

    /// Stops a pool, also one whose storage does not answer.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for one that is not active, [`Code::InternalError`] while volumes of it are worked on, which is
    /// what stock daemons say; what the storage says.
    pub(crate) async fn stop(&self, pool: &Arc<Pool>) -> Result<()> {
        pool.active()?;
        // Jobs have no deadline of their own: whether their storage answers is for somebody else to find out.
        if pool.is_busy() && !pool.threads.are_stuck() {
            let (backend, place) = pool.storage(&self.host)?;
            let room = move |cancel: &Cancel| backend.volumes().room(&place, cancel);
            let answer = pool.threads.run(ANSWER, room);
            let _ = answer.await;
        }
        if pool.threads.are_stuck() {
            pool.threads.end_jobs();
        } else if pool.is_busy() {
            let text = format!("pool '{}' has asynchronous jobs running.", pool.name);
            return Err(refused(Code::InternalError, text));
        }
        // Whoever scans it need not go on.
        pool.threads.end_work().await;
        let _turn = pool.turn().await?;
        pool.active()?;
        let (backend, place) = pool.storage(&self.host)?;
        let stop = |hangs| {
            let place = place.clone();
            let work = move |cancel: &Cancel| backend.stop(&place, hangs, cancel);
            pool.threads.run_anyway(DEADLINE, work)
        };
        let stopped = stop(pool.threads.are_stuck()).await;
        match stopped {
            // That it hangs is known only now.
            Err(err) if err.code() == Code::OperationTimeout => stop(true).await?,
            stopped => stopped?,
        }
        self.has_stopped(pool).await
    }

    async fn make(&self, pool: &Arc<Pool>, overwrite: Overwrite) -> Result<()> {
        let (backend, place) = pool.storage(&self.host)?;
        pool.threads
            .run(BUILD, move |cancel| backend.build(&place, overwrite, cancel))
            .await?;
        self.events.lifecycle(pool, Happening::Created);
        Ok(())
    }

    /// Makes a pool's storage.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for an active one; what the storage says.
    pub(crate) async fn build(&self, pool: &Arc<Pool>, overwrite: Overwrite) -> Result<()> {
        let _turn = pool.turn().await?;
        self.inactive(pool, "is already active")?;
        self.make(pool, overwrite).await
    }

    /// Removes a pool's storage.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub(crate) async fn delete(&self, pool: &Arc<Pool>) -> Result<()> {
        let _turn = pool.turn().await?;
        self.inactive(pool, "is still active")?;
        let (backend, place) = pool.storage(&self.host)?;
        pool.threads
            .run(BUILD, move |cancel| backend.delete(&place, cancel))
            .await?;
        self.events.lifecycle(pool, Happening::Deleted);
        Ok(())
    }

    /// Removes a pool's definition.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for an active one; the disk's.
    pub(crate) async fn undefine(&self, pool: &Arc<Pool>) -> Result<()> {
        let _changes = self.changes.lock().await;
        let _turn = pool.turn().await?;
        self.inactive(pool, "is still active")?;
        let name = pool.name.clone();
        self.blocking(move |store| store.remove(&name)).await?;
        self.forget_encryptions(pool).await?;
        self.pools.remove(pool);
        self.events.lifecycle(pool, Happening::Undefined);
        Ok(())
    }

    /// A pool is gone, and with it what was known of its volumes.
    async fn forget_encryptions(&self, pool: &Pool) -> Result<()> {
        let path = self.host.encryptions_of(pool.uuid);
        let failed = |err| crate::failure::system("cannot forget what a pool's volumes are opened by", err);
        self.blocking(move |_| durable::remove(&path).map_err(failed))
            .await
    }

    /// Says whether a pool is started with the host.
    ///
    /// # Errors
    /// [`Code::InternalError`] for one without definition, which is what stock daemons say; the disk's.
    pub(crate) async fn set_autostart(&self, pool: &Arc<Pool>, autostart: bool) -> Result<()> {
        let _turn = pool.turn().await?;
        if !pool.state().persistent {
            let text = format!(
                "pool '{}' has no definition that it could be started from",
                pool.name
            );
            return Err(refused(Code::InternalError, text));
        }
        let name = pool.name.clone();
        self.blocking(move |store| store.set_autostart(&name, autostart))
            .await?;
        pool.update(|state| state.autostart = autostart);
        Ok(())
    }
}
