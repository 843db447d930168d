//! Content on its way to clients and from them.
//!
//! A thread of the pool is at the file and at the client's stream: what one does not take is not read from the other.

use crate::Driver;
use crate::failure::{refused, system};
use crate::files::copy::next_data;
use crate::pool::{DEADLINE, Held, Pool};
use crate::volume::change::no_volume;
use error::{Code, Error, Result};
use rpc::{Stream, StreamEvent};
use rustix::buffer::spare_capacity;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, Scope};
use tokio::runtime::Handle;
use tool::Cancel;

/// How much is read at once: what a packet of a stream carries at most, less its header.
const CHUNK: usize = 256 * 1024 - 24;

/// How much is written before the disk is asked to begin, in bytes.
const AHEAD: u64 = 4 << 20;

/// Which part of a volume.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub offset: u64,
    /// 0 for all to the end.
    pub length: u64,
    /// Whether holes are told as such.
    pub sparse: bool,
}

/// A client's stream, as a thread uses it, which may wait.
struct Client {
    stream: Arc<Stream>,
    runtime: Handle,
}

impl Client {
    /// Of a stream whose end is for somebody else to say; to be called within a runtime.
    fn of(stream: &Arc<Stream>) -> Self {
        Self {
            stream: Arc::clone(stream),
            runtime: Handle::current(),
        }
    }

    /// Whether the client takes more. One that is gone has nothing to be told.
    fn takes(&self, piece: rpc::Piece) -> bool {
        self.runtime.block_on(self.stream.send_piece(piece)).is_ok()
    }

    fn takes_hole(&self, length: u64) -> bool {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.runtime.block_on(self.stream.send_hole(length)).is_ok()
    }

    fn next(&self) -> StreamEvent {
        self.runtime.block_on(self.stream.recv())
    }
}

impl Driver {
    /// Sends a volume's content into a stream.
    ///
    /// # Errors
    /// [`Code::NoStorageVol`], [`Code::OperationInvalid`] while it is changed, what the storage says; later ones break the stream
    /// off.
    pub(crate) async fn download(
        &self,
        pool: &Arc<Pool>,
        name: &str,
        part: Part,
        stream: Stream,
    ) -> Result<()> {
        pool.known().await?;
        let (backend, place) = pool.storage(&self.host)?;
        let hold = pool.hold(name, Held::Read)?;
        let volume = pool.volumes.get(name).ok_or_else(|| no_volume(name))?;
        let file = pool
            .threads
            .run(DEADLINE, move |_| {
                Ok(backend.volumes().content(&place, &volume, false)?.0)
            })
            .await?;
        let (pool, of) = (Arc::clone(pool), of(name, pool));
        let stream = Arc::new(stream);
        let client = Client::of(&stream);
        tokio::spawn(async move {
            let reading = pool.threads.job(move |cancel| {
                let _hold = hold;
                read(&file, part, &client, cancel).map_err(|err| err.context(of))
            });
            match reading.await {
                Ok(()) => finish(stream).await,
                Err(err) => stream.abort(&err),
            }
        });
        Ok(())
    }

    /// Writes a stream's content into a volume.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub(crate) async fn upload(
        self: &Arc<Self>,
        pool: &Arc<Pool>,
        name: &str,
        part: Part,
        stream: Stream,
    ) -> Result<()> {
        pool.known().await?;
        let (backend, place) = pool.storage(&self.host)?;
        let hold = pool.hold(name, Held::Changed)?;
        let volume = pool.volumes.get(name).ok_or_else(|| no_volume(name))?;
        let (at, known) = (place.clone(), Arc::clone(&volume));
        let file = pool
            .threads
            .run(DEADLINE, move |_| {
                Ok(backend.volumes().content(&at, &known, true)?.0)
            })
            .await?;
        let (driver, pool) = (Arc::clone(self), Arc::clone(pool));
        let stream = Arc::new(stream);
        let client = Client::of(&stream);
        tokio::spawn(async move {
            let own = Arc::clone(&pool);
            let writing = pool.threads.job(move |cancel| {
                let _hold = hold;
                let written = write(&file, part, &client, cancel);
                let written = written.map_err(|err| err.context(of(&volume.name, &own)));
                // Where it is a device its size may be read again only when nobody writes it.
                drop(file);
                let looked = own.look_again(backend, &place, &volume.name, cancel);
                written.and_then(|all| looked.map(|()| all))
            });
            match writing.await {
                Ok(true) => {
                    finish(stream).await;
                    driver.events.refreshed(&pool);
                }
                Ok(false) => {}
                Err(err) => stream.abort(&err),
            }
        });
        Ok(())
    }
}

/// Ends a stream well whose thread is back.
async fn finish(stream: Arc<Stream>) {
    if let Some(stream) = Arc::into_inner(stream) {
        // A client that is gone has nothing to be told.
        let _ = stream.finish().await;
    }
}

/// A volume as sentences name it.
fn of(volume: &str, pool: &Pool) -> String {
    format!("volume '{volume}' of pool '{}'", pool.name)
}

fn length_of(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if metadata.file_type().is_block_device() {
        return Ok(seek(file, SeekFrom::End(0))?);
    }
    Ok(metadata.len())
}

/// Reads a part of a file for a client.
fn read(file: &File, part: Part, client: &Client, cancel: &Cancel) -> Result<()> {
    let failed = |err: io::Error| system("cannot read the volume", err);
    let end = length_of(file).map_err(failed)?;
    // Nothing comes of what begins behind the end.
    let end = match part.length {
        0 => end,
        length => part.offset.saturating_add(length).min(end),
    };
    let mut at = part.offset;
    while at < end {
        let (start, stop) = if part.sparse {
            let found = cancel.step(|| next_data(file, at, end));
            found.map_err(failed)?.unwrap_or((end, end))
        } else {
            (at, end)
        };
        if start > at && !client.takes_hole(start - at) {
            return Ok(());
        }
        at = start;
        while at < stop {
            cancel.check()?;
            let room = usize::try_from(stop - at).unwrap_or(CHUNK).min(CHUNK);
            let piece = rpc::Piece::read(room, |bytes| {
                loop {
                    match cancel.step(|| rustix::io::pread(file, spare_capacity(bytes), at)) {
                        Ok(_) => return Ok(()),
                        Err(Errno::INTR) => {}
                        Err(err) => return Err(failed(err.into())),
                    }
                }
            })?;
            if piece.is_empty() {
                return Ok(());
            }
            at += piece.len() as u64;
            if !client.takes(piece) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Writes what a client sends into a part of a file; whether the client said that this is all.
fn write(file: &File, part: Part, client: &Client, cancel: &Cancel) -> Result<bool> {
    let whole = thread::scope(|scope| {
        let mut ahead = Ahead::from(file, part.offset);
        write_events(file, part, client, cancel, |end| ahead.reached(scope, end))
    })?;
    if whole {
        file.sync_data()
            .map_err(|err| system("cannot write the volume", err))?;
    }
    Ok(whole)
}

/// The same without waiting for the disk; `reached` hears how far it is.
fn write_events(
    file: &File,
    part: Part,
    client: &Client,
    cancel: &Cancel,
    mut reached: impl FnMut(u64),
) -> Result<bool> {
    let failed = |err: io::Error| system("cannot write the volume", err);
    let limit = match part.length {
        0 => u64::MAX,
        length => part.offset.saturating_add(length),
    };
    let fits = |at: u64, length: u64| -> Result<u64> {
        let end = at
            .checked_add(length)
            .filter(|end| *end <= limit.min(model::storage::MAX_SIZE));
        end.ok_or_else(|| too_much(part))
    };
    let mut at = part.offset;
    loop {
        let event = client.next();
        cancel.check()?;
        match event {
            StreamEvent::Data(data) => {
                let end = fits(at, data.len() as u64)?;
                cancel.step(|| file.write_all_at(&data, at)).map_err(failed)?;
                at = end;
                reached(at);
            }
            StreamEvent::Hole(length) => {
                let end = fits(at, u64::try_from(length).unwrap_or(0))?;
                hole(file, at, end, cancel)?;
                at = end;
            }
            StreamEvent::Finish => return Ok(true),
            StreamEvent::Abort(_) => return Ok(false),
        }
    }
}

/// Has the disk begin to take what was written, so that the end, which waits for it, has little left to wait for. A thread of its own
/// asks for that: it waits where the disk's queue is full, and what comes is written meanwhile.
struct Ahead<'file> {
    file: &'file File,
    /// How far it was asked for.
    begun: u64,
    /// Where the thread hears of more, once there is one.
    ask: Option<SyncSender<Range<u64>>>,
}

impl<'file> Ahead<'file> {
    fn from(file: &'file File, begun: u64) -> Self {
        Self {
            file,
            begun,
            ask: None,
        }
    }

    /// The file is written up to there.
    fn reached<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, end: u64)
    where
        'file: 'scope,
    {
        if end.saturating_sub(self.begun) < AHEAD {
            return;
        }
        let file = self.file;
        let ask = self.ask.get_or_insert_with(|| {
            let (ask, asked) = mpsc::sync_channel::<Range<u64>>(1);
            let thread = thread::Builder::new().name("storage".to_owned());
            let started = thread.spawn_scoped(scope, move || {
                for bytes in asked {
                    // Whether it helps does not matter: the end asks for all that is left.
                    let _ = kernel::file::begin_to_sync(file, bytes);
                }
            });
            if let Err(err) = started {
                tracing::debug!(%err, "an upload waits for its disk at its end only");
            }
            ask
        });
        // While it waits for the disk, more is gathered.
        if ask.try_send(self.begun..end).is_ok() {
            self.begun = end;
        }
    }
}

fn too_much(part: Part) -> Error {
    refused(
        Code::OperationFailed,
        format!("more came than the {} bytes that were announced", part.length),
    )
}

/// Makes a stretch of a file read as zeroes, without room on the disk where that can be.
fn hole(file: &File, start: u64, end: u64, cancel: &Cancel) -> Result<()> {
    let failed = |err: io::Error| system("cannot write the volume", err);
    let length = cancel.step(|| length_of(file)).map_err(failed)?;
    let within = end.min(length);
    if start < within {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match cancel.step(|| fallocate(file, flags, start, within - start)) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV) => {
                let zeroes = vec![0; CHUNK];
                let mut at = start;
                while at < within {
                    cancel.check()?;
                    let step = (within - at).min(zeroes.len() as u64);
                    let block = zeroes
                        .get(..usize::try_from(step).unwrap_or(0))
                        .unwrap_or_default();
                    cancel.step(|| file.write_all_at(block, at)).map_err(failed)?;
                    at += step;
                }
            }
            Err(err) => return Err(failed(err.into())),
        }
    }
    if end > length {
        file.set_len(end).map_err(failed)?;
    }
    Ok(())
}
