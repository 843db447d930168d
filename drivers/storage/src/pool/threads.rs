//! Threads of a pool: whoever touches its storage may never come back, and that must be its own loss only.
//!
//! ```text
//!  run ────► thread ──► answer            waits until a deadline, then the thread is left alone and counted as stuck
//!  glance ─► thread ──► answer or none    waits for a moment; a thread that is late is counted as late, and past the deadline as stuck
//!  job ────► thread ──► answer            waits as long as it takes, but for no step of it longer than the deadline
//!  end_work, end_jobs: nobody waits any more, and what the threads have started is killed
//! ```
//! While a thread is stuck nobody else is sent after it.

use crate::failure::refused;
use error::{Code, Error, Result};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tool::Cancel;

/// How long work on a pool's storage may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// How long a read waits for fresh figures before it tells the last ones.
const GLANCE: Duration = Duration::from_millis(10);

/// How long it may take a thread to see that nobody waits for it.
const SETTLE: Duration = Duration::from_secs(1);

/// The threads of a pool.
#[derive(Debug)]
pub(crate) struct Threads {
    /// Whose they are, as errors name it: "pool 'default'".
    of: String,
    /// Threads past their deadline.
    stuck: Arc<AtomicUsize>,
    /// Threads that somebody stopped waiting for.
    late: Arc<AtomicUsize>,
    /// Changed to end all work.
    work: watch::Sender<()>,
    /// Changed to end all jobs.
    jobs: watch::Sender<()>,
}

/// One thread as those see it who wait for it.
#[derive(Debug, Default)]
struct Ticket {
    count: Mutex<Counted>,
    cancel: Cancel,
}

#[derive(Debug)]
enum Counted {
    /// In these numbers, until it comes back.
    In(Vec<Arc<AtomicUsize>>),
    Back,
}

impl Default for Counted {
    fn default() -> Self {
        Self::In(Vec::new())
    }
}

impl Ticket {
    /// Counts the thread until it comes back.
    fn count(&self, number: &Arc<AtomicUsize>) {
        if let Counted::In(numbers) = &mut *self.count.lock() {
            number.fetch_add(1, Ordering::Relaxed);
            numbers.push(Arc::clone(number));
        }
    }

    fn back(&self) {
        if let Counted::In(numbers) = std::mem::replace(&mut *self.count.lock(), Counted::Back) {
            for number in numbers {
                number.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

type Running<T> = (Arc<Ticket>, oneshot::Receiver<Result<T>>);

impl Threads {
    pub(crate) fn new(of: String) -> Self {
        Self {
            of,
            stuck: Arc::default(),
            late: Arc::default(),
            work: watch::Sender::new(()),
            jobs: watch::Sender::new(()),
        }
    }

    /// Whether somebody has not come back in time and is still out.
    pub(crate) fn are_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed) > 0
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    ) -> Result<Running<T>> {
        let ticket = Arc::new(Ticket::default());
        let (send, answer) = oneshot::channel();
        let own = Arc::clone(&ticket);
        let started = std::thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || {
                let done = catch_unwind(AssertUnwindSafe(|| work(&own.cancel)));
                own.back();
                // Whoever asked may be gone.
                let _ = send.send(done.unwrap_or_else(|_| {
                    let text = "work on storage panicked; the log has the details";
                    Err(refused(Code::InternalError, text))
                }));
            });
        match started {
            Ok(_) => Ok((ticket, answer)),
            Err(err) => Err(crate::failure::system(
                format!("there is no thread to work on {}", self.of),
                err,
            )),
        }
    }

    /// # Errors
    /// [`Code::OperationTimeout`] while somebody is stuck.
    fn check(&self) -> Result<()> {
        if self.are_stuck() {
            return Err(refused(
                Code::OperationTimeout,
                format!("the storage of {} does not answer; it can be stopped", self.of),
            ));
        }
        Ok(())
    }

    fn late(&self, wait: Duration) -> Error {
        let seconds = wait.as_secs();
        refused(
            Code::OperationTimeout,
            format!("the storage of {} did not answer within {seconds} s", self.of),
        )
    }

    fn ended(&self) -> Error {
        refused(
            Code::OperationAborted,
            format!("{} was stopped meanwhile", self.of),
        )
    }

    /// Runs work on the pool's storage and waits for it, until `wait` is over.
    ///
    /// # Errors
    /// What `work` answers; [`Code::OperationTimeout`] past the deadline or while others are; [`Code::OperationAborted`] when
    /// the pool was stopped meanwhile.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        wait: Duration,
        work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.check()?;
        self.run_anyway(wait, work).await
    }

    /// The same where others are stuck, too: for what ends their plight.
    ///
    /// # Errors
    /// As [`Self::run`], but for the others.
    pub(crate) async fn run_anyway<T: Send + 'static>(
        &self,
        wait: Duration,
        work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut end = self.work.subscribe();
        let (ticket, answer) = self.start(work)?;
        tokio::select! {
            answer = answer => answer.unwrap_or_else(|_| Err(self.ended())),
            _ = end.changed() => {
                ticket.count(&self.stuck);
                ticket.cancel.end();
                Err(self.ended())
            }
            () = tokio::time::sleep(wait) => {
                ticket.count(&self.stuck);
                ticket.cancel.end();
                Err(self.late(wait))
            }
        }
    }

    /// Looks at the pool's storage unless that takes longer than a read may.
    pub(crate) async fn glance<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    ) -> Option<T> {
        if self.late.load(Ordering::Relaxed) > 0 || self.are_stuck() {
            return None;
        }
        let (ticket, answer) = self.start(work).ok()?;
        match tokio::time::timeout(GLANCE, answer).await {
            Ok(answer) => answer.ok()?.ok(),
            Err(_) => {
                ticket.count(&self.late);
                // Who is not back when all work should be is stuck, whoever has sent it.
                let stuck = Arc::clone(&self.stuck);
                tokio::spawn(async move {
                    tokio::time::sleep(DEADLINE).await;
                    ticket.count(&stuck);
                });
                None
            }
        }
    }

    /// Runs work that takes as long as it takes: as much as there are bytes. No [step](Cancel::step) of it is waited for longer
    /// than [`DEADLINE`].
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.check()?;
        let mut end = self.jobs.subscribe();
        let (ticket, answer) = self.start(work)?;
        tokio::select! {
            answer = answer => answer.unwrap_or_else(|_| Err(self.ended())),
            _ = end.changed() => {
                ticket.count(&self.stuck);
                ticket.cancel.end();
                Err(self.ended())
            }
            () = late(&ticket.cancel) => {
                ticket.count(&self.stuck);
                ticket.cancel.end();
                Err(self.late(DEADLINE))
            }
        }
    }

    /// Nobody waits for work any more. Where storage answers, who was at work is back when this returns.
    pub(crate) async fn end_work(&self) {
        self.work.send_replace(());
        let back = async {
            while self.are_stuck() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        // Who is not back by then hangs.
        let _ = tokio::time::timeout(SETTLE, back).await;
    }

    /// Nobody waits for jobs any more.
    pub(crate) fn end_jobs(&self) {
        self.jobs.send_replace(());
    }
}

/// Until a step of a job has taken longer than it may.
async fn late(job: &Cancel) {
    loop {
        let left = DEADLINE.saturating_sub(job.in_step());
        if left.is_zero() {
            return;
        }
        // The next one may begin at any moment.
        tokio::time::sleep(left.min(SETTLE)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_pool_that_holds_somebody_is_left_alone_until_he_comes_back() {
        let threads = Threads::new("pool 'dead'".to_owned());
        let (go_on, wait) = mpsc::channel::<()>();
        let late = threads.run(Duration::from_millis(1), move |_| {
            // Until the end of the sender.
            let _ = wait.recv();
            Ok(())
        });
        let error = late.await.unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
        assert!(error.detail().contains("pool 'dead'"), "{error}");
        let error = threads.run(DEADLINE, |_| Ok(())).await.unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
        assert_eq!(threads.glance(|_| Ok(1)).await, None);
        drop(go_on);
        while threads.are_stuck() {
            tokio::task::yield_now().await;
        }
        threads.run(DEADLINE, |_| Ok(())).await.unwrap();
        assert_eq!(threads.job(|_| Ok(1)).await.unwrap(), 1);
    }

    #[test]
    fn a_thread_counts_in_every_number_until_it_is_back() {
        let (late, stuck) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let numbers = || (late.load(Ordering::Relaxed), stuck.load(Ordering::Relaxed));
        let ticket = Ticket::default();
        ticket.count(&late);
        assert_eq!(numbers(), (1, 0));
        ticket.count(&stuck);
        assert_eq!(numbers(), (1, 1));
        ticket.back();
        assert_eq!(numbers(), (0, 0));
        ticket.count(&stuck);
        assert_eq!(numbers(), (0, 0), "it is back already");
    }

    #[tokio::test]
    async fn who_stops_a_pool_ends_the_waiting() {
        let threads = Arc::new(Threads::new("pool 'p'".to_owned()));
        let (go_on, wait) = mpsc::channel::<()>();
        let (out, is_out) = mpsc::channel();
        let own = Arc::clone(&threads);
        let waiting = tokio::spawn(async move {
            let work = move |_: &Cancel| {
                let _ = out.send(());
                let _ = wait.recv();
                Ok(())
            };
            own.run(DEADLINE, work).await
        });
        tokio::task::spawn_blocking(move || is_out.recv())
            .await
            .unwrap()
            .unwrap();
        threads.end_work().await;
        assert_eq!(waiting.await.unwrap().unwrap_err().code(), Code::OperationAborted);
        drop(go_on);
    }

    #[tokio::test]
    async fn a_panic_costs_one_call() {
        let threads = Threads::new("pool 'p'".to_owned());
        let error = threads
            .run::<()>(DEADLINE, |_| panic!("on purpose"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::InternalError);
        assert!(!threads.are_stuck());
    }
}
