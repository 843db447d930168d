//! QEMU's own events, for clients that want them as they are (program `qemu`).

use daemon::events::Events;
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::{qemu, remote};
use rpc::Session;
use std::sync::Arc;
use uuid::Uuid;

/// Which of them a callback wants.
#[derive(Debug, Clone)]
pub(crate) struct MonitorFilter {
    /// The one domain it is for.
    pub domain: Option<Uuid>,
    /// The event's name, whole; all where missing.
    pub name: Option<String>,
    /// Whether capitals do not matter (`VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE`).
    pub any_case: bool,
}

impl MonitorFilter {
    fn wants(&self, domain: Uuid, name: &str) -> bool {
        let named = self.name.as_deref().is_none_or(|wanted| {
            if self.any_case {
                wanted.eq_ignore_ascii_case(name)
            } else {
                wanted == name
            }
        });
        named && self.domain.is_none_or(|wanted| wanted == domain)
    }
}

/// Who listens to monitors.
#[derive(Debug, Default)]
pub(crate) struct MonitorHub {
    callbacks: Arc<Events<MonitorFilter>>,
}

impl MonitorHub {
    /// Registers a callback.
    ///
    /// # Errors
    /// The session has too many.
    pub(crate) fn register(&self, session: &Arc<Session>, filter: MonitorFilter) -> Result<i32> {
        self.callbacks.register(session, 0, filter)
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] when there is none.
    pub(crate) fn deregister(&self, session: &Session, id: i32) -> Result<()> {
        let taken = self.callbacks.take(session, |one| one.id == id);
        taken.map(|_| ()).ok_or_else(|| {
            Error::new(
                Code::InvalidArg,
                ErrorDomain::Rpc,
                format!("qemu monitor event callback {id} not registered"),
            )
        })
    }

    /// Tells everybody who wants to hear it.
    pub(crate) fn send(&self, domain: &remote::Domain, event: &qmp::Event) {
        if self.callbacks.unheard(0) {
            return;
        }
        let uuid = Uuid::from_bytes(domain.uuid);
        let details = (!event.data.is_null()).then(|| event.data.to_string());
        self.callbacks.tell(0, |session, callback| {
            if callback.filter.wants(uuid, &event.name) {
                session.send_event::<qemu::procedure::DomainMonitorEvent>(&qemu::DomainMonitorEventMsg {
                    callback_id: callback.id,
                    dom: domain.clone(),
                    event: event.name.clone(),
                    seconds: event.timestamp.seconds,
                    micros: u32::try_from(event.timestamp.microseconds).unwrap_or(0),
                    details: details.clone(),
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_by_domain_and_name() {
        let uuid = Uuid::from_u128(1);
        let filter = MonitorFilter {
            domain: Some(uuid),
            name: Some("stop".into()),
            any_case: true,
        };
        assert!(filter.wants(uuid, "STOP"));
        assert!(!filter.wants(uuid, "STOPPED"));
        assert!(!filter.wants(Uuid::from_u128(2), "STOP"));
    }
}
