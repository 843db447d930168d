//! The power button, the reset button, and what the guest's own shutdown leads to.

use super::{COMMAND_WAIT, monitor_error};
use crate::agent;
use crate::domain::{Ending, Owner, RunState, Running};
use crate::events::{Lifecycle, Resumed};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::lifecycle::LifecycleAction;
use std::time::Duration;

/// How a guest is asked to shut down or reboot (`virDomainShutdownFlagValues`; the reboot flags have the same numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PowerWay {
    /// The agent where one answers, else the button.
    Either,
    /// The power button of the machine.
    Button,
    /// The guest's agent.
    Agent,
}

/// How long the silence lasts that means an agent took the order: it answers only when it refuses.
const SILENCE: Duration = Duration::from_millis(500);

impl PowerWay {
    /// The flags that are known: none, `ACPI_POWER_BTN`, `GUEST_AGENT`.
    pub(crate) const FLAGS: u32 = 3;

    /// The way that `flags` ask for.
    pub(crate) const fn from_flags(flags: u32) -> Self {
        match flags & Self::FLAGS {
            1 => Self::Button,
            2 => Self::Agent,
            _ => Self::Either,
        }
    }
}

impl Owner {
    /// Asks the guest to shut down. It is done when the guest does it, if ever.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it does not run; what the agent or the monitor says.
    pub(crate) async fn shut_down(&mut self, way: PowerWay) -> Result<()> {
        self.ask_guest(way, "powerdown", false).await
    }

    /// Asks the guest to reboot.
    ///
    /// # Errors
    /// As [`Owner::shut_down`].
    pub(crate) async fn reboot(&mut self, way: PowerWay) -> Result<()> {
        self.ask_guest(way, "reboot", true).await
    }

    async fn ask_guest(&mut self, way: PowerWay, mode: &'static str, reboot: bool) -> Result<()> {
        let state = self.domain.state();
        let live = state.running()?;
        let has_agent = live.agent.is_some();
        match way {
            PowerWay::Agent if !has_agent => {
                return Err(Error::new(
                    Code::ArgumentUnsupported,
                    ErrorDomain::Qemu,
                    "QEMU guest agent is not configured",
                ));
            }
            PowerWay::Agent => return self.ask_agent(mode).await,
            // Without an answer of the agent the button is still there.
            PowerWay::Either if has_agent && self.ask_agent(mode).await.is_ok() => return Ok(()),
            PowerWay::Either | PowerWay::Button => {}
        }
        let monitor = live.monitor()?.clone();
        if let Some(guest) = self.guest.as_mut() {
            // The button means power off; that it is to come up again is ours to remember.
            guest.reboot = reboot;
        }
        monitor
            .system_powerdown(COMMAND_WAIT)
            .await
            .map_err(monitor_error)
    }

    async fn ask_agent(&self, mode: &str) -> Result<()> {
        let mut agent = agent::connect(&self.domain.state()).await?;
        let arguments = serde_json::json!({ "mode": mode });
        agent.execute_silent("guest-shutdown", arguments, SILENCE).await
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it does not run; what the monitor says.
    pub(crate) async fn reset(&mut self) -> Result<()> {
        let state = self.domain.state();
        state
            .running()?
            .monitor()?
            .system_reset(COMMAND_WAIT)
            .await
            .map_err(monitor_error)
    }

    /// Whether the document wants a guest that switched itself off to come up again.
    pub(crate) fn restarts_on_poweroff(&self) -> bool {
        let actions = self.guest.as_ref().map(|guest| guest.live.actions);
        actions.is_some_and(|actions| actions.poweroff == LifecycleAction::Restart)
    }

    /// Resets the machine of a guest that shut down and lets it run.
    ///
    /// # Errors
    /// What the monitor says.
    pub(crate) async fn reset_and_run(&mut self) -> Result<()> {
        let state = self.domain.state();
        let monitor = state.running()?.monitor()?;
        monitor.system_reset(COMMAND_WAIT).await.map_err(monitor_error)?;
        self.take_leases().await?;
        monitor.cont(COMMAND_WAIT).await.map_err(monitor_error)?;
        if !matches!(state.run, RunState::Running(_)) {
            self.enter(
                RunState::Running(Running::Booted),
                Lifecycle::Resumed(Resumed::Unpaused),
            )
            .await;
        }
        Ok(())
    }

    /// Does what the document wants after a crash of the guest.
    ///
    /// # Errors
    /// What the monitor or the end of the process says.
    pub(crate) async fn on_crash(&mut self) -> Result<()> {
        let Some(guest) = self.guest.as_ref() else {
            return Ok(());
        };
        match guest.live.actions.crash {
            LifecycleAction::Restart | LifecycleAction::RenameRestart | LifecycleAction::CoredumpRestart => {
                self.reset_and_run().await
            }
            LifecycleAction::Preserve => Ok(()),
            LifecycleAction::Destroy | LifecycleAction::CoredumpDestroy => {
                guest.live.process.set_ending(Ending::Crashed);
                self.finish().await
            }
        }
    }
}
