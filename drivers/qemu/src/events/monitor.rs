//! QEMU's own events, for clients that want them as they are (program `qemu`).

use daemon::events::Events;
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::{qemu, remote};
use regex_lite::{Regex, RegexBuilder};
use rpc::Session;
use std::sync::Arc;
use uuid::Uuid;

/// Which of them a callback wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MonitorFilter {
    /// The one domain it is for.
    pub domain: Option<Uuid>,
    /// Which names; all where missing.
    pub name: Option<NameFilter>,
}

/// Which names of events a callback wants.
#[derive(Debug, Clone)]
pub(crate) enum NameFilter {
    /// The one name.
    Exact(String),
    /// The one name, in capitals or not (`VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_NOCASE`).
    AnyCase(String),
    /// Those that a regular expression finds something in (`..._REGEX`).
    Pattern(Regex),
}

impl PartialEq for NameFilter {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) | (Self::AnyCase(one), Self::AnyCase(other)) => {
                one == other
            }
            (Self::Pattern(one), Self::Pattern(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for NameFilter {}

impl NameFilter {
    /// A regular expression, with capitals told apart or not.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] when it is none, or needs more than a small program to be found.
    pub(crate) fn pattern(text: &str, any_case: bool) -> Result<Self> {
        /// Bytes that a compiled expression may occupy.
        const SIZE_MAX: usize = 1 << 18;
        let mut builder = RegexBuilder::new(text);
        let builder = builder.case_insensitive(any_case).size_limit(SIZE_MAX);
        builder.build().map(Self::Pattern).map_err(|err| {
            let text = format!("failed to compile regex '{text}': {err}");
            Error::new(Code::InvalidArg, ErrorDomain::None, text)
        })
    }

    fn wants(&self, name: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == name,
            Self::AnyCase(wanted) => wanted.eq_ignore_ascii_case(name),
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

impl MonitorFilter {
    fn wants(&self, domain: Uuid, name: &str) -> bool {
        self.domain.is_none_or(|wanted| wanted == domain)
            && self.name.as_ref().is_none_or(|wanted| wanted.wants(name))
    }
}

/// The number under which callbacks are kept; the program has one event.
const MONITOR_EVENT: i32 = 0;

/// Who listens to monitors.
#[derive(Debug)]
pub(crate) struct MonitorHub {
    callbacks: Arc<Events<MonitorFilter>>,
}

impl Default for MonitorHub {
    fn default() -> Self {
        Self {
            callbacks: Events::new("qemu monitor", MONITOR_EVENT + 1),
        }
    }
}

impl MonitorHub {
    /// Registers a callback.
    ///
    /// # Errors
    /// As [`Events::register`].
    pub(crate) fn register(&self, session: &Arc<Session>, filter: MonitorFilter) -> Result<i32> {
        self.callbacks.register(session, MONITOR_EVENT, filter)
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// As [`Events::deregister`].
    pub(crate) fn deregister(&self, session: &Session, id: i32) -> Result<()> {
        self.callbacks.deregister(session, id).map(|_| ())
    }

    /// Tells everybody who wants to hear it.
    pub(crate) fn send(&self, domain: &remote::Domain, event: &qmp::Event) {
        if self.callbacks.unheard(MONITOR_EVENT) {
            return;
        }
        let uuid = Uuid::from_bytes(domain.uuid);
        let details = (!event.data.is_null()).then(|| event.data.to_string());
        self.callbacks.tell(MONITOR_EVENT, |session, callback| {
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
            name: Some(NameFilter::AnyCase("stop".into())),
        };
        assert!(filter.wants(uuid, "STOP"));
        assert!(!filter.wants(uuid, "STOPPED"));
        assert!(!filter.wants(Uuid::from_u128(2), "STOP"));
    }

    #[test]
    fn an_expression_finds_and_a_bad_one_is_refused() {
        let filter = NameFilter::pattern("^(STOP|res)", true).unwrap();
        assert!(filter.wants("RESUME") && filter.wants("STOP") && !filter.wants("NONSTOP"));
        assert!(!NameFilter::pattern("stop", false).unwrap().wants("STOP"));
        for bad in ["(", "(a{1000}){1000}"] {
            assert_eq!(
                NameFilter::pattern(bad, false).unwrap_err().code(),
                Code::InvalidArg
            );
        }
    }
}
