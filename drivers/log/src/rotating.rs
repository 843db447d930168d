//! A file that rolls over: when it would grow too large it becomes a backup, and a new one takes its place.
//!
//! ```text
//!   NAME.log ──► NAME.log.0 ──► NAME.log.1 ──► ... ──► gone
//! ```
//! A line stays in one file wherever it fits into one: the break comes after the last line that fits.

use crate::config::Limits;
use crate::place::{self, Opened, backup};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A place in a log: a file, whatever its name is by now, and how far into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) inode: u64,
    pub(crate) offset: u64,
}

/// A log open for writing. All of it blocks on the disk.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    file: File,
    /// It can roll over: it is no device.
    is_file: bool,
    inode: u64,
    length: u64,
    /// What comes next begins a line.
    at_line_start: bool,
}

impl Rotating {
    /// Opens the log; with `truncate` it and its backups are emptied first.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: &Path, truncate: bool, limits: Limits) -> io::Result<Self> {
        let Opened { file, is_file } = place::open(path)?;
        if truncate && is_file {
            for number in 0..limits.max_backups {
                remove(&backup(path, number))?;
            }
            file.set_len(0)?;
        }
        let status = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            file,
            is_file,
            inode: status.ino(),
            length: status.len(),
            at_line_start: !is_file || ends_a_line(path, status.len()),
        })
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> Position {
        Position {
            inode: self.inode,
            offset: self.length,
        }
    }

    /// Appends `bytes`, rolling over where they do not fit.
    ///
    /// # Errors
    /// The system's, with how many bytes were written before.
    pub(crate) fn write(&mut self, bytes: &[u8], limits: Limits) -> Result<(), (usize, io::Error)> {
        let mut rest = bytes;
        let done = |rest: &[u8]| bytes.len().saturating_sub(rest.len());
        while !rest.is_empty() {
            let fits = self.fits(rest, limits);
            let (now, later) = rest.split_at_checked(fits).unwrap_or((rest, &[]));
            if let Err((count, failure)) = self.append(now) {
                return Err((done(rest).saturating_add(count), failure));
            }
            if !later.is_empty() {
                self.roll_over(limits).map_err(|failure| (done(later), failure))?;
            }
            rest = later;
        }
        Ok(())
    }

    /// How many of the bytes go into the present file.
    fn fits(&self, bytes: &[u8], limits: Limits) -> usize {
        if limits.max_size == 0 || !self.is_file {
            return bytes.len();
        }
        let room = usize::try_from(limits.max_size.saturating_sub(self.length)).unwrap_or(usize::MAX);
        let Some(part) = bytes.get(..room).filter(|part| part.len() < bytes.len()) else {
            return bytes.len();
        };
        match part.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // The line belongs into the next file as a whole, unless some of it is here, or nothing else is.
            None if self.at_line_start && self.length > 0 => 0,
            None => room,
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => {
                    return Err((bytes.len() - rest.len(), io::ErrorKind::WriteZero.into()));
                }
                Ok(count) => {
                    let written = rest.get(..count).unwrap_or_default();
                    self.at_line_start = written.last() == Some(&b'\n');
                    self.length = self.length.saturating_add(count as u64);
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
                Err(failure) => return Err((bytes.len() - rest.len(), failure)),
            }
        }
        Ok(())
    }

    fn roll_over(&mut self, limits: Limits) -> io::Result<()> {
        let path = &self.path;
        match limits.max_backups.checked_sub(1) {
            None => remove(path)?,
            Some(oldest) => {
                remove(&backup(path, oldest))?;
                for number in (0..oldest).rev() {
                    rename(&backup(path, number), &backup(path, number + 1))?;
                }
                rename(path, &backup(path, 0))?;
            }
        }
        *self = Self::open(path, false, limits)?;
        Ok(())
    }
}

/// Whether what is in a file of that length ends with a line; so it is where nobody may look.
fn ends_a_line(path: &Path, length: u64) -> bool {
    let Some(last) = length.checked_sub(1) else {
        return true;
    };
    let mut byte = [b'\n'];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut byte, last));
    read.is_err() || byte == [b'\n']
}

fn remove(path: &Path) -> io::Result<()> {
    unless_missing(fs::remove_file(path))
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    unless_missing(fs::rename(from, to))
}

fn unless_missing(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(failure) if failure.kind() != io::ErrorKind::NotFound => Err(failure),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_size: 100,
        max_backups: 2,
    };

    fn files(path: &Path) -> Vec<String> {
        let names = std::iter::once(path.to_owned()).chain((0..9).map(|number| backup(path, number)));
        names.map_while(|name| fs::read_to_string(name).ok()).collect()
    }

    #[test]
    fn lines_stay_whole_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = Rotating::open(&path, false, LIMITS).unwrap();
        let lines: Vec<String> = (0..40).map(|number| format!("line {number:04}\n")).collect();
        // In pieces that respect nothing.
        for piece in lines.concat().as_bytes().chunks(7) {
            log.write(piece, LIMITS).unwrap();
        }
        let files = files(&path);
        assert_eq!(files.len(), 3);
        let kept: String = files.iter().rev().map(String::as_str).collect();
        assert!(lines.concat().ends_with(&kept));
        assert!(files.iter().all(|file| file.len() <= 100));
        assert_eq!(log.position().offset, files[0].len() as u64);
        // Whole pieces of lines break between lines.
        let mut log = Rotating::open(&path, true, LIMITS).unwrap();
        log.write(lines.concat().as_bytes(), LIMITS).unwrap();
        for file in self::files(&path) {
            assert!(file.starts_with("line ") && file.ends_with('\n'), "{file}");
        }
    }

    #[test]
    fn a_line_longer_than_a_file_is_cut_and_what_precedes_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = Rotating::open(&path, false, LIMITS).unwrap();
        log.write(b"short\n", LIMITS).unwrap();
        log.write("x".repeat(150).as_bytes(), LIMITS).unwrap();
        let lengths: Vec<_> = files(&path).iter().map(String::len).collect();
        assert_eq!(lengths, [50, 100, 6]);
    }

    #[test]
    fn truncation_takes_the_backups_and_no_limit_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = Rotating::open(&path, false, LIMITS).unwrap();
        log.write("x\n".repeat(120).as_bytes(), LIMITS).unwrap();
        assert_eq!(files(&path).len(), 3);
        let mut log = Rotating::open(&path, true, LIMITS).unwrap();
        assert_eq!(files(&path), [""]);
        let unlimited = Limits {
            max_size: 0,
            ..LIMITS
        };
        log.write("x\n".repeat(120).as_bytes(), unlimited).unwrap();
        assert_eq!(files(&path).len(), 1);
        let none_kept = Limits {
            max_backups: 0,
            ..LIMITS
        };
        log.write(b"y\n", none_kept).unwrap();
        assert_eq!(files(&path), ["y\n"]);
    }

    #[test]
    fn a_full_disk_is_told_with_what_it_took() {
        let mut log = Rotating::open(Path::new("/dev/full"), false, LIMITS).unwrap();
        let (written, failure) = log.write(b"x", LIMITS).unwrap_err();
        assert_eq!((written, failure.kind()), (0, io::ErrorKind::StorageFull));
    }
}
