//! A guest's log: a header for each start, then whatever QEMU says.

use error::{Code, Domain as ErrorDomain, Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How much of QEMU's last words goes into an error, in bytes.
const LAST_WORDS: u64 = 4096;

/// The log of one start.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    path: PathBuf,
    /// Where QEMU's own words of this start begin.
    start: u64,
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
        file.write_all(header.as_bytes()).map_err(failed)?;
        let start = file.metadata().map_err(failed)?.len();
        Ok(Self {
            file,
            path: path.to_owned(),
            start,
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
    pub(crate) fn last_words(&self) -> String {
        last_words(&self.path, self.start)
    }
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
pub(crate) fn note(path: &Path, text: &str) {
    let written = OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{}: {text}\n", now()).as_bytes()));
    if let Err(err) = written {
        tracing::warn!(path = %path.display(), %err, "cannot write to the guest's log");
    }
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%d %H:%M:%S%.3f+0000")
        .to_string()
}

/// `text` as a shell would need it.
fn quote(text: &str) -> String {
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

    #[test]
    fn the_header_can_be_pasted_into_a_shell_and_the_last_words_follow_it() {
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
        assert_eq!(log.last_words(), "");
        log.handle().unwrap().write_all(b"qemu: no such disk\n").unwrap();
        assert_eq!(log.last_words(), "qemu: no such disk");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("LC_ALL=C \\\n/bin/qemu \\\n-name 'it'\\''s' \\\n-S\nqemu"),
            "{text}"
        );
    }
}
