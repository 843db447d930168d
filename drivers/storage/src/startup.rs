//! What a daemon finds: definitions, pools that are active already, pools that start with the host.

use crate::Driver;
use crate::pool::{DEADLINE, FirstLook, Pool, State};
use error::{Code, Result};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// How long the daemon waits for pools before it serves: as long as that takes where storage answers. Clients of those that take
/// longer wait for them ([`Pool::known`]).
const WAIT: Duration = Duration::from_secs(2);

/// How long after a pool's storage has not answered it is asked again.
const AGAIN: Duration = Duration::from_secs(5);

/// Pools that something has to be done about.
#[derive(Debug)]
pub(crate) struct Found {
    /// Those that the last daemon left active.
    active: Vec<Arc<Pool>>,
    /// Those that start with the host, which has started.
    to_start: Vec<Arc<Pool>>,
}

impl Driver {
    /// Reads what lies on disk, takes up what the last daemon left active, and starts what starts with the host, once for
    /// each start of the host.
    ///
    /// # Errors
    /// The folders cannot be read.
    pub(crate) async fn load_at_start(self: &Arc<Self>) -> Result<()> {
        let found = self.load(true).await?;
        let adopting = found.active.into_iter().map(|pool| self.spawn(pool, true));
        let starting = found.to_start.into_iter().map(|pool| self.spawn(pool, false));
        let all = join_all(adopting.chain(starting));
        if tokio::time::timeout(WAIT, all).await.is_err() {
            tracing::warn!("the storage of some pools does not answer yet; the others are served");
        }
        Ok(())
    }

    /// Reads definitions that are not known, and `at_start` what the last daemon left active.
    ///
    /// # Errors
    /// The folders cannot be read.
    pub(crate) async fn load(&self, at_start: bool) -> Result<Found> {
        let _changes = self.changes.lock().await;
        let mut adopted = Vec::new();
        if at_start {
            for document in self.blocking(|store| store.were_active()).await? {
                let uuid = document.uuid.unwrap_or_else(Uuid::new_v4);
                let pool = Pool::new(uuid, State::new(document));
                // Until it is looked at: it was when the last daemon ended.
                pool.update(|state| state.active = true);
                pool.set_first_look(FirstLook::Going);
                self.pools.put(Arc::clone(&pool));
                adopted.push(pool);
            }
        }
        let first_start = at_start && self.blocking(|store| store.first_start()).await?;
        let mut to_start = Vec::new();
        for stored in self.blocking(|store| store.definitions()).await? {
            let document = Arc::new(stored.document);
            let uuid = document.uuid.unwrap_or_else(Uuid::new_v4);
            let known = self.pools.get(uuid).filter(|pool| pool.name == document.name);
            let pool = match known {
                Some(pool) if at_start => {
                    pool.update(|state| {
                        let is_another = *state.document != *document;
                        state.next = is_another.then(|| Arc::clone(&document));
                    });
                    pool
                }
                // It is known already, and changed by clients only.
                Some(_) => continue,
                None if self.pools.named(&document.name).is_some() || self.pools.get(uuid).is_some() => {
                    tracing::error!(
                        pool = document.name,
                        "a definition was left out: another pool has its name or UUID"
                    );
                    continue;
                }
                None => {
                    let pool = Pool::new(uuid, State::new(model::storage::Pool::clone(&document)));
                    self.pools.put(Arc::clone(&pool));
                    pool
                }
            };
            pool.update(|state| {
                state.persistent = true;
                state.autostart = stored.autostart;
            });
            if first_start && stored.autostart && !pool.state().active {
                to_start.push(pool);
            }
        }
        Ok(Found {
            active: adopted,
            to_start,
        })
    }

    /// Takes up or starts a pool in a task of its own; the receiver hears when that is done.
    fn spawn(self: &Arc<Self>, pool: Arc<Pool>, adopt: bool) -> oneshot::Receiver<()> {
        let driver = Arc::clone(self);
        let (done, is_done) = oneshot::channel();
        tokio::spawn(async move {
            let outcome = if adopt {
                driver.adopt(&pool).await
            } else {
                driver.start(&pool, None).await
            };
            if let Err(err) = outcome {
                tracing::error!(%err, pool = pool.name, "a pool is not usable");
            }
            // The daemon may serve already.
            let _ = done.send(());
        });
        is_done
    }

    /// Takes up a pool that was active. Where its storage does not answer, that goes on once it does.
    async fn adopt(self: &Arc<Self>, pool: &Arc<Pool>) -> Result<()> {
        let found = self.find(pool).await;
        if pool.first_look() == FirstLook::Going {
            pool.set_first_look(FirstLook::Awaited);
            let (driver, pool) = (Arc::clone(self), Arc::clone(pool));
            tokio::spawn(async move {
                while pool.first_look() != FirstLook::Over {
                    tokio::time::sleep(AGAIN).await;
                    // Nobody is sent after one who is not back, and a client may have looked, or stopped it.
                    if !pool.threads.are_stuck()
                        && pool.first_look() != FirstLook::Over
                        && let Err(err) = driver.find(&pool).await
                    {
                        tracing::debug!(%err, pool = pool.name, "a pool is not usable yet");
                    }
                }
                tracing::info!(
                    pool = pool.name,
                    "the storage of a pool has answered, or it was stopped"
                );
            });
        }
        found
    }

    /// Looks at a pool that was active: it still is if its storage is there.
    async fn find(&self, pool: &Arc<Pool>) -> Result<()> {
        let is_active = {
            let _turn = pool.turn().await?;
            let (backend, place) = pool.storage(&self.host)?;
            pool.threads
                .run(DEADLINE, move |cancel| backend.is_active(&place, cancel))
                .await
        };
        match is_active {
            Ok(true) => self.refresh(pool).await,
            // It does not answer, and may yet; or somebody stops it.
            Err(err) if matches!(err.code(), Code::OperationTimeout | Code::OperationAborted) => Err(err),
            Ok(false) | Err(_) => {
                let _turn = pool.turn().await?;
                self.has_stopped(pool).await?;
                is_active.map(drop)
            }
        }
    }
}
