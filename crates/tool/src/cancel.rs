//! Nobody waits for it any more.

use crate::refused;
use error::{Code, Result};
use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process_group};

/// Ends what a thread has started; clones are not needed, it is shared with the thread.
#[derive(Debug, Default)]
pub struct Cancel(Mutex<Ending>);

#[derive(Debug, Default)]
pub(crate) struct Ending {
    asked: bool,
    /// The leader of a group, which is not reaped yet: its number is nobody else's.
    child: Option<Pid>,
}

impl Cancel {
    /// Ends it, and all that would be started later.
    pub fn end(&self) {
        let mut ending = self.0.lock();
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
        self.0.lock().check()
    }

    /// Nobody can end it as long as this is held.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Ending> {
        self.0.lock()
    }

    /// Whether there is something to be ended.
    #[cfg(test)]
    pub(crate) fn has_child(&self) -> bool {
        self.0.lock().child.is_some()
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
