//! Records one conversation between a stock client and a daemon: `record LISTEN DAEMON FILE`.
//!
//! Listens on the UNIX socket LISTEN, passes one client on to the socket DAEMON, and writes each packet to FILE in the
//! order in which it was seen: a byte `C` (from the client) or `S` (from the server), then the packet. Descriptors are
//! not passed. The files under `tests/golden` were made with it.
#![allow(clippy::print_stderr, reason = "a tool for the terminal")]

use std::error::Error;
use std::io::Write;
use std::sync::{Arc, Mutex};

use rpc::{FrameReader, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

type Failure = Box<dyn Error + Send + Sync>;

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mark: u8,
    file: Arc<Mutex<std::fs::File>>,
) -> Result<(), Failure> {
    let mut reader = FrameReader::new();
    loop {
        let room = reader.room();
        let count = from.read(room).await?;
        if count == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let bytes = room.get(..count).unwrap_or_default().to_vec();
        reader.received(count, None)?;
        while let Some(frame) = reader.peek()? {
            let packet = Packet::raw(frame.header, reader.body(&frame))?;
            {
                let mut file = file.lock().map_err(|_| "the file's lock is poisoned")?;
                file.write_all(&[mark])?;
                file.write_all(packet.bytes())?;
            }
            reader.consume(&frame);
        }
        to.write_all(&bytes).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, daemon, file] = arguments.as_slice() else {
        eprintln!("usage: record LISTEN DAEMON FILE");
        return Err("three arguments expected".into());
    };
    let listener = UnixListener::bind(listen)?;
    let file = Arc::new(Mutex::new(std::fs::File::create(file)?));
    let (client, _) = listener.accept().await?;
    std::fs::remove_file(listen)?;
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = UnixStream::connect(daemon).await?.into_split();
    let up = tokio::spawn(pass(client_in, server_out, b'C', Arc::clone(&file)));
    let down = tokio::spawn(pass(server_in, client_out, b'S', file));
    up.await??;
    down.await??;
    Ok(())
}
