//! Content over a UNIX socket from one thread to another, without a daemon: the measure for what a daemon adds.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Instant;

/// How much is passed on at once: about what a packet of a stream carries.
const PIECE: usize = 256 << 10;

/// Seconds from the bytes of one thread, through a socket, into a file that is there already, until they are on the disk: what a
/// daemon has acknowledged is.
///
/// # Errors
/// What the disk says.
pub(super) fn upload(path: &Path, length: u64) -> Result<f64> {
    let file = File::options().write(true).open(path)?;
    let bytes = std::io::repeat(b'x').take(length);
    let start = Instant::now();
    copy(bytes, &file, length)?;
    file.sync_data()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds from a file, through a socket, to another thread.
///
/// # Errors
/// What the disk says.
pub(super) fn download(path: &Path, length: u64) -> Result<f64> {
    copy(File::open(path)?.take(length), std::io::sink(), length)
}

fn copy(mut from: impl Read + Send, mut to: impl Write, length: u64) -> Result<f64> {
    let (mut near, mut far) = UnixStream::pair()?;
    let start = Instant::now();
    thread::scope(|scope| {
        let sending = scope.spawn(move || -> Result<()> {
            let mut piece = vec![0; PIECE];
            loop {
                let count = from.read(&mut piece)?;
                match piece.get(..count) {
                    Some(read) if count > 0 => near.write_all(read)?,
                    _ => return Ok(()),
                }
            }
        });
        let mut piece = vec![0; PIECE];
        let mut left = length;
        while left > 0 {
            let count = far.read(&mut piece)?;
            let read = piece.get(..count).filter(|read| !read.is_empty());
            let read = read.context("the other thread ended")?;
            to.write_all(read)?;
            left = left.saturating_sub(count as u64);
        }
        sending.join().ok().context("a thread panicked")?
    })?;
    Ok(start.elapsed().as_secs_f64())
}
