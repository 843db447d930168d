//! A stand-in on a thread of a test.

use crate::channel::Channel;
use crate::command_line::CommandLine;
use crate::script::Script;
use crate::serve::{Ending, World};
use rustix::net::Shutdown;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A running stand-in. It ends when dropped, or when its script says so; crashing only closes its sockets.
#[derive(Debug)]
pub struct Standin {
    path: PathBuf,
    listener: Arc<UnixListener>,
    current: Arc<Mutex<Option<UnixStream>>>,
    thread: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Standin {
    /// Starts one that listens on a socket of its own.
    ///
    /// # Errors
    /// Those of making a directory, a socket and a thread.
    pub fn spawn(script: Script) -> io::Result<Self> {
        Self::spawn_as(
            CommandLine {
                paused: true,
                stays: true,
                ..CommandLine::default()
            },
            script,
        )
    }

    /// The same for a certain guest.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_as(line: CommandLine, script: Script) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("monitor");
        let listener = Arc::new(UnixListener::bind(&path)?);
        let current = Arc::new(Mutex::new(None));
        let world = World::new(line, script);
        let (accepting, serving) = (Arc::clone(&listener), Arc::clone(&current));
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                *serving.lock().unwrap_or_else(PoisonError::into_inner) = stream.try_clone().ok();
                let ending = world.serve(&Channel::Socket(stream));
                let open = serving.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(open) = open {
                    let _ = open.shutdown(std::net::Shutdown::Both);
                }
                if ending != Ending::Connection {
                    let _ = rustix::net::shutdown(&accepting, Shutdown::Both);
                    break;
                }
            }
        })?;
        Ok(Self {
            path,
            listener,
            current,
            thread: Some(thread),
            _dir: dir,
        })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new connection to it.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.path)
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Both);
        if let Some(stream) = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
        {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
