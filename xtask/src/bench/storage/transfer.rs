//! A volume filled and read by a client that does nothing else: blocking, a packet at a time, as the plain copy does it.

use anyhow::{Context, Result, ensure};
use protocol::Procedure;
use protocol::net::limits::STREAM_DATA;
use protocol::net::{Header, MessageType, Status};
use protocol::remote::procedure as p;
use protocol::remote::{ConnectOpenArgs, StorageVol, StorageVolDownloadArgs, StorageVolUploadArgs};
use rpc::Packet;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

/// Makes a file without holes.
///
/// # Errors
/// What the disk says.
pub(super) fn fill(path: &Path, length: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..length >> 20 {
        file.write_all(&piece)?;
    }
    file.sync_all().context("cannot fill the volume")
}

/// The reference of a volume, of which daemons look at the pool's and the volume's name.
pub(super) fn volume(pool: &str, name: &str) -> StorageVol {
    StorageVol {
        pool: pool.to_owned(),
        name: name.to_owned(),
        key: String::new(),
    }
}

/// Bytes of a packet before its body.
const HEAD: usize = 28;

/// A connection that has the storage driver open.
pub(super) struct Caller {
    stream: UnixStream,
    serial: u32,
    /// The last packet's body.
    body: Vec<u8>,
}

impl Caller {
    /// # Errors
    /// When the daemon does not answer.
    pub(super) fn open(socket: &Path) -> Result<Self> {
        let mut caller = Self {
            stream: UnixStream::connect(socket).context("cannot connect")?,
            serial: 0,
            body: Vec::new(),
        };
        caller.call::<p::AuthList>(&())?;
        let name = Some("storage:///system".to_owned());
        caller.call::<p::ConnectOpen>(&ConnectOpenArgs { name, flags: 0 })?;
        Ok(caller)
    }

    /// Calls, and gives the header of the stream that the call may have opened.
    fn call<P: Procedure>(&mut self, args: &P::Args) -> Result<Header> {
        self.serial += 1;
        let call = Header {
            prog: P::PROGRAM.number,
            vers: P::PROGRAM.version,
            proc: P::INFO.number,
            r#type: MessageType::Call,
            serial: self.serial,
            status: Status::Ok,
        };
        self.stream.write_all(Packet::new(call, args)?.bytes())?;
        let reply = self.read()?;
        self.check(reply, Status::Ok)?;
        Ok(Header {
            r#type: MessageType::Stream,
            status: Status::Continue,
            ..call
        })
    }

    /// Reads a packet, and its body into the buffer.
    fn read(&mut self) -> Result<Header> {
        let mut head = [0; HEAD];
        self.stream.read_exact(&mut head)?;
        let (length, header) = head.split_first_chunk::<4>().context("a head")?;
        let length = usize::try_from(u32::from_be_bytes(*length))?;
        self.body.resize(length.checked_sub(HEAD).context("a length")?, 0);
        self.stream.read_exact(&mut self.body)?;
        xdr::from_bytes(header).context("a header")
    }

    fn check(&self, packet: Header, wanted: Status) -> Result<()> {
        let said = || String::from_utf8_lossy(&self.body).into_owned();
        ensure!(packet.status == wanted, "the daemon refuses: {}", said());
        Ok(())
    }

    /// Says that the stream is at its end, and hears that it is.
    fn end(&mut self, header: Header) -> Result<()> {
        let status = Status::Ok;
        let end = Header { status, ..header };
        self.stream.write_all(Packet::raw(end, &[])?.bytes())?;
        let answer = self.read()?;
        self.check(answer, status)
    }

    /// Seconds until a volume is filled.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub(super) fn upload(&mut self, vol: StorageVol, length: u64) -> Result<f64> {
        let args = StorageVolUploadArgs {
            vol,
            offset: 0,
            length,
            flags: 0,
        };
        let piece = vec![b'x'; STREAM_DATA];
        let start = Instant::now();
        let header = self.call::<p::StorageVolUpload>(&args)?;
        let mut left = length;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(STREAM_DATA).min(STREAM_DATA);
            let piece = piece.get(..count).unwrap_or_default();
            let whole = u32::try_from(HEAD + count)?;
            let head = [&whole.to_be_bytes()[..], &xdr::to_bytes(&header)?].concat();
            // Both in one call, as far as that goes.
            let written = self
                .stream
                .write_vectored(&[IoSlice::new(&head), IoSlice::new(piece)])?;
            for (bytes, before) in [(&*head, 0), (piece, head.len())] {
                let rest = bytes.get(written.saturating_sub(before)..).unwrap_or_default();
                self.stream.write_all(rest)?;
            }
            left -= count as u64;
        }
        self.end(header)?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Seconds until a volume is read.
    ///
    /// # Errors
    /// When the daemon refuses, or breaks off.
    pub(super) fn download(&mut self, vol: StorageVol, length: u64) -> Result<f64> {
        let args = StorageVolDownloadArgs {
            vol,
            offset: 0,
            length,
            flags: 0,
        };
        let start = Instant::now();
        let header = self.call::<p::StorageVolDownload>(&args)?;
        let mut came = 0;
        loop {
            let packet = self.read()?;
            self.check(packet, Status::Continue)?;
            if self.body.is_empty() {
                break;
            }
            came += self.body.len() as u64;
        }
        self.end(header)?;
        ensure!(came == length, "{came} bytes came");
        Ok(start.elapsed().as_secs_f64())
    }
}
