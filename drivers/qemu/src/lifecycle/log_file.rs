//! A guest's log: a header for each start, then whatever QEMU says.

use super::logd::Logd;
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::log::LogFilePosition;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How much of QEMU's last words goes into an error, in bytes.
const LAST_WORDS: u64 = 4096;

/// The log of one start.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// What QEMU writes to: the file, or a pipe that virtlogd drains into it.
    file: File,
    path: PathBuf,
    start: Start,
}

/// Where QEMU's own words of this start begin, and who knows what follows.
#[derive(Debug)]
enum Start {
    InFile(u64),
    AtLogd(Logd, LogFilePosition),
}

impl LogFile {
    /// Opens the log and writes the header: when, what and the whole command line.
    ///
    /// # Errors
    /// When the file cannot be opened or written.
    pub(crate) fn open(
        path: &Path,
        environment: &[(String, String)],
        binary: &Path,
        arguments: &[String],
    ) -> Result<Self> {
        Self::with_header(path, &header(environment, binary, arguments))
    }

    /// Opens the log and writes a [`header`] that is made already.
    ///
    /// # Errors
    /// When the file cannot be opened or written.
    pub(super) fn with_header(path: &Path, header: &str) -> Result<Self> {
        let failed = |err: std::io::Error| {
            let text = format!("cannot write the guest's log '{}': {err}", path.display());
            Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
        };
        let mut file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(header.as_bytes()).map_err(failed)?;
        let start = file.metadata().map_err(failed)?.len();
        Ok(Self {
            file,
            path: path.to_owned(),
            start: Start::InFile(start),
        })
    }

    /// The same through virtlogd.
    ///
    /// # Errors
    /// What virtlogd says.
    pub(super) async fn through(logd: &Logd, path: &Path, header: String) -> Result<Self> {
        logd.append(path, header).await?;
        let opened = logd.open(path, true).await?;
        Ok(Self {
            file: opened.pipe.into(),
            path: path.to_owned(),
            start: Start::AtLogd(logd.clone(), opened.start),
        })
    }

    /// A handle for QEMU to write to.
    ///
    /// # Errors
    /// When the descriptor cannot be doubled.
    pub(crate) fn handle(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// What QEMU said since this start, its end if it was much.
    pub(crate) async fn last_words(&self) -> String {
        match &self.start {
            Start::InFile(start) => last_words(&self.path, *start),
            Start::AtLogd(logd, start) => match logd.read(&self.path, start).await {
                Ok(said) => end_of(&said),
                Err(err) => {
                    tracing::warn!(path = %self.path.display(), %err, "what QEMU said cannot be read");
                    String::new()
                }
            },
        }
    }
}

/// What stands in a log before QEMU's own words: when, what and the whole command line.
pub(super) fn header(environment: &[(String, String)], binary: &Path, arguments: &[String]) -> String {
    let mut header = format!(
        "{}: starting up, Ferrovirt {}\n",
        now(),
        env!("CARGO_PKG_VERSION")
    );
    for (name, value) in environment {
        header.push_str(&format!("{name}={} \\\n", quote(value)));
    }
    header.push_str(&quote(&binary.to_string_lossy()));
    for argument in arguments {
        // An option begins a line, its value follows on it.
        header.push_str(if argument.starts_with('-') { " \\\n" } else { " " });
        header.push_str(&quote(argument));
    }
    header.push('\n');
    header
}

/// The end of what was said, if it is much.
fn end_of(said: &str) -> String {
    let much = usize::try_from(LAST_WORDS).unwrap_or(usize::MAX);
    let from = said.ceil_char_boundary(said.len().saturating_sub(much));
    said.get(from..).unwrap_or_default().trim().to_owned()
}

fn last_words(path: &Path, start: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(end.saturating_sub(LAST_WORDS))))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default())
        .trim()
        .to_owned()
}

/// Adds one line to a guest's log, for example why it ended. Best effort: the guest's fate does not hang on it.
pub(super) fn note(path: &Path, text: &str) {
    let written = OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(line(text).as_bytes()));
    if let Err(err) = written {
        tracing::warn!(path = %path.display(), %err, "cannot write to the guest's log");
    }
}

/// A line of a log, with the time.
pub(super) fn line(text: &str) -> String {
    format!("{}: {text}\n", now())
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%d %H:%M:%S%.3f+0000")
        .to_string()
}

/// `text` as a shell would need it.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_header_can_be_pasted_into_a_shell_and_the_last_words_follow_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vm.log");
        let arguments = ["-name".to_owned(), "it's".to_owned(), "-S".to_owned()];
        let log = LogFile::open(
            &path,
            &[("LC_ALL".into(), "C".into())],
            Path::new("/bin/qemu"),
            &arguments,
        )
        .unwrap();
        assert_eq!(log.last_words().await, "");
        log.handle().unwrap().write_all(b"qemu: no such disk\n").unwrap();
        assert_eq!(log.last_words().await, "qemu: no such disk");
        assert_eq!(end_of(&"é".repeat(4096)).chars().count(), 2048);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("LC_ALL=C \\\n/bin/qemu \\\n-name 'it'\\''s' \\\n-S\nqemu"),
            "{text}"
        );
    }
}
