//! The places where the log goes.
//!
//! A line is written with one system call, so lines of several threads do not mix. A place that cannot take a line
//! loses it: there is nowhere to complain, and no call may fail because its log does.

use super::journal::Journal;
use super::settings::{LogLevel, OutputSpec, Sink};
use error::{Code, Domain, Error, Result};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Event;
use tracing::field::{Field, Visit};

/// An open output; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) spec: OutputSpec,
    open: Open,
}

#[derive(Clone)]
enum Open {
    Stderr,
    File(Arc<File>),
    Journald(Arc<Journal>),
    Syslog(Arc<UnixDatagram>),
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

impl Output {
    pub(super) fn open(spec: OutputSpec) -> Result<Self> {
        let opened = match &spec.sink {
            Sink::Stderr => Ok(Open::Stderr),
            Sink::File(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map(|file| Open::File(Arc::new(file))),
            Sink::Journald => Journal::open().map(|journal| Open::Journald(Arc::new(journal))),
            Sink::Syslog(_) => UnixDatagram::unbound().and_then(|socket| {
                socket.connect("/dev/log")?;
                // A full log daemon loses lines instead of stopping this one.
                socket.set_nonblocking(true)?;
                Ok(Open::Syslog(Arc::new(socket)))
            }),
        };
        match opened {
            Ok(open) => Ok(Self { spec, open }),
            Err(failure) => {
                let text = format!("cannot open the log output '{spec}': {failure}");
                Err(Error::new(Code::SystemError, Domain::Logging, text))
            }
        }
    }

    pub(super) fn write(&self, event: &Event<'_>, level: LogLevel) {
        // What cannot be logged is lost; see above.
        match &self.open {
            Open::Stderr => {
                let _ = std::io::stderr().write_all(line(event, level).as_bytes());
            }
            Open::File(file) => {
                let _ = file.as_ref().write_all(line(event, level).as_bytes());
            }
            Open::Journald(journal) => {
                let _ = journal.send(event, level, &message(event));
            }
            Open::Syslog(socket) => {
                let Sink::Syslog(name) = &self.spec.sink else {
                    return;
                };
                // Facility "daemon", and the severity of that level.
                let text = format!(
                    "<{}>{name}[{}]: {}",
                    3 * 8 + level.severity(),
                    std::process::id(),
                    message(event)
                );
                let _ = socket.send(text.as_bytes());
            }
        }
    }
}

/// `2026-01-02 03:04:05.678+0000: THREAD: LEVEL : CATEGORY:LINE : MESSAGE FIELD=VALUE...`, as libvirt's files have it.
fn line(event: &Event<'_>, level: LogLevel) -> String {
    let metadata = event.metadata();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!(
        "{}.{:03}+0000: {}: {} : {}:{} : {}\n",
        civil(now.as_secs()),
        now.subsec_millis(),
        rustix::thread::gettid().as_raw_nonzero(),
        level.name(),
        metadata.target().replace("::", "."),
        metadata.line().unwrap_or(0),
        message(event),
    )
}

/// The message and its fields, on one line whatever they hold.
fn message(event: &Event<'_>) -> String {
    struct Text {
        message: String,
        fields: String,
    }
    impl Visit for Text {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            // Writing to a string cannot fail.
            let _ = match field.name() {
                "message" => write!(self.message, "{value:?}"),
                name => write!(self.fields, " {name}={value:?}"),
            };
        }
    }
    let mut text = Text {
        message: String::new(),
        fields: String::new(),
    };
    event.record(&mut text);
    let text = text.message + &text.fields;
    if text.contains(char::is_control) {
        return text
            .chars()
            .flat_map(|c| {
                if c.is_control() {
                    c.escape_default().collect()
                } else {
                    vec![c]
                }
            })
            .collect();
    }
    text
}

/// Seconds since 1970 as date and time of day, in the Gregorian calendar.
fn civil(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Eras of 400 years, from 1 March of the year 0, so that the leap day ends a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_251_200, "2024-03-01 00:00:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(civil(seconds), expected);
        }
    }
}
