//! The schedulers of threads, as a document names them.

use super::Threads;
use error::{Code, Domain as ErrorDomain, Error, Result};
use kernel::scheduling::{self, Scheduler};
use model::domain::tune::{self, CpuTune};

/// The priorities of schedulers of real time (sched(7)).
const PRIORITIES: std::ops::RangeInclusive<u32> = 1..=99;

/// The schedulers that a document asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedulers<'a>(pub Option<&'a CpuTune>);

impl Schedulers<'_> {
    fn of(self, threads: Threads) -> Option<(tune::Scheduler, Option<u32>)> {
        let tune = self.0?;
        match threads {
            Threads::Emulator => {
                let named = tune.emulator_sched.as_ref()?;
                Some((named.scheduler, named.priority))
            }
            Threads::Vcpu(number) => {
                let named = tune.vcpu_scheds.iter().find(|one| one.vcpus.contains(number))?;
                Some((named.scheduler, named.priority))
            }
            Threads::IoThread(number) => {
                let named = tune
                    .iothread_scheds
                    .iter()
                    .find(|one| one.iothreads.contains(number))?;
                Some((named.scheduler, named.priority))
            }
        }
    }

    /// Sets the scheduler of a thread, where one is asked for.
    ///
    /// # Errors
    /// [`Code::ConfigUnsupported`] for a priority that there is not, [`Code::SystemError`] when the kernel refuses.
    pub(crate) fn apply(self, threads: Threads, thread: i64) -> Result<()> {
        let Some((scheduler, priority)) = self.of(threads) else {
            return Ok(());
        };
        let scheduler = match scheduler {
            tune::Scheduler::Batch => Scheduler::Batch,
            tune::Scheduler::Idle => Scheduler::Idle,
            tune::Scheduler::Fifo => Scheduler::Fifo,
            tune::Scheduler::RoundRobin => Scheduler::RoundRobin,
        };
        let real_time = matches!(scheduler, Scheduler::Fifo | Scheduler::RoundRobin);
        let priority = priority.unwrap_or(0);
        if real_time && !PRIORITIES.contains(&priority) {
            let text = format!(
                "Scheduler priority {priority} out of range [{}, {}]",
                PRIORITIES.start(),
                PRIORITIES.end()
            );
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
        let number = i32::try_from(thread).unwrap_or(i32::MAX);
        scheduling::set_scheduler(number, scheduler, priority).map_err(|err| {
            let text = format!("Cannot set scheduler parameters for pid {thread}: {err}");
            Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
        })
    }
}
