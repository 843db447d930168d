//! Lines for systemd's journal, in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
//!
//! The crate `tracing-journald` leaves the fields out of the message, so that `journalctl` would tell that something is wrong with a file
//! and not with which; it waits for a journal that does not read, and has priorities of its own for levels.

use super::settings::LogLevel;
use std::io::Result;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use tracing::Event;
use tracing::field::{Field, Visit};

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The most bytes of one value that are sent. All of them go into one datagram, which a kernel takes up to some 200 KiB.
const LONGEST: usize = 16 * 1024;

/// The journal of this host.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    /// What `journalctl -t` finds it by.
    identifier: String,
}

impl Journal {
    /// The journal.
    ///
    /// # Errors
    /// Nobody listens there: this is no host of systemd's.
    pub(super) fn open() -> Result<Self> {
        let program = std::env::args_os().next().unwrap_or_default();
        let identifier = Path::new(&program).file_name().unwrap_or_default();
        Self::at(Path::new(SOCKET), &identifier.to_string_lossy())
    }

    fn at(path: &Path, identifier: &str) -> Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // It ignores what is empty.
        socket.send_to(&[], path)?;
        // A full journal loses lines instead of stopping this daemon.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
            identifier: identifier.to_owned(),
        })
    }

    /// Sends an event, whose fields `message` has as well.
    ///
    /// # Errors
    /// The journal does not take it.
    pub(super) fn send(&self, event: &Event<'_>, level: LogLevel, message: &str) -> Result<()> {
        let metadata = event.metadata();
        let mut entry = Entry(Vec::with_capacity(512));
        entry.add("MESSAGE", message);
        entry.add("PRIORITY", &level.severity().to_string());
        entry.add("SYSLOG_IDENTIFIER", &self.identifier);
        entry.add("TARGET", metadata.target());
        if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            entry.add("CODE_FILE", file);
            entry.add("CODE_LINE", &line.to_string());
        }
        event.record(&mut entry);
        // By its path, as another one may listen there by now.
        self.socket.send_to(&entry.0, &self.path).map(|_| ())
    }
}

/// An entry as it is sent.
struct Entry(Vec<u8>);

impl Entry {
    /// Adds a field, whose name is of capital letters, digits and underscores.
    fn add(&mut self, name: &str, value: &str) {
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = value.get(..end).unwrap_or_default().as_bytes();
        self.0.extend(name.as_bytes());
        if value.contains(&b'\n') {
            self.0.push(b'\n');
            self.0.extend((value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend(value);
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return;
        }
        // The journal drops fields of other names.
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let name: String = field.name().chars().map(plain).collect();
        self.add(name.trim_start_matches('_'), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the journal gets of one event.
    fn sent(log: impl FnOnce()) -> Vec<u8> {
        use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

        struct ToJournal(Journal);
        impl<S: tracing::Subscriber> Layer<S> for ToJournal {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                self.0.send(event, LogLevel::Warning, "all of it").unwrap();
            }
        }

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path, "virttestd").unwrap();
        let subscriber = tracing_subscriber::registry().with(ToJournal(journal));
        tracing::subscriber::with_default(subscriber, log);
        let mut bytes = vec![0; 1 << 18];
        // The first one only asks whether somebody is there.
        assert_eq!(listener.recv(&mut bytes).unwrap(), 0);
        let count = listener.recv(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn fields_are_sent_beside_the_message() {
        let bytes = sent(|| {
            tracing::warn!(
                file = "a.xml",
                r#try = 7,
                lines = "one\ntwo",
                "a file was left out"
            )
        });
        let text = String::from_utf8_lossy(&bytes);
        for line in [
            "MESSAGE=all of it\n",
            "PRIORITY=4\n",
            "SYSLOG_IDENTIFIER=virttestd\n",
            "TARGET=daemon::logging::journal::tests\n",
            "CODE_FILE=crates/daemon/src/logging/journal.rs\n",
            "FILE=a.xml\n",
            "TRY=7\n",
            "LINES\n\x07\0\0\0\0\0\0\0one\ntwo\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut_and_sent_all_the_same() {
        let long = "ä".repeat(1 << 20);
        let bytes = sent(|| tracing::warn!(long, "much"));
        let text = String::from_utf8(bytes).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix("LONG=")).unwrap();
        assert!(value.len() <= LONGEST && value.chars().all(|letter| letter == 'ä'));
    }

    #[test]
    fn a_journal_that_does_not_read_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path, "virttestd").unwrap();
        // Far more than a socket keeps.
        let mut taken = 0;
        while journal.socket.send_to(&[0; 1024], &path).is_ok() {
            taken += 1;
            assert!(taken < 100_000, "it never fills up");
        }
    }
}
