//! Who listens, and the wire's form of each event.

use super::{Event, MonitorHub};
use daemon::events::{Callback, Events};
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::remote::{self, procedure as p};
use rpc::Session;
use std::sync::Arc;
use uuid::Uuid;

/// How many events the header numbers (`virDomainEventID`).
const EVENTS: i32 = 28;

/// What a callback wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The form it hears.
    pub form: Form,
    /// The one domain it is for.
    pub domain: Option<Uuid>,
}

/// Whether a client gets the number of its callback with the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The event alone: one callback for each event.
    Plain,
    /// With the number.
    Numbered,
}

/// Who listens to domains.
#[derive(Debug)]
pub(crate) struct Hub {
    callbacks: Arc<Events<Wanted>>,
    monitors: MonitorHub,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            callbacks: Events::new("domain", EVENTS),
            monitors: MonitorHub::default(),
        }
    }
}

impl Hub {
    /// Those who listen to QEMU's own events.
    pub(crate) fn monitors(&self) -> &MonitorHub {
        &self.monitors
    }

    /// Registers a callback.
    ///
    /// # Errors
    /// As [`Events::register`].
    pub(crate) fn register(&self, session: &Arc<Session>, event: i32, wanted: Wanted) -> Result<i32> {
        self.callbacks.register(session, event, wanted)
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// As [`Events::deregister`].
    pub(crate) fn deregister(&self, session: &Session, id: i32) -> Result<()> {
        self.callbacks.deregister(session, id).map(|_| ())
    }

    /// Removes the plain callback for an event.
    ///
    /// # Errors
    /// [`Code::InternalError`] when there is none.
    pub(crate) fn deregister_plain(&self, session: &Session, event: i32) -> Result<()> {
        self.callbacks.known(event)?;
        let is_plain = |one: &Callback<Wanted>| one.event == event && one.filter.form == Form::Plain;
        let taken = self.callbacks.take(session, is_plain);
        taken.map(|_| ()).ok_or_else(|| {
            let text = format!("domain event {event} not registered");
            Error::new(Code::InternalError, ErrorDomain::Rpc, text)
        })
    }

    /// Tells everybody who wants to hear it.
    pub(crate) fn send(&self, domain: &remote::Domain, event: Event) {
        self.tell(domain, &event);
        // An I/O error is heard by those who want its reason as well.
        if let Event::IoError { .. } = event {
            self.tell_io_error_reason(domain, &event);
        }
    }

    /// Calls `plain` or `numbered` for each callback for the event of that number and this domain.
    fn each(
        &self,
        number: i32,
        domain: &remote::Domain,
        plain: impl Fn(&Session),
        numbered: impl Fn(&Session, i32),
    ) {
        if self.callbacks.unheard(number) {
            return;
        }
        let uuid = Uuid::from_bytes(domain.uuid);
        self.callbacks.tell(number, |session, callback| {
            if callback.filter.domain.is_some_and(|wanted| wanted != uuid) {
                return;
            }
            match callback.filter.form {
                Form::Plain => plain(session),
                Form::Numbered => numbered(session, callback.id),
            }
        });
    }
}

/// Sends a message that exists in both forms: alone, and inside one with the callback's number.
macro_rules! both {
    ($hub:expr, $number:literal, $domain:expr, $plain:ident, $numbered:ident, $outer:ident $({ $($extra:ident: $value:expr),* })?, $message:expr) => {{
        let message = $message;
        $hub.each(
            $number,
            $domain,
            |session| session.send_event::<p::$plain>(&message),
            |session, callback_id| {
                session.send_event::<p::$numbered>(&remote::$outer {
                    callback_id,
                    $($($extra: $value,)*)?
                    msg: message.clone(),
                });
            },
        )
    }};
}

impl Hub {
    fn tell(&self, domain: &remote::Domain, event: &Event) {
        let dom = domain.clone();
        match event {
            Event::Lifecycle(change) => {
                let (event, detail) = change.numbers();
                both!(
                    self,
                    0,
                    domain,
                    DomainEventLifecycle,
                    DomainEventCallbackLifecycle,
                    DomainEventCallbackLifecycleMsg,
                    remote::DomainEventLifecycleMsg { dom, event, detail }
                )
            }
            Event::Reboot => both!(
                self,
                1,
                domain,
                DomainEventReboot,
                DomainEventCallbackReboot,
                DomainEventCallbackRebootMsg,
                remote::DomainEventRebootMsg { dom }
            ),
            Event::RtcChange { offset } => both!(
                self,
                2,
                domain,
                DomainEventRtcChange,
                DomainEventCallbackRtcChange,
                DomainEventCallbackRtcChangeMsg,
                remote::DomainEventRtcChangeMsg { dom, offset: *offset }
            ),
            Event::Watchdog { action } => both!(
                self,
                3,
                domain,
                DomainEventWatchdog,
                DomainEventCallbackWatchdog,
                DomainEventCallbackWatchdogMsg,
                remote::DomainEventWatchdogMsg { dom, action: *action }
            ),
            Event::IoError {
                path, alias, action, ..
            } => both!(
                self,
                4,
                domain,
                DomainEventIoError,
                DomainEventCallbackIoError,
                DomainEventCallbackIoErrorMsg,
                remote::DomainEventIoErrorMsg {
                    dom,
                    src_path: path.clone(),
                    dev_alias: alias.clone(),
                    action: *action,
                }
            ),
            Event::Graphics {
                phase,
                local,
                remote: client,
                scheme,
            } => both!(
                self,
                5,
                domain,
                DomainEventGraphics,
                DomainEventCallbackGraphics,
                DomainEventCallbackGraphicsMsg,
                remote::DomainEventGraphicsMsg {
                    dom,
                    phase: *phase,
                    local: local.clone(),
                    remote: client.clone(),
                    auth_scheme: scheme.clone(),
                    subject: Vec::new(),
                }
            ),
            Event::DiskDropped { path, alias } => both!(
                self,
                9,
                domain,
                DomainEventDiskChange,
                DomainEventCallbackDiskChange,
                DomainEventCallbackDiskChangeMsg,
                remote::DomainEventDiskChangeMsg {
                    dom,
                    old_src_path: path.clone(),
                    new_src_path: None,
                    dev_alias: alias.clone(),
                    // `VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START`.
                    reason: 1,
                }
            ),
            Event::TrayChange { alias, opened } => both!(
                self,
                10,
                domain,
                DomainEventTrayChange,
                DomainEventCallbackTrayChange,
                DomainEventCallbackTrayChangeMsg,
                remote::DomainEventTrayChangeMsg {
                    dom,
                    dev_alias: alias.clone(),
                    reason: i32::from(!*opened),
                }
            ),
            Event::PmWakeup => both!(
                self,
                11,
                domain,
                DomainEventPmwakeup,
                DomainEventCallbackPmwakeup,
                DomainEventCallbackPmwakeupMsg { reason: 0 },
                remote::DomainEventPmwakeupMsg { dom }
            ),
            Event::PmSuspend => both!(
                self,
                12,
                domain,
                DomainEventPmsuspend,
                DomainEventCallbackPmsuspend,
                DomainEventCallbackPmsuspendMsg { reason: 0 },
                remote::DomainEventPmsuspendMsg { dom }
            ),
            Event::BalloonChange { actual } => both!(
                self,
                13,
                domain,
                DomainEventBalloonChange,
                DomainEventCallbackBalloonChange,
                DomainEventCallbackBalloonChangeMsg,
                remote::DomainEventBalloonChangeMsg { dom, actual: *actual }
            ),
            Event::PmSuspendDisk => both!(
                self,
                14,
                domain,
                DomainEventPmsuspendDisk,
                DomainEventCallbackPmsuspendDisk,
                DomainEventCallbackPmsuspendDiskMsg { reason: 0 },
                remote::DomainEventPmsuspendDiskMsg { dom }
            ),
            Event::DeviceRemoved { alias } => both!(
                self,
                15,
                domain,
                DomainEventDeviceRemoved,
                DomainEventCallbackDeviceRemoved,
                DomainEventCallbackDeviceRemovedMsg,
                remote::DomainEventDeviceRemovedMsg {
                    dom,
                    dev_alias: alias.clone()
                }
            ),
            // These came after callbacks had numbers, so there is no plain form.
            Event::AgentLifecycle { state, reason } => self.each(
                18,
                domain,
                |_| {},
                |session, callback_id| {
                    session.send_event::<p::DomainEventCallbackAgentLifecycle>(
                        &remote::DomainEventCallbackAgentLifecycleMsg {
                            callback_id,
                            dom: domain.clone(),
                            state: *state,
                            reason: *reason,
                        },
                    );
                },
            ),
            Event::Tunable { params } => self.each(
                17,
                domain,
                |_| {},
                |session, callback_id| {
                    session.send_event::<p::DomainEventCallbackTunable>(
                        &remote::DomainEventCallbackTunableMsg {
                            callback_id,
                            dom: domain.clone(),
                            params: params.clone(),
                        },
                    );
                },
            ),
            Event::MetadataChange { kind, uri } => self.each(
                23,
                domain,
                |_| {},
                |session, callback_id| {
                    session.send_event::<p::DomainEventCallbackMetadataChange>(
                        &remote::DomainEventCallbackMetadataChangeMsg {
                            callback_id,
                            dom: domain.clone(),
                            r#type: *kind,
                            nsuri: uri.clone(),
                        },
                    );
                },
            ),
        }
    }

    fn tell_io_error_reason(&self, domain: &remote::Domain, event: &Event) {
        let Event::IoError {
            path,
            alias,
            action,
            reason,
        } = event
        else {
            return;
        };
        both!(
            self,
            6,
            domain,
            DomainEventIoErrorReason,
            DomainEventCallbackIoErrorReason,
            DomainEventCallbackIoErrorReasonMsg,
            remote::DomainEventIoErrorReasonMsg {
                dom: domain.clone(),
                src_path: path.clone(),
                dev_alias: alias.clone(),
                action: *action,
                reason: reason.clone(),
            }
        );
    }
}
