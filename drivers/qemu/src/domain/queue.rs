//! The way to a domain's owner: changes of one domain happen one after another, in a task of its own.
//!
//! ```text
//!  caller --run(operation)--> jobs --+
//!                                    +--> owner task: one job at a time, monitor events between them
//!  QEMU --events, end of process-----+
//! ```
//!
//! A domain that is shut off and idle has no task; the first job makes one, and it ends when nothing is left to do.
//! A caller waits for its turn at most [`JOB_WAIT`]: the job before it may be waiting for a QEMU that is stuck.

use super::{Domain, Owner};
use crate::Driver;
use error::{Code, Domain as ErrorDomain, Error, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How long a job may wait for those before it.
const JOB_WAIT: Duration = Duration::from_secs(30);

/// How many jobs may wait for one domain; more are refused, so that a stuck guest cannot gather them without end.
const MAX_WAITING: usize = 256;

/// One change, given the owner to work on.
pub(super) type Job = Box<dyn for<'a> FnOnce(&'a mut Owner) -> BoxFuture<'a, ()> + Send>;

/// The jobs that wait for a domain's owner.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    /// Whether an owner task is there to take them.
    owned: bool,
    /// What the present job does, for the error a caller gets that waits in vain.
    present: Option<&'static str>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.inner.lock();
        write!(
            f,
            "Queue({} waiting, present {:?})",
            inner.jobs.len(),
            inner.present
        )
    }
}

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Domain {
    /// Runs `operation` on the domain's owner when its turn comes.
    ///
    /// The operation goes on when the caller goes away: what a client asked for is not undone by its leaving.
    ///
    /// # Errors
    /// What the operation answers; [`Code::OperationTimeout`] when its turn does not come within [`JOB_WAIT`];
    /// [`Code::InternalError`] when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        driver: &Arc<Driver>,
        what: &'static str,
        operation: impl for<'a> FnOnce(&'a mut Owner) -> BoxFuture<'a, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, mut answer) = oneshot::channel();
        let turn = Arc::new(AtomicU8::new(WAITING));
        let job: Job = {
            let turn = Arc::clone(&turn);
            Box::new(move |owner| {
                async move {
                    if turn
                        .compare_exchange(WAITING, STARTED, Ordering::AcqRel, Ordering::Acquire)
                        .is_err()
                    {
                        return;
                    }
                    owner.domain.queue.inner.lock().present = Some(what);
                    let outcome = AssertUnwindSafe(operation(owner)).catch_unwind().await;
                    owner.domain.queue.inner.lock().present = None;
                    let outcome = outcome.unwrap_or_else(|_| Err(self::panicked(what)));
                    // The caller may have gone away; the work is done all the same.
                    let _ = reply.send(outcome);
                }
                .boxed()
            })
        };
        self.push(driver, what, job)?;
        if let Ok(outcome) = tokio::time::timeout(JOB_WAIT, &mut answer).await {
            return outcome.unwrap_or_else(|_| Err(self::panicked(what)));
        }
        if turn
            .compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            let holder = self.queue.inner.lock().present.unwrap_or("another job");
            return Err(Error::new(
                Code::OperationTimeout,
                ErrorDomain::Qemu,
                format!(
                    "{what} of domain '{}' waited {JOB_WAIT:?} for {holder} to end",
                    self.state().name
                ),
            ));
        }
        answer.await.unwrap_or_else(|_| Err(self::panicked(what)))
    }

    /// What its owner does now, for a message.
    pub(crate) fn present_job(&self) -> Option<String> {
        let present = self.queue.inner.lock().present?;
        Some(format!("{present} of domain '{}'", self.state().name))
    }

    fn push(self: &Arc<Self>, driver: &Arc<Driver>, what: &str, job: Job) -> Result<()> {
        let limit = match usize::try_from(driver.config().max_queued) {
            Ok(limit @ 1..MAX_WAITING) => limit,
            _ => MAX_WAITING,
        };
        let orphaned = {
            let mut inner = self.queue.inner.lock();
            if inner.jobs.len() >= limit {
                return Err(Error::new(
                    Code::ResourceBusy,
                    ErrorDomain::Qemu,
                    format!(
                        "{what} of domain '{}': {limit} calls wait for it already",
                        self.state().name
                    ),
                ));
            }
            inner.jobs.push_back(job);
            !std::mem::replace(&mut inner.owned, true)
        };
        if orphaned {
            let owner = Owner::resting(Arc::clone(driver), Arc::clone(self));
            tokio::spawn(owner.work());
        }
        self.queue.arrived.notify_one();
        Ok(())
    }

    /// Makes `owner`, which adopted a running guest, the one who takes jobs. Only at start, before any job.
    pub(crate) fn own(self: &Arc<Self>, owner: Owner) {
        self.queue.inner.lock().owned = true;
        tokio::spawn(owner.work());
    }
}

impl Queue {
    /// The next job, when there is one.
    pub(super) async fn next(&self) -> Job {
        loop {
            let arrived = self.arrived.notified();
            if let Some(job) = self.try_next() {
                return job;
            }
            arrived.await;
        }
    }

    pub(super) fn try_next(&self) -> Option<Job> {
        self.inner.lock().jobs.pop_front()
    }

    /// Lets go of the jobs if none waits: the next one makes a new owner.
    pub(super) fn release(&self) -> bool {
        let mut inner = self.inner.lock();
        if inner.jobs.is_empty() {
            inner.owned = false;
        }
        !inner.owned
    }
}

fn panicked(what: &str) -> Error {
    Error::new(
        Code::InternalError,
        ErrorDomain::Qemu,
        format!("{what} ended unexpectedly; see the daemon's log"),
    )
}
