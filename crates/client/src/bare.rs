//! Calls one after the other over a stream that nobody else uses, each read to its last byte and no further.

use error::{Code, Domain, Error, Result};
use protocol::Procedure;
use protocol::net::{self, Header, MessageType, Status, limits};
use rpc::Packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::handshake::Caller;

/// The longest answer that is taken: what opens a connection is answered in a few words.
const LONGEST: usize = limits::INITIAL;

/// A stream for single calls.
pub(crate) struct Bare<'a> {
    stream: &'a mut UnixStream,
    serial: u32,
}

impl<'a> Bare<'a> {
    pub(crate) fn new(stream: &'a mut UnixStream) -> Self {
        Self { stream, serial: 0 }
    }

    async fn answer(&mut self) -> Result<(Header, Vec<u8>)> {
        let mut word = [0; limits::LENGTH];
        self.stream.read_exact(&mut word).await.map_err(ended)?;
        let length = usize::try_from(u32::from_be_bytes(word)).unwrap_or(usize::MAX);
        if !(limits::LENGTH + limits::HEADER..=LONGEST).contains(&length) {
            return Err(malformed(format_args!("it announces {length} bytes")));
        }
        let mut header = [0; limits::HEADER];
        self.stream.read_exact(&mut header).await.map_err(ended)?;
        let header = xdr::from_bytes(&header).map_err(malformed)?;
        let mut body = vec![0; length - limits::LENGTH - limits::HEADER];
        self.stream.read_exact(&mut body).await.map_err(ended)?;
        Ok((header, body))
    }
}

impl Caller for Bare<'_> {
    async fn call<P: Procedure>(&mut self, args: &P::Args) -> Result<P::Ret> {
        let header = Header {
            prog: P::PROGRAM.number,
            vers: P::PROGRAM.version,
            proc: P::INFO.number,
            r#type: MessageType::Call,
            serial: self.serial,
            status: Status::Ok,
        };
        self.serial += 1;
        let packet = Packet::new(header, args)?;
        self.stream.write_all(packet.bytes()).await.map_err(ended)?;
        let (answer, body) = self.answer().await?;
        let expected = Header {
            r#type: MessageType::Reply,
            status: answer.status,
            ..header
        };
        if answer != expected {
            return Err(malformed("it answers another call"));
        }
        match answer.status {
            Status::Ok => xdr::from_bytes(&body).map_err(malformed),
            _ => Err(xdr::from_bytes::<net::Error>(&body).map_err(malformed)?.into()),
        }
    }
}

fn ended(cause: std::io::Error) -> Error {
    let detail = format!("the connection to the server ended: {cause}");
    Error::new(Code::Rpc, Domain::Rpc, detail).caused_by(cause)
}

fn malformed(what: impl std::fmt::Display) -> Error {
    let detail = format!("an answer of the server is malformed: {what}");
    Error::new(Code::Rpc, Domain::Rpc, detail)
}
