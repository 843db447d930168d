//! The one task that changes a domain.

use super::queue::Job;
use super::{Domain, Guest, State};
use crate::Driver;
use std::sync::Arc;
use tokio::time::Instant;

/// Who changes a domain: holds what only the owner may touch.
///
/// Operations are methods on it, in `definition/` and `lifecycle/`.
pub(crate) struct Owner {
    /// The driver the domain belongs to.
    pub(crate) driver: Arc<Driver>,
    /// The domain.
    pub(crate) domain: Arc<Domain>,
    /// What is behind a running domain.
    pub(crate) guest: Option<Box<Guest>>,
}

impl Owner {
    /// The owner of a domain that does not run.
    pub(super) fn resting(driver: Arc<Driver>, domain: Arc<Domain>) -> Self {
        Self {
            driver,
            domain,
            guest: None,
        }
    }

    /// The owner of a domain that was found running.
    pub(crate) fn adopting(driver: Arc<Driver>, domain: Arc<Domain>, guest: Guest) -> Self {
        Self {
            driver,
            domain,
            guest: Some(Box::new(guest)),
        }
    }

    /// Takes jobs and QEMU's events until the domain is at rest and nothing waits.
    pub(super) async fn work(mut self) {
        loop {
            let domain = Arc::clone(&self.domain);
            if let Some(guest) = self.guest.as_mut() {
                let until = guest.jobs_wait_until();
                tokio::select! {
                    // What QEMU said comes before the next change: that change may depend on it.
                    biased;
                    notice = guest.next_notice() => {
                        let _begun = self.driver.work.begin().await;
                        self.on_notice(notice).await;
                    }
                    job = next_job(&domain, until) => self.run(job).await,
                }
            } else if let Some(job) = domain.queue.try_next() {
                self.run(job).await;
            } else if domain.queue.release() {
                self.driver.domains.forget_if_gone(&domain);
                return;
            }
        }
    }

    async fn run(&mut self, job: Job) {
        let _begun = self.driver.work.begin().await;
        job(self).await;
    }

    /// Publishes what `change` makes of the present state.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut State)) {
        let mut state = State::clone(&self.domain.state());
        change(&mut state);
        self.domain.publish(state);
    }
}

/// The next job, not before its time. Cancel safe.
async fn next_job(domain: &Domain, not_before: Option<Instant>) -> Job {
    if let Some(time) = not_before {
        tokio::time::sleep_until(time).await;
    }
    domain.queue.next().await
}
