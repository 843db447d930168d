//! What an answer of another thread costs by itself: the measure for what virtproxyd adds to a call.

use super::median;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A packet without a body.
const SIZE: usize = 28;

/// A thread that sends back what it gets, until the value ends; between it and the asker there may be one that passes on.
pub(super) struct PingPong {
    ours: UnixStream,
    threads: Vec<JoinHandle<()>>,
}

impl PingPong {
    /// # Errors
    /// When there can be no socket pair.
    pub(super) fn start() -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let threads = vec![thread::spawn(move || echo(&theirs))];
        Ok(Self { ours, threads })
    }

    /// The same with a thread between that passes on: the least that any proxy costs.
    ///
    /// # Errors
    /// When there can be no socket pair.
    pub(super) fn relayed() -> Result<Self> {
        let (ours, near) = UnixStream::pair()?;
        let (far, theirs) = UnixStream::pair()?;
        let threads = vec![
            thread::spawn(move || while pass(&near, &far) && pass(&far, &near) {}),
            thread::spawn(move || echo(&theirs)),
        ];
        Ok(Self { ours, threads })
    }

    /// Seconds there and back, the median of `times`.
    ///
    /// # Errors
    /// When the other thread has ended.
    pub(super) fn seconds(&mut self, times: usize) -> Result<f64> {
        let mut buffer = [0; SIZE];
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            self.ours.write_all(&buffer)?;
            self.ours.read_exact(&mut buffer)?;
            taken.push(start.elapsed().as_secs_f64());
        }
        median(&taken).context("nothing was measured")
    }
}

impl Drop for PingPong {
    fn drop(&mut self) {
        // The thread reads the end.
        let _ = self.ours.shutdown(std::net::Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Passes one packet on; false when one side is gone.
fn pass(mut from: &UnixStream, mut to: &UnixStream) -> bool {
    let mut buffer = [0; SIZE];
    from.read_exact(&mut buffer).is_ok() && to.write_all(&buffer).is_ok()
}

fn echo(socket: &UnixStream) {
    while pass(socket, socket) {}
}
