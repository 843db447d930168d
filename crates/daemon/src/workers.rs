//! Threads for work that waits: disks, programs, name lookups. Calls themselves are tasks and need none.
//!
//! ```text
//!   blocking(Ordinary, f) ──► ordinary queue ──► up to `max` threads; those beyond `min` end when idle
//!   blocking(High, f) ──────► high queue ──┬───► the same threads, first
//!                                          └───► up to `prio` threads that take nothing else
//! ```
//! A thread starts when a job finds none idle, so that a daemon at rest has none. Limits may change at any time; a
//! thread beyond a lowered limit ends after its job. These are the numbers that `virt-admin srv-threadpool-info` shows.

use error::{Code, Domain, Error, Result};
use parking_lot::{Condvar, Mutex};
use protocol::Priority;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a thread beyond the least number waits for another job.
const IDLE: Duration = Duration::from_secs(10);

/// The most threads that a limit may ask for.
pub const LIMIT_MAX: u32 = 10_000;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads; clones share it.
#[derive(Clone)]
pub struct Workers {
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Workers").field(&self.numbers()).finish()
    }
}

/// How many threads there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Ordinary threads that stay when idle.
    pub min: u32,
    /// Ordinary threads at most.
    pub max: u32,
    /// Threads for high priority at most, beside the ordinary ones.
    pub priority: u32,
}

/// The state of a pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The limits.
    pub limits: Limits,
    /// Ordinary threads there are.
    pub current: u32,
    /// Those of them that wait for a job.
    pub free: u32,
    /// Threads for high priority there are.
    pub priority: u32,
    /// Jobs that wait for a thread.
    pub queued: u32,
}

struct Pool {
    state: Mutex<State>,
    job_for_ordinary: Condvar,
    job_for_priority: Condvar,
}

struct State {
    limits: Limits,
    ordinary: VecDeque<Job>,
    high: VecDeque<Job>,
    threads: Crew,
    priority_threads: Crew,
}

#[derive(Default, Clone, Copy)]
struct Crew {
    current: u32,
    idle: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Priority,
}

impl Workers {
    /// A pool without threads yet.
    pub fn new(limits: Limits) -> Self {
        let state = State {
            limits,
            ordinary: VecDeque::new(),
            high: VecDeque::new(),
            threads: Crew::default(),
            priority_threads: Crew::default(),
        };
        Self {
            pool: Arc::new(Pool {
                state: Mutex::new(state),
                job_for_ordinary: Condvar::new(),
                job_for_priority: Condvar::new(),
            }),
        }
    }

    /// Runs `work` on a thread of the pool and waits for its end. Work that was queued is done even if the caller
    /// goes away.
    ///
    /// # Errors
    /// [`Code::InternalError`] if `work` panicked or no thread could be started.
    pub async fn blocking<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = oneshot::channel();
        self.queue(
            priority,
            Box::new(move || {
                // Whoever asked may be gone.
                let _ = send.send(catch_unwind(AssertUnwindSafe(work)));
            }),
        )?;
        match receive.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(failed("a worker panicked; the log has the details")),
            Err(_) => Err(failed("a worker was lost")),
        }
    }

    fn queue(&self, priority: Priority, job: Job) -> Result<()> {
        let mut state = self.pool.state.lock();
        let high = priority == Priority::High;
        if high {
            state.high.push_back(job);
        } else {
            state.ordinary.push_back(job);
        }
        let waiting = u32::try_from(state.ordinary.len() + state.high.len()).unwrap_or(u32::MAX);
        let started = if state.threads.idle >= waiting || state.threads.idle > 0 && high {
            Ok(())
        } else if state.threads.current < state.limits.max {
            state.threads.current += 1;
            self.start(Kind::Ordinary)
        } else if high
            && state.priority_threads.idle == 0
            && state.priority_threads.current < state.limits.priority
        {
            state.priority_threads.current += 1;
            self.start(Kind::Priority)
        } else {
            Ok(())
        };
        if let Err((kind, failure)) = started {
            let crew = state.crew(kind);
            crew.current = crew.current.saturating_sub(1);
            if state.threads.current == 0 && state.priority_threads.current == 0 {
                // Nobody would ever take it.
                let queue = if high {
                    &mut state.high
                } else {
                    &mut state.ordinary
                };
                queue.pop_back();
                return Err(failed(format!("cannot start a worker: {failure}")));
            }
            tracing::warn!(%failure, "cannot start another worker; the job waits for one that is busy");
        }
        self.pool.job_for_ordinary.notify_one();
        if high {
            self.pool.job_for_priority.notify_one();
        }
        Ok(())
    }

    fn start(&self, kind: Kind) -> Result<(), (Kind, std::io::Error)> {
        let pool = Arc::clone(&self.pool);
        let name = if kind == Kind::Ordinary {
            "worker"
        } else {
            "prio-worker"
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || pool.run(kind))
            .map(drop)
            .map_err(|failure| (kind, failure))
    }

    /// Changes the limits.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] if they contradict each other.
    pub fn set_limits(&self, limits: Limits) -> Result<()> {
        if limits.max == 0 || limits.min > limits.max || limits.max > LIMIT_MAX || limits.priority > LIMIT_MAX
        {
            let text = format!(
                "minWorkers {} must not be above maxWorkers {}, which lies between 1 and {LIMIT_MAX}, as prioWorkers \
                 {} does",
                limits.min, limits.max, limits.priority
            );
            return Err(Error::new(Code::InvalidArg, Domain::Thread, text));
        }
        let mut state = self.pool.state.lock();
        state.limits = limits;
        // Jobs that waited because of the old limit.
        let waiting = u32::try_from(state.ordinary.len() + state.high.len()).unwrap_or(u32::MAX);
        let wanted = waiting
            .saturating_sub(state.threads.idle)
            .min(limits.max.saturating_sub(state.threads.current));
        for _ in 0..wanted {
            if let Err((_, failure)) = self.start(Kind::Ordinary) {
                tracing::warn!(%failure, "cannot start another worker");
                break;
            }
            state.threads.current += 1;
        }
        drop(state);
        self.pool.job_for_ordinary.notify_all();
        self.pool.job_for_priority.notify_all();
        Ok(())
    }

    /// The state of the pool now.
    pub fn numbers(&self) -> Numbers {
        let state = self.pool.state.lock();
        Numbers {
            limits: state.limits,
            current: state.threads.current,
            free: state.threads.idle,
            priority: state.priority_threads.current,
            queued: u32::try_from(state.ordinary.len() + state.high.len()).unwrap_or(u32::MAX),
        }
    }
}

fn failed(text: impl Into<String>) -> Error {
    Error::new(Code::InternalError, Domain::Thread, text)
}

impl State {
    fn crew(&mut self, kind: Kind) -> &mut Crew {
        match kind {
            Kind::Ordinary => &mut self.threads,
            Kind::Priority => &mut self.priority_threads,
        }
    }

    fn next(&mut self, kind: Kind) -> Option<Job> {
        self.high.pop_front().or_else(|| {
            if kind == Kind::Ordinary {
                self.ordinary.pop_front()
            } else {
                None
            }
        })
    }

    fn limit(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Ordinary => self.limits.max,
            Kind::Priority => self.limits.priority,
        }
    }

    /// How many threads stay when there is nothing to do.
    fn kept(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Ordinary => self.limits.min,
            Kind::Priority => 0,
        }
    }
}

impl Pool {
    /// The life of one thread.
    fn run(&self, kind: Kind) {
        let wake = match kind {
            Kind::Ordinary => &self.job_for_ordinary,
            Kind::Priority => &self.job_for_priority,
        };
        let mut state = self.state.lock();
        loop {
            if state.crew(kind).current > state.limit(kind) {
                break;
            }
            if let Some(job) = state.next(kind) {
                drop(state);
                job();
                state = self.state.lock();
                continue;
            }
            state.crew(kind).idle += 1;
            let late = wake.wait_for(&mut state, IDLE).timed_out();
            let crew = state.crew(kind);
            crew.idle -= 1;
            let current = crew.current;
            if late && current > state.kept(kind) && state.high.is_empty() && state.ordinary.is_empty() {
                break;
            }
        }
        state.crew(kind).current -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LIMITS: Limits = Limits {
        min: 1,
        max: 2,
        priority: 1,
    };

    /// Occupies `count` threads until the returned senders are dropped.
    fn occupy(workers: &Workers, count: usize) -> Vec<mpsc::Sender<()>> {
        (0..count)
            .map(|_| {
                let (release, wait) = mpsc::channel::<()>();
                let (started, running) = mpsc::channel();
                workers
                    .queue(
                        Priority::Low,
                        Box::new(move || {
                            started.send(()).unwrap();
                            let _ = wait.recv();
                        }),
                    )
                    .unwrap();
                running.recv().unwrap();
                release
            })
            .collect()
    }

    #[tokio::test]
    async fn high_priority_is_served_while_all_ordinary_workers_are_busy() {
        let workers = Workers::new(LIMITS);
        let busy = occupy(&workers, 2);
        assert_eq!(workers.blocking(Priority::High, || 7).await.unwrap(), 7);
        let pending = workers.blocking(Priority::Low, || 8);
        tokio::pin!(pending);
        assert!(futures_util::poll!(&mut pending).is_pending());
        let numbers = workers.numbers();
        assert_eq!((numbers.current, numbers.free, numbers.queued), (2, 0, 1));
        drop(busy);
        assert_eq!(pending.await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_panic_costs_one_job() {
        let workers = Workers::new(LIMITS);
        let failure = workers
            .blocking(Priority::Low, || panic!("on purpose"))
            .await
            .unwrap_err();
        assert_eq!(failure.code(), Code::InternalError);
        assert_eq!(workers.blocking(Priority::Low, || 1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_raised_limit_helps_the_jobs_that_wait_and_nonsense_is_refused() {
        let workers = Workers::new(LIMITS);
        let _busy = occupy(&workers, 2);
        let pending = workers.blocking(Priority::Low, || 1);
        tokio::pin!(pending);
        assert!(futures_util::poll!(&mut pending).is_pending());
        workers.set_limits(Limits { max: 3, ..LIMITS }).unwrap();
        assert_eq!(pending.await.unwrap(), 1);
        assert_eq!(workers.blocking(Priority::Low, || 1).await.unwrap(), 1);
        for bad in [
            Limits { max: 0, ..LIMITS },
            Limits { min: 4, ..LIMITS },
            Limits {
                max: u32::MAX,
                ..LIMITS
            },
        ] {
            assert_eq!(workers.set_limits(bad).unwrap_err().code(), Code::InvalidArg);
        }
    }
}
