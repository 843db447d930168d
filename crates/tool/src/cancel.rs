//! Nobody waits for it any more.

use crate::refused;
use error::{Code, Result};
use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process_group};
use std::time::{Duration, Instant};

/// Ends what a thread has started; clones are not needed, it is shared with the thread.
#[derive(Debug, Default)]
pub struct Cancel {
    ending: Mutex<Ending>,
    /// Since when the thread has been in a step of its work.
    step: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
pub(crate) struct Ending {
    asked: bool,
    /// The leader of a group, which is not reaped yet: its number is nobody else's.
    child: Option<Pid>,
}

impl Cancel {
    /// Ends it, and all that would be started later.
    pub fn end(&self) {
        let mut ending = self.ending.lock();
        ending.asked = true;
        if let Some(child) = ending.child {
            // It may have ended by itself.
            let _ = kill_process_group(child, Signal::KILL);
        }
    }

    /// Whether it shall end: what takes long looks now and then.
    ///
    /// # Errors
    /// [`Code::OperationAborted`].
    pub fn check(&self) -> Result<()> {
        self.ending.lock().check()
    }

    /// Does one step of what takes long, such as a read of a piece, which may never come back where storage does not answer.
    pub fn step<T>(&self, work: impl FnOnce() -> T) -> T {
        *self.step.lock() = Some(Instant::now());
        let done = work();
        *self.step.lock() = None;
        done
    }

    /// How long the thread has been in its step; nothing between two of them.
    pub fn in_step(&self) -> Duration {
        self.step.lock().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Nobody can end it as long as this is held.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock()
    }

    /// Whether there is something to be ended.
    #[cfg(test)]
    pub(crate) fn has_child(&self) -> bool {
        self.ending.lock().child.is_some()
    }
}

impl Ending {
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked {
            return Err(refused(Code::OperationAborted, "nobody waits for it any more"));
        }
        Ok(())
    }

    /// From now on, that group is ended.
    pub(crate) fn of(&mut self, child: Pid) {
        self.child = Some(child);
    }

    /// From now on, there is nothing to be ended: its number may become another's.
    pub(crate) fn of_nobody(&mut self) {
        self.child = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_timed_as_long_as_it_takes() {
        let cancel = Cancel::default();
        let within = cancel.step(|| {
            while cancel.in_step().is_zero() {}
            cancel.in_step()
        });
        assert!(within > Duration::ZERO);
        assert_eq!(cancel.in_step(), Duration::ZERO);
    }
}
