//! What QEMU tells of its own accord, and what becomes of it.

use crate::domain::{Ending, Notice, Owner, Paused, RunState, Running};
use crate::events::{self, Crashed, Event, Finished, Lifecycle, PmSuspended, Resumed, Started, Suspended};
use rustix::process::Signal;
use serde_json::Value;

impl Owner {
    /// Takes one notice in.
    pub(crate) async fn on_notice(&mut self, notice: Notice) {
        let outcome = match notice {
            Notice::Event(event) => self.on_event(event).await,
            Notice::Gone => self.finish().await,
        };
        if let Err(err) = outcome {
            tracing::error!(domain = %self.domain.state().name, %err, "what QEMU told could not be acted on");
        }
    }

    async fn on_event(&mut self, event: qmp::Event) -> error::Result<()> {
        let data = &event.data;
        tracing::debug!(domain = %self.domain.state().name, event = %event.name, "QEMU tells");
        self.driver.events.monitor(&self.domain.reference(), &event);
        let is_running = matches!(self.domain.state().run, RunState::Running(_));
        match event.name.as_str() {
            "SHUTDOWN" => return self.on_shutdown(data["guest"].as_bool()).await,
            // Our own `stop` and `cont` have published the new state by the time their event is read.
            "STOP" if is_running => {
                self.enter(RunState::Paused(Paused::Unknown), Lifecycle::Suspended(Suspended::Paused));
            }
            "RESUME" if !is_running => {
                self.enter(RunState::Running(Running::Unpaused), Lifecycle::Resumed(Resumed::Unpaused));
            }
            "RESET" => self.tell(Event::Reboot),
            "SUSPEND" => {
                self.enter(RunState::PmSuspended(0), Lifecycle::PmSuspended(PmSuspended::Memory));
                self.tell(Event::PmSuspend);
            }
            "SUSPEND_DISK" => {
                self.enter(RunState::PmSuspended(0), Lifecycle::PmSuspended(PmSuspended::Disk));
                self.tell(Event::PmSuspendDisk);
            }
            "WAKEUP" => {
                self.enter(RunState::Running(Running::Wakeup), Lifecycle::Started(Started::Wakeup));
                self.tell(Event::PmWakeup);
            }
            "GUEST_PANICKED" => {
                self.enter(RunState::Crashed(1), Lifecycle::Crashed(Crashed::Panicked));
                return self.on_crash().await;
            }
            "WATCHDOG" => {
                if data["action"] == "pause" && is_running {
                    self.enter(RunState::Paused(Paused::Watchdog), Lifecycle::Suspended(Suspended::Watchdog));
                }
                self.tell(Event::Watchdog { action: events::watchdog_action(&data["action"]) });
            }
            "BLOCK_IO_ERROR" => self.on_io_error(data),
            "RTC_CHANGE" => self.tell(Event::RtcChange { offset: data["offset"].as_i64().unwrap_or_default() }),
            "BALLOON_CHANGE" => {
                let actual = data["actual"].as_u64().unwrap_or_default() / 1024;
                self.on_balloon(actual);
            }
            "DEVICE_TRAY_MOVED" => self.on_tray(data),
            "DEVICE_DELETED" => {
                if let Some(alias) = data["device"].as_str() {
                    self.tell(Event::DeviceRemoved { alias: alias.to_owned() });
                }
            }
            "VSERPORT_CHANGE" => return self.on_channel(data).await,
            name if name.starts_with("VNC_") || name.starts_with("SPICE_") => {
                if let Some(event) = events::graphics(name, data) {
                    self.tell(event);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The guest has shut down; QEMU waits for us to say what next.
    async fn on_shutdown(&mut self, by_guest: Option<bool>) -> error::Result<()> {
        let Some(guest) = self.guest.as_mut() else { return Ok(()) };
        if guest.live.process.ending() != Ending::Unasked {
            return Ok(());
        }
        if std::mem::take(&mut guest.reboot) || self.restarts_on_poweroff() {
            return self.reset_and_run().await;
        }
        let Some(guest) = self.guest.as_ref() else { return Ok(()) };
        guest.live.process.set_ending(Ending::Shutdown);
        let process = std::sync::Arc::clone(&guest.live.process);
        let finished = match by_guest {
            Some(true) => Finished::Guest,
            Some(false) => Finished::Host,
            None => Finished::Finished,
        };
        self.enter(RunState::Shutdown(1), Lifecycle::Shutdown(finished));
        process.signal(Signal::TERM).map_err(|err| {
            let text = format!("cannot end QEMU after the guest's shutdown: {err}");
            error::Error::new(error::Code::OperationFailed, error::Domain::Qemu, text).caused_by(err)
        })
    }

    fn on_io_error(&mut self, data: &Value) {
        let (device, node) = (data["device"].as_str(), data["node-name"].as_str());
        let stopped = data["action"] == "stop";
        if stopped && matches!(self.domain.state().run, RunState::Running(_)) {
            self.enter(RunState::Paused(Paused::IoError), Lifecycle::Suspended(Suspended::IoError));
        }
        let reason = if data["nospace"] == true { "enospc" } else { "" };
        let (path, alias) = self.disk_of(device, node);
        let action = events::io_error_action(&data["action"]);
        self.tell(Event::IoError { path, alias, action, reason: reason.to_owned() });
    }

    fn on_tray(&mut self, data: &Value) {
        // QEMU names the device by the id it was given, which is the alias.
        if let Some(alias) = data["id"].as_str().or_else(|| data["device"].as_str()) {
            self.tell(Event::TrayChange { alias: alias.to_owned(), opened: data["tray-open"] == true });
        }
    }

    /// Publishes a new state and tells everybody.
    pub(crate) fn enter(&self, run: RunState, lifecycle: Lifecycle) {
        self.publish(|state| state.run = run);
        self.save_status();
        self.tell(Event::Lifecycle(lifecycle));
    }

    /// Tells everybody who listens about this domain.
    pub(crate) fn tell(&self, event: Event) {
        self.driver.events.send(&self.domain.reference(), event);
    }
}
