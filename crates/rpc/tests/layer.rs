//! A layer that encrypts comes between two packets: what is sent and read from then on, and what a client may not do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::io;
use std::ops::Range;
use std::sync::Arc;

use protocol::Procedure;
use protocol::net::{Header, MessageType, Status};
use protocol::remote::procedure::{AuthSaslStep, ConnectGetHostname, ConnectOpen, DomainGetXmlDesc};
use protocol::remote::{self, AuthSaslStepArgs};
use rpc::{
    Context, FrameReader, Keepalive, Layer, Packet, Router, Seal, Session, SessionOptions, Transport, Unseal,
    serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use xdr::Chars;

/// How many bytes a message carries.
const ROOM: usize = 1000;

/// Messages with a number, and their bytes turned round.
struct Toy(u8);

impl Seal for Toy {
    fn room(&self) -> usize {
        ROOM
    }

    fn seal(&mut self, bytes: &[u8], message: &mut Vec<u8>) -> io::Result<()> {
        assert!(bytes.len() <= ROOM);
        message.push(self.0);
        message.extend(bytes.iter().map(|byte| !byte));
        self.0 = self.0.wrapping_add(1);
        Ok(())
    }
}

impl Unseal for Toy {
    fn longest(&self) -> usize {
        ROOM + 1
    }

    fn unseal(&mut self, message: &mut [u8]) -> io::Result<Range<usize>> {
        let length = message.len();
        let (number, bytes) = message.split_first_mut().ok_or(io::ErrorKind::InvalidData)?;
        if *number != self.0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "out of turn"));
        }
        self.0 = self.0.wrapping_add(1);
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        Ok(1..length)
    }
}

struct Server {
    /// Answering the call that brings the layer waits for a permit.
    gate: Semaphore,
}

async fn step(ctx: Context<Server>, _: AuthSaslStepArgs) -> error::Result<remote::AuthSaslStepRet> {
    ctx.answer_first();
    ctx.driver.gate.acquire().await.unwrap().forget();
    ctx.secure(Layer {
        seal: Box::new(Toy(0)),
        unseal: Box::new(Toy(100)),
    });
    ctx.session.set_authenticated();
    Ok(remote::AuthSaslStepRet {
        complete: 1,
        nil: 1,
        data: Chars(Vec::new()),
    })
}

async fn hostname(ctx: Context<Server>, (): ()) -> error::Result<remote::ConnectGetHostnameRet> {
    assert!(ctx.session.authenticated());
    Ok(remote::ConnectGetHostnameRet {
        hostname: "here".to_owned(),
    })
}

/// A document of as many bytes as the flags say.
async fn document(
    _: Context<Server>,
    args: remote::DomainGetXmlDescArgs,
) -> error::Result<remote::DomainGetXmlDescRet> {
    let xml = "x".repeat(args.flags as usize);
    Ok(remote::DomainGetXmlDescRet { xml })
}

/// Passes the session on to a server that is like this one, without a layer.
async fn open(ctx: Context<Server>, _: remote::ConnectOpenArgs) -> error::Result<()> {
    let (near, far) = UnixStream::pair().unwrap();
    serve_one(Transport::unix(far), true);
    ctx.session
        .relay(Transport::unix(near), Keepalive::OFF, |_, _| false)
}

fn serve_one(transport: Transport, authenticated: bool) -> (Arc<Session>, Arc<Server>) {
    let mut router = Router::new();
    router
        .on::<AuthSaslStep, _>(step)
        .on::<ConnectGetHostname, _>(hostname)
        .on::<ConnectOpen, _>(open)
        .on::<DomainGetXmlDesc, _>(document);
    let server = Arc::new(Server {
        gate: Semaphore::new(0),
    });
    let options = SessionOptions {
        authenticated,
        ..SessionOptions::default()
    };
    let (session, serving) = serve(transport, Arc::new(router), Arc::clone(&server), options);
    tokio::spawn(serving);
    (session, server)
}

/// A client that knows bytes only.
struct Client {
    stream: TcpStream,
    server: Arc<Server>,
    reader: FrameReader,
    sealing: Toy,
    unsealing: Toy,
    encrypted: bool,
    serial: u32,
}

impl Client {
    async fn connect() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        let (_, server) = serve_one(Transport::tcp(theirs), false);
        Self {
            stream,
            server,
            reader: FrameReader::new(),
            sealing: Toy(100),
            unsealing: Toy(0),
            encrypted: false,
            serial: 0,
        }
    }

    /// One whose connection is encrypted.
    async fn secured() -> Self {
        let mut client = Self::connect().await;
        client.server.gate.add_permits(1);
        client.step().await;
        assert_eq!(client.answer().await.unwrap(), Status::Ok);
        client.encrypted = true;
        client
    }

    fn packet<P: Procedure>(&mut self, args: &P::Args) -> Packet {
        self.serial += 1;
        let header = Header {
            prog: P::PROGRAM.number,
            vers: P::PROGRAM.version,
            proc: P::INFO.number,
            r#type: MessageType::Call,
            serial: self.serial,
            status: Status::Ok,
        };
        Packet::new(header, args).unwrap()
    }

    /// Bytes as they travel: in messages of that many, if the connection is encrypted.
    fn travelling(&mut self, bytes: &[u8], size: usize) -> Vec<u8> {
        if !self.encrypted {
            return bytes.to_vec();
        }
        let mut travelling = Vec::new();
        for part in bytes.chunks(size) {
            let mut message = Vec::new();
            self.sealing.seal(part, &mut message).unwrap();
            travelling.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            travelling.extend(message);
        }
        travelling
    }

    async fn call<P: Procedure>(&mut self, args: &P::Args, size: usize) {
        let packet = self.packet::<P>(args);
        let bytes = self.travelling(packet.bytes(), size);
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn step(&mut self) {
        let data = Chars(Vec::new());
        self.call::<AuthSaslStep>(&AuthSaslStepArgs { nil: 1, data }, ROOM)
            .await;
    }

    async fn document(&mut self, length: u32, size: usize) {
        let dom = remote::Domain {
            name: "vm".to_owned(),
            uuid: [0; 16],
            id: -1,
        };
        self.call::<DomainGetXmlDesc>(&remote::DomainGetXmlDescArgs { dom, flags: length }, size)
            .await;
    }

    /// The status of the next reply and its body; `None` at the end.
    async fn reply(&mut self) -> Option<(Status, Vec<u8>)> {
        loop {
            if let Some(frame) = self.reader.peek().unwrap() {
                assert_eq!(frame.header.serial, self.serial);
                let body = self.reader.body(&frame).to_vec();
                self.reader.consume(&frame);
                return Some((frame.header.status, body));
            }
            let mut bytes = if self.encrypted {
                let length = self.stream.read_u32().await.ok()? as usize;
                assert!(length <= self.unsealing.longest());
                let mut message = vec![0; length];
                self.stream.read_exact(&mut message).await.unwrap();
                let range = self.unsealing.unseal(&mut message).unwrap();
                message.drain(range).collect::<Vec<_>>()
            } else {
                let mut bytes = vec![0; 100];
                let count = self.stream.read(&mut bytes).await.unwrap_or_default();
                bytes.truncate(count);
                bytes
            };
            if bytes.is_empty() {
                return None;
            }
            while !bytes.is_empty() {
                let room = self.reader.room();
                let count = room.len().min(bytes.len());
                room[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                self.reader.received(count, None).unwrap();
            }
        }
    }

    async fn answer(&mut self) -> Option<Status> {
        self.reply().await.map(|(status, _)| status)
    }

    async fn ends(mut self) {
        assert_eq!(self.answer().await, None);
    }
}

#[tokio::test]
async fn everything_after_the_reply_is_encrypted() {
    let mut client = Client::secured().await;
    client.call::<ConnectGetHostname>(&(), ROOM).await;
    assert_eq!(client.answer().await, Some(Status::Ok));
    // Borders of messages and of packets have nothing to do with each other.
    for size in [1, 7, 28, 999, ROOM] {
        for length in [0, 10, 5000, 300_000] {
            client.document(length, size).await;
            let (status, body) = client.reply().await.unwrap();
            assert_eq!(status, Status::Ok);
            assert!(body.len() >= length as usize && body[4..].starts_with(&vec![b'x'; length as usize]));
        }
    }
    let packets = [0; 3].map(|_| client.packet::<ConnectGetHostname>(&()));
    let bytes = packets
        .iter()
        .flat_map(|packet| packet.bytes().to_vec())
        .collect::<Vec<_>>();
    let bytes = client.travelling(&bytes, ROOM);
    client.stream.write_all(&bytes).await.unwrap();
    client.serial -= 2;
    for _ in 0..3 {
        assert_eq!(client.answer().await, Some(Status::Ok));
        client.serial += 1;
    }
}

#[tokio::test]
async fn a_session_that_is_passed_on_stays_encrypted() {
    let mut client = Client::secured().await;
    let args = remote::ConnectOpenArgs { name: None, flags: 0 };
    client.call::<ConnectOpen>(&args, ROOM).await;
    assert_eq!(client.answer().await, Some(Status::Ok));
    for length in [10, 300_000] {
        client.document(length, 100).await;
        let (status, body) = client.reply().await.unwrap();
        assert_eq!(status, Status::Ok);
        assert!(body.len() > length as usize);
    }
}

#[tokio::test]
async fn nothing_is_dealt_with_while_the_call_is_answered() {
    // Said before it was answered, in one breath or a little later: it is neither served nor taken for something encrypted.
    for later in [false, true] {
        let mut client = Client::connect().await;
        client.step().await;
        let packet = client.packet::<ConnectGetHostname>(&());
        if later {
            tokio::task::yield_now().await;
        }
        client.stream.write_all(packet.bytes()).await.unwrap();
        if !later {
            // It has been read, or lies in the socket.
            tokio::task::yield_now().await;
        }
        client.server.gate.add_permits(1);
        client.serial -= 1;
        assert_eq!(client.answer().await, Some(Status::Ok));
        client.encrypted = true;
        client.ends().await;
    }
}

#[tokio::test]
async fn what_is_not_the_next_message_ends_the_connection() {
    for bytes in [
        &b"\0\0\0\x1c\x20\0\x80\x86\0\0\0\x01\0\0\0\x3b\0\0\0\0\0\0\0\x02\0\0\0\0again"[..],
        b"\0\0\0\x05\x65abcd",
        b"\0\0\0\x01\x64",
        b"\0\0\0\0",
        b"\0\0\x04\0",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut client = Client::secured().await;
        client.stream.write_all(bytes).await.unwrap();
        client.ends().await;
    }
    // One that breaks off in the middle, and one that repeats itself.
    let mut client = Client::secured().await;
    client.stream.write_all(b"\0\0\0\x05\x64ab").await.unwrap();
    client.stream.shutdown().await.unwrap();
    client.ends().await;
    let mut client = Client::secured().await;
    let packet = client.packet::<ConnectGetHostname>(&());
    let bytes = client.travelling(packet.bytes(), ROOM);
    client
        .stream
        .write_all(&[bytes.clone(), bytes].concat())
        .await
        .unwrap();
    assert_eq!(client.answer().await, Some(Status::Ok));
    client.ends().await;
}
