//! What QEMU tells of its own accord, and what becomes of it.

use crate::domain::{Document, Ending, Live, Notice, Owner, Paused, RunState, Running};
use crate::events::{self, Crashed, Event, Finished, Lifecycle, PmSuspended, Resumed, Started, Suspended};
use model::domain::devices::chardev::{ChannelState, ChannelTarget};
use rustix::process::Signal;
use serde_json::Value;

impl Owner {
    /// Takes one notice in.
    pub(crate) async fn on_notice(&mut self, notice: Notice) {
        let outcome = match notice {
            Notice::Event(event) => self.on_event(event).await,
            Notice::Connected(monitor) => self.on_connected(monitor).await,
            Notice::Lost => self.on_lost_monitor().await,
            Notice::Gone => self.finish().await,
        };
        if let Err(err) = outcome {
            tracing::error!(domain = %self.domain.state().name, %err, "what QEMU told could not be acted on");
        }
    }

    async fn on_event(&mut self, event: qmp::Event) -> error::Result<()> {
        let data = &event.data;
        tracing::debug!(domain = %self.domain.state().name, event = %event.name, "QEMU tells");
        self.driver
            .events
            .monitors()
            .send(&self.domain.reference(), &event);
        let is_running = matches!(self.domain.state().run, RunState::Running(_));
        match event.name.as_str() {
            "SHUTDOWN" => return self.on_shutdown(data["guest"].as_bool()).await,
            // Our own `stop` and `cont` have published the new state by the time their event is read.
            "STOP" if is_running => {
                self.enter(
                    RunState::Paused(Paused::Unknown),
                    Lifecycle::Suspended(Suspended::Paused),
                )
                .await;
            }
            "RESUME" if !is_running => {
                self.lease_or_stop().await?;
                self.enter(
                    RunState::Running(Running::Unpaused),
                    Lifecycle::Resumed(Resumed::Unpaused),
                )
                .await;
            }
            "RESET" => self.tell(Event::Reboot),
            "SUSPEND" => {
                self.enter(
                    RunState::PmSuspended(0),
                    Lifecycle::PmSuspended(PmSuspended::Memory),
                )
                .await;
                self.tell(Event::PmSuspend);
            }
            "SUSPEND_DISK" => {
                self.enter(
                    RunState::PmSuspended(0),
                    Lifecycle::PmSuspended(PmSuspended::Disk),
                )
                .await;
                self.tell(Event::PmSuspendDisk);
            }
            "WAKEUP" => {
                self.enter(
                    RunState::Running(Running::Wakeup),
                    Lifecycle::Started(Started::Wakeup),
                )
                .await;
                self.tell(Event::PmWakeup);
            }
            "GUEST_PANICKED" => {
                self.enter(RunState::Crashed(1), Lifecycle::Crashed(Crashed::Panicked))
                    .await;
                return self.on_crash().await;
            }
            "WATCHDOG" => {
                if data["action"] == "pause" && is_running {
                    self.enter(
                        RunState::Paused(Paused::Watchdog),
                        Lifecycle::Suspended(Suspended::Watchdog),
                    )
                    .await;
                }
                self.tell(Event::Watchdog {
                    action: events::watchdog_action(&data["action"]),
                });
            }
            "BLOCK_IO_ERROR" => self.on_io_error(data).await,
            "RTC_CHANGE" => self.tell(Event::RtcChange {
                offset: data["offset"].as_i64().unwrap_or_default(),
            }),
            "BALLOON_CHANGE" => {
                let actual = data["actual"].as_u64().unwrap_or_default() / 1024;
                if let Ok(live) = self.domain.state().running() {
                    live.note_balloon(actual);
                }
                self.tell(Event::BalloonChange { actual });
            }
            "DEVICE_TRAY_MOVED" => self.on_tray(data),
            "DEVICE_DELETED" => {
                if let Some(alias) = data["device"].as_str() {
                    self.tell(Event::DeviceRemoved {
                        alias: alias.to_owned(),
                    });
                }
            }
            "VSERPORT_CHANGE" => self.on_channel(data).await,
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
    pub(crate) async fn on_shutdown(&mut self, by_guest: Option<bool>) -> error::Result<()> {
        let Some(guest) = self.guest.as_mut() else {
            return Ok(());
        };
        match guest.live.process.ending() {
            Ending::Unasked => {}
            // It is on its way out already; that QEMU heard of it is told all the same.
            Ending::Destroyed => {
                let run = RunState::Shutdown(1);
                self.enter(run, Lifecycle::Shutdown(finished(by_guest))).await;
                return Ok(());
            }
            _ => return Ok(()),
        }
        if std::mem::take(&mut guest.reboot) || self.restarts_on_poweroff() {
            return self.reset_and_run().await;
        }
        let Some(guest) = self.guest.as_ref() else {
            return Ok(());
        };
        guest.live.process.set_ending(Ending::Shutdown);
        let process = std::sync::Arc::clone(&guest.live.process);
        self.enter(RunState::Shutdown(1), Lifecycle::Shutdown(finished(by_guest)))
            .await;
        process.signal(Signal::TERM).map_err(|err| {
            let text = format!("cannot end QEMU after the guest's shutdown: {err}");
            error::Error::new(error::Code::OperationFailed, error::Domain::Qemu, text).caused_by(err)
        })
    }

    /// The monitor is gone: QEMU is ending, or cannot be managed any more.
    async fn on_lost_monitor(&mut self) -> error::Result<()> {
        /// How long a process may take to end after it closed its monitor.
        const ENDING: std::time::Duration = std::time::Duration::from_secs(5);
        if let Some(guest) = self.guest.as_ref() {
            let process = std::sync::Arc::clone(guest.process());
            // Whether it ended or not, `finish` deals with it.
            let _ = tokio::time::timeout(ENDING, process.ended()).await;
        }
        self.finish().await
    }

    async fn on_io_error(&mut self, data: &Value) {
        let (device, node) = (data["device"].as_str(), data["node-name"].as_str());
        let stopped = data["action"] == "stop";
        if stopped && matches!(self.domain.state().run, RunState::Running(_)) {
            self.enter(
                RunState::Paused(Paused::IoError),
                Lifecycle::Suspended(Suspended::IoError),
            )
            .await;
        }
        let reason = if data["nospace"] == true { "enospc" } else { "" };
        let (path, alias) = self.disk_of(device, node);
        let action = events::io_error_action(&data["action"]);
        self.tell(Event::IoError {
            path,
            alias,
            action,
            reason: reason.to_owned(),
        });
    }

    /// The source and the alias of the disk that QEMU names by its device or node.
    fn disk_of(&self, device: Option<&str>, node: Option<&str>) -> (String, String) {
        let state = self.domain.state();
        let Ok(live) = state.running() else {
            return (String::new(), String::new());
        };
        let Ok(model) = live.document.parse() else {
            return (String::new(), String::new());
        };
        let known = model.devices.disks.iter().find(|disk| {
            let alias = disk.info.alias_name();
            let number = disk.source.details().and_then(|details| details.index);
            let is_node = |node: &str| {
                number.is_some_and(|number| node.strip_prefix(&format!("libvirt-{number}-")).is_some())
            };
            (alias.is_some() && alias == device) || node.is_some_and(is_node)
        });
        let Some(disk) = known else {
            return (String::new(), device.unwrap_or_default().to_owned());
        };
        let path = disk.source_path().or_else(|| live.volume_path(&disk.target.dev));
        let path = path.unwrap_or_default().to_owned();
        (path, disk.info.alias_name().unwrap_or_default().to_owned())
    }

    /// The guest opened or closed its end of a channel.
    async fn on_channel(&mut self, data: &Value) {
        let (Some(alias), Some(open)) = (data["id"].as_str(), data["open"].as_bool()) else {
            return;
        };
        let state = self.domain.state();
        let Some(live) = state.live.as_ref() else { return };
        let Ok(mut model) = live.document.parse() else {
            return;
        };
        let channel = model
            .devices
            .channels
            .iter_mut()
            .find(|channel| channel.info.alias_name() == Some(alias));
        let Some(channel) = channel else { return };
        let is_agent = channel.is_guest_agent();
        let ChannelTarget::Virtio { state: end, .. } = &mut channel.target else {
            return;
        };
        *end = Some(if open {
            ChannelState::Connected
        } else {
            ChannelState::Disconnected
        });
        let changed = Live {
            document: Document::of(&model),
            ..Live::clone(live)
        };
        self.replace_live(std::sync::Arc::new(changed)).await;
        if is_agent {
            self.tell(Event::AgentLifecycle {
                state: if open { 1 } else { 2 },
                reason: 2,
            });
        }
    }

    fn on_tray(&mut self, data: &Value) {
        // QEMU names the device by the id it was given, which is the alias.
        if let Some(alias) = data["id"].as_str().or_else(|| data["device"].as_str()) {
            self.tell(Event::TrayChange {
                alias: alias.to_owned(),
                opened: data["tray-open"] == true,
            });
        }
    }

    /// Publishes a new state and tells everybody.
    pub(crate) async fn enter(&self, run: RunState, lifecycle: Lifecycle) {
        self.publish(|state| state.run = run);
        if matches!(run, RunState::Paused(_)) {
            self.give_leases().await;
        }
        self.save_status().await;
        self.tell(Event::Lifecycle(lifecycle));
    }

    /// Tells everybody who listens about this domain.
    pub(crate) fn tell(&self, event: Event) {
        self.driver.events.send(&self.domain.reference(), event);
    }
}

/// Who shut the guest down, as QEMU tells it.
pub(super) fn finished(by_guest: Option<bool>) -> Finished {
    match by_guest {
        Some(true) => Finished::Guest,
        Some(false) => Finished::Host,
        None => Finished::Finished,
    }
}
