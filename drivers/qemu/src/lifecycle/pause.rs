//! Suspend, resume, and the guest's own sleep.

use super::{COMMAND_WAIT, monitor_error};
use crate::domain::{Owner, Paused, RunState, Running};
use crate::events::{Lifecycle, Resumed, Suspended};
use error::{Code, Domain as ErrorDomain, Error, Result};

impl Owner {
    /// Stops the guest's processors.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it does not run or sleeps; what the monitor says.
    pub(crate) async fn suspend(&mut self) -> Result<()> {
        let state = self.domain.state();
        let live = state.running()?;
        match state.run {
            RunState::Paused(_) => return Ok(()),
            RunState::PmSuspended(_) => return Err(invalid("domain is pmsuspended")),
            _ => {}
        }
        live.monitor()?.stop(COMMAND_WAIT).await.map_err(monitor_error)?;
        self.enter(
            RunState::Paused(Paused::User),
            Lifecycle::Suspended(Suspended::Paused),
        )
        .await;
        Ok(())
    }

    /// Lets the guest's processors go on.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it does not run, sleeps, or runs already; what the monitor says.
    pub(crate) async fn resume(&mut self) -> Result<()> {
        let state = self.domain.state();
        let live = state.running()?;
        match state.run {
            RunState::PmSuspended(_) => return Err(invalid("domain is pmsuspended")),
            RunState::Running(_) => return Err(invalid("domain is already running")),
            _ => {}
        }
        let monitor = live.monitor()?;
        self.take_leases().await?;
        if let Err(err) = monitor.cont(COMMAND_WAIT).await {
            self.give_leases().await;
            return Err(monitor_error(err));
        }
        self.enter(
            RunState::Running(Running::Unpaused),
            Lifecycle::Resumed(Resumed::Unpaused),
        )
        .await;
        Ok(())
    }

    /// Wakes a guest that sleeps.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it does not sleep; what the monitor says.
    pub(crate) async fn wake_up(&mut self) -> Result<()> {
        let state = self.domain.state();
        let live = state.running()?;
        if !matches!(state.run, RunState::PmSuspended(_)) {
            return Err(invalid("domain is not suspended by its own power management"));
        }
        live.monitor()?
            .system_wakeup(COMMAND_WAIT)
            .await
            .map_err(monitor_error)
    }
}

fn invalid(text: &str) -> Error {
    Error::new(Code::OperationInvalid, ErrorDomain::Qemu, text)
}
