//! What a server does with clients that break the rules: told byte by byte, without the client crate.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use error::{Code, Domain, Error};
use protocol::net::{self, Header, MessageType, Status};
use protocol::remote::procedure::{
    AuthList, ConnectGetHostname, DomainCreateXmlWithFiles, DomainEventCallbackLifecycle, DomainLookupByName,
    DomainOpenConsole, DomainShutdown, DomainSuspend,
};
use protocol::remote::{self, ConnectGetHostnameRet};
use protocol::{Procedure, keepalive};
use rpc::{
    Context, FrameReader, Keepalive, Limits, Packet, Router, Session, SessionOptions, Transport, serve,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

/// Serves what the tests call.
struct Driver {
    /// Suspending waits for a permit.
    gate: Semaphore,
}

async fn suspend(ctx: Context<Driver>, _: remote::DomainSuspendArgs) -> error::Result<()> {
    ctx.driver.gate.acquire().await.unwrap().forget();
    Ok(())
}

async fn files(
    ctx: Context<Driver>,
    args: remote::DomainCreateXmlWithFilesArgs,
) -> error::Result<remote::DomainCreateXmlWithFilesRet> {
    let count = ctx.take_fds().len();
    for fd in ctx.take_fds() {
        ctx.push_reply_fd(fd)?;
    }
    let dom = remote::Domain {
        name: args.xml_desc,
        uuid: [0; 16],
        id: i32::try_from(count).unwrap(),
    };
    Ok(remote::DomainCreateXmlWithFilesRet { dom })
}

async fn hostname(_: Context<Driver>, (): ()) -> error::Result<ConnectGetHostnameRet> {
    Ok(ConnectGetHostnameRet {
        hostname: "here".to_owned(),
    })
}

async fn shutdown(_: Context<Driver>, _: remote::DomainShutdownArgs) -> error::Result<()> {
    panic!("a defect");
}

async fn panics_later(
    _: Context<Driver>,
    _: remote::DomainLookupByNameArgs,
) -> error::Result<remote::DomainLookupByNameRet> {
    tokio::task::yield_now().await;
    panic!("a late defect");
}

async fn console(ctx: Context<Driver>, _: remote::DomainOpenConsoleArgs) -> error::Result<()> {
    let stream = ctx.open_stream()?;
    // Keeps it open and takes nothing.
    tokio::spawn(async move {
        ctx.session.closed().await;
        drop(stream);
    });
    Ok(())
}

fn router() -> Router<Driver> {
    let mut router = Router::new();
    router.on::<DomainSuspend, _>(suspend);
    router.on::<DomainCreateXmlWithFiles, _>(files);
    router.on::<ConnectGetHostname, _>(hostname);
    router.on::<DomainShutdown, _>(shutdown);
    router.on::<DomainLookupByName, _>(panics_later);
    router.on::<DomainOpenConsole, _>(console);
    router
}

/// A client that knows bytes only.
struct Wire {
    stream: UnixStream,
    reader: FrameReader,
    session: Arc<Session>,
    driver: Arc<Driver>,
}

impl Wire {
    fn new() -> Self {
        Self::with(SessionOptions::default())
    }

    fn with(options: SessionOptions) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let driver = Arc::new(Driver {
            gate: Semaphore::new(0),
        });
        let (session, task) = serve(
            Transport::unix(theirs),
            Arc::new(router()),
            Arc::clone(&driver),
            options,
        );
        tokio::spawn(task);
        Self {
            stream: ours,
            reader: FrameReader::new(),
            session,
            driver,
        }
    }

    async fn send(&mut self, packet: &Packet) {
        self.stream.write_all(packet.bytes()).await.unwrap();
    }

    async fn call<P: Procedure>(&mut self, serial: u32, args: &P::Args) {
        self.send(&Packet::new(call::<P>(serial), args).unwrap()).await;
    }

    /// The next packet; `None` at the end.
    async fn recv(&mut self) -> Option<(Header, Vec<u8>)> {
        loop {
            if let Some(frame) = self.reader.peek().unwrap() {
                let body = self.reader.body(&frame).to_vec();
                self.reader.consume(&frame);
                return Some((frame.header, body));
            }
            let count = match self.stream.read(self.reader.room()).await {
                Ok(0) => return None,
                Ok(count) => count,
                Err(_) => return None,
            };
            self.reader.received(count, None).unwrap();
        }
    }

    async fn error(&mut self) -> Error {
        let (header, body) = self.recv().await.unwrap();
        assert_eq!(
            (header.r#type, header.status),
            (MessageType::Reply, Status::Error)
        );
        xdr::from_bytes::<net::Error>(&body).unwrap().into()
    }

    fn send_fd(&self, fd: &OwnedFd) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        rustix::net::sendmsg(
            &self.stream,
            &[IoSlice::new(&[0])],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
    }
}

fn call<P: Procedure>(serial: u32) -> Header {
    Header {
        prog: P::PROGRAM.number,
        vers: P::PROGRAM.version,
        proc: P::INFO.number,
        r#type: MessageType::Call,
        serial,
        status: Status::Ok,
    }
}

fn domain() -> remote::Domain {
    remote::Domain {
        name: "d".to_owned(),
        uuid: [0; 16],
        id: -1,
    }
}

fn descriptor() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

fn suspend_args() -> remote::DomainSuspendArgs {
    remote::DomainSuspendArgs { dom: domain() }
}

#[tokio::test]
async fn what_is_not_in_the_tables_is_an_error_of_the_protocol() {
    let mut wire = Wire::new();
    let good = call::<ConnectGetHostname>(1);
    for header in [
        Header { prog: 0x1234, ..good },
        Header {
            prog: protocol::qemu::PROGRAM.number,
            ..good
        },
        Header { vers: 2, ..good },
        Header { proc: 0, ..good },
        Header { proc: -1, ..good },
        Header { proc: 9999, ..good },
        Header {
            proc: i32::MIN,
            ..good
        },
        // An event, which only servers send.
        Header { proc: 318, ..good },
    ] {
        wire.send(&Packet::raw(header, &[]).unwrap()).await;
        let error = wire.error().await;
        assert_eq!(
            (error.code(), error.domain()),
            (Code::Rpc, Domain::Rpc),
            "{header:?}"
        );
    }
    wire.call::<AuthList>(2, &()).await;
    let error = wire.error().await;
    assert_eq!((error.code(), error.detail()), (Code::NoSupport, "virAuthList"));
}

#[tokio::test]
async fn malformed_arguments_cost_one_call() {
    let mut wire = Wire::new();
    for body in [
        &b"\0\0\0\x09d"[..],
        b"\xff\xff\xff\xff",
        b"",
        b"\0\0\0\x01d\0\0\0trailing bytes here and more",
    ] {
        wire.send(&Packet::raw(call::<DomainSuspend>(3), body).unwrap())
            .await;
        let error = wire.error().await;
        assert_eq!(error.code(), Code::Rpc);
        assert!(error.detail().contains("domain_suspend"), "{error}");
    }
    wire.call::<ConnectGetHostname>(4, &()).await;
    assert_eq!(wire.recv().await.unwrap().0.serial, 4);
}

#[tokio::test]
async fn what_cannot_be_framed_ends_the_connection() {
    let plain = Packet::raw(call::<ConnectGetHostname>(1), &[])
        .unwrap()
        .bytes()
        .to_vec();
    let mut unknown_type = plain.clone();
    unknown_type[19] = 99;
    let mut unknown_status = plain.clone();
    unknown_status[27] = 3;
    let reply = Packet::raw(
        Header {
            r#type: MessageType::Reply,
            ..call::<ConnectGetHostname>(1)
        },
        &[],
    );
    let event = Packet::raw(
        Header {
            r#type: MessageType::Message,
            ..call::<ConnectGetHostname>(1)
        },
        &[],
    );
    for bytes in [
        vec![0, 0, 0, 3],
        vec![0, 0, 0, 27],
        vec![2, 0, 0, 5],
        vec![0xff; 4],
        unknown_type,
        unknown_status,
        reply.unwrap().bytes().to_vec(),
        event.unwrap().bytes().to_vec(),
    ] {
        let mut wire = Wire::new();
        wire.stream.write_all(&bytes).await.unwrap();
        assert!(wire.recv().await.is_none(), "{bytes:?}");
        wire.session.closed().await;
    }
}

#[tokio::test]
async fn descriptors_that_do_not_match_the_announcement_end_the_connection() {
    let args = remote::DomainCreateXmlWithFilesArgs {
        xml_desc: "x".to_owned(),
        flags: 0,
    };
    let header = call::<DomainCreateXmlWithFiles>(1);
    let two = Packet::with_fds(header, &args, vec![descriptor(), descriptor()]).unwrap();

    let mut wire = Wire::new();
    wire.send(&two).await;
    wire.send_fd(&descriptor());
    wire.send_fd(&descriptor());
    let (header, body) = wire.recv().await.unwrap();
    assert_eq!(header.status, Status::Ok);
    assert_eq!(
        xdr::from_bytes::<remote::DomainCreateXmlWithFilesRet>(&body)
            .unwrap()
            .dom
            .id,
        2
    );
    // And one that nothing announced.
    wire.send_fd(&descriptor());
    wire.call::<ConnectGetHostname>(2, &()).await;
    assert!(wire.recv().await.is_none());

    let mut wire = Wire::new();
    wire.send(&two).await;
    wire.send_fd(&descriptor());
    wire.call::<ConnectGetHostname>(2, &()).await;
    assert!(wire.recv().await.is_none(), "fewer than announced");

    let mut wire = Wire::new();
    let mut many = two.bytes().to_vec();
    many[31] = 33;
    wire.stream.write_all(&many).await.unwrap();
    assert!(wire.recv().await.is_none(), "more than allowed");

    // A flood inside of a packet that never ends must not use up the daemon's descriptors.
    let mut wire = Wire::new();
    wire.stream.write_all(&two.bytes()[..30]).await.unwrap();
    let fd = descriptor();
    for _ in 0..33 {
        wire.send_fd(&fd);
    }
    assert!(wire.recv().await.is_none());
}

#[tokio::test]
async fn a_panic_costs_the_call_alone() {
    let mut wire = Wire::new();
    wire.call::<DomainShutdown>(1, &remote::DomainShutdownArgs { dom: domain() })
        .await;
    assert_eq!(wire.error().await.code(), Code::InternalError);
    wire.call::<DomainLookupByName>(2, &remote::DomainLookupByNameArgs { name: "x".to_owned() })
        .await;
    assert_eq!(wire.error().await.code(), Code::InternalError);
    wire.call::<ConnectGetHostname>(3, &()).await;
    assert_eq!(wire.recv().await.unwrap().0.serial, 3);
    assert_eq!(wire.session.calls_in_progress(), 0);
}

#[tokio::test]
async fn busy_workers_leave_room_for_urgent_calls_and_keepalive() {
    let mut wire = Wire::new();
    // Five in progress, one aside.
    for serial in 0..6 {
        wire.call::<DomainSuspend>(serial, &suspend_args()).await;
    }
    wire.call::<ConnectGetHostname>(100, &()).await;
    assert_eq!(wire.recv().await.unwrap().0.serial, 100);
    assert_eq!(wire.session.calls_in_progress(), 5);
    let ping = Header {
        prog: keepalive::PROGRAM.number,
        vers: 1,
        proc: 1,
        r#type: MessageType::Message,
        serial: 0,
        status: Status::Ok,
    };
    wire.send(&Packet::raw(ping, &[]).unwrap()).await;
    let (pong, _) = wire.recv().await.unwrap();
    assert_eq!(
        (pong.prog, pong.proc, pong.r#type),
        (ping.prog, 2, MessageType::Message)
    );
    // The seventh stops the reading, so what follows waits for a slot.
    wire.call::<DomainSuspend>(6, &suspend_args()).await;
    wire.call::<ConnectGetHostname>(101, &()).await;
    wire.driver.gate.add_permits(1);
    assert_eq!(wire.recv().await.unwrap().0.serial, 0);
    wire.driver.gate.add_permits(6);
    let mut serials = Vec::new();
    for _ in 0..7 {
        serials.push(wire.recv().await.unwrap().0.serial);
    }
    serials.sort_unstable();
    assert_eq!(serials, [1, 2, 3, 4, 5, 6, 101]);
    assert_eq!(wire.session.calls_in_progress(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_costs_its_calls_nothing() {
    let mut wire = Wire::new();
    wire.call::<DomainSuspend>(1, &suspend_args()).await;
    wire.call::<ConnectGetHostname>(2, &()).await;
    wire.recv().await.unwrap();
    let (session, driver) = (Arc::clone(&wire.session), Arc::clone(&wire.driver));
    drop(wire);
    session.closed().await;
    assert_eq!(session.calls_in_progress(), 1);
    driver.gate.add_permits(1);
    while session.calls_in_progress() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(driver.gate.available_permits(), 0, "the handler ran to its end");
}

#[tokio::test]
async fn whoever_does_not_read_events_is_disconnected() {
    let wire = Wire::new();
    let mut good = Wire::new();
    let message = remote::DomainEventCallbackLifecycleMsg {
        callback_id: 0,
        msg: remote::DomainEventLifecycleMsg {
            dom: domain(),
            event: 1,
            detail: 2,
        },
    };
    // One event is some 80 bytes; the socket's own buffer comes before the bound.
    for _ in 0..100_000 {
        wire.session.send_event::<DomainEventCallbackLifecycle>(&message);
    }
    assert!(wire.session.is_closed());
    good.session.send_event::<DomainEventCallbackLifecycle>(&message);
    let (header, body) = good.recv().await.unwrap();
    assert_eq!(
        (header.r#type, header.proc, header.serial),
        (MessageType::Message, 318, 0)
    );
    assert_eq!(
        xdr::from_bytes::<remote::DomainEventCallbackLifecycleMsg>(&body).unwrap(),
        message
    );
}

#[tokio::test]
async fn whoever_does_not_read_replies_is_not_read() {
    let mut wire = Wire::new();
    let packet = Packet::raw(call::<ConnectGetHostname>(1), &[]).unwrap();
    let mut calls = 0;
    let mut written = 0;
    // Until the server stops reading.
    while let Ok(Ok(count)) = tokio::time::timeout(
        Duration::from_millis(200),
        wire.stream.write(&packet.bytes()[written..]),
    )
    .await
    {
        written += count;
        if written == packet.bytes().len() {
            written = 0;
            calls += 1;
        }
        assert!(calls < 1_000_000, "the server must stop reading");
    }
    assert!(!wire.session.is_closed());
    for _ in 0..calls {
        assert_eq!(wire.recv().await.unwrap().0.status, Status::Ok);
    }
}

#[tokio::test]
async fn a_stream_that_is_not_taken_stops_its_connection_only() {
    let mut wire = Wire::new();
    let mut other = Wire::new();
    let args = remote::DomainOpenConsoleArgs {
        dom: domain(),
        dev_name: None,
        flags: 0,
    };
    wire.call::<DomainOpenConsole>(1, &args).await;
    assert_eq!(wire.recv().await.unwrap().0.status, Status::Ok);
    let data = Header {
        r#type: MessageType::Stream,
        status: Status::Continue,
        ..call::<DomainOpenConsole>(1)
    };
    let packet = Packet::raw(data, &[0; 65536]).unwrap();
    let flood = async {
        for _ in 0..1000 {
            wire.stream.write_all(packet.bytes()).await.unwrap();
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(300), flood)
            .await
            .is_err()
    );
    other.call::<ConnectGetHostname>(1, &()).await;
    assert_eq!(other.recv().await.unwrap().0.status, Status::Ok);
    drop(wire);
}

#[tokio::test]
async fn a_serial_cannot_open_two_streams() {
    let mut wire = Wire::new();
    let args = remote::DomainOpenConsoleArgs {
        dom: domain(),
        dev_name: None,
        flags: 0,
    };
    wire.call::<DomainOpenConsole>(7, &args).await;
    assert_eq!(wire.recv().await.unwrap().0.status, Status::Ok);
    wire.call::<DomainOpenConsole>(7, &args).await;
    assert_eq!(wire.error().await.code(), Code::Rpc);
    // Data for a stream that never was is dropped, a malformed hole is not.
    let data = Header {
        r#type: MessageType::Stream,
        status: Status::Continue,
        ..call::<DomainOpenConsole>(8)
    };
    wire.send(&Packet::raw(data, b"lost").unwrap()).await;
    wire.call::<ConnectGetHostname>(9, &()).await;
    assert_eq!(wire.recv().await.unwrap().0.serial, 9);
    let hole = Header {
        r#type: MessageType::StreamHole,
        serial: 7,
        ..data
    };
    wire.send(&Packet::raw(hole, b"hole").unwrap()).await;
    assert!(wire.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection_after_the_last_ping() {
    let limits = Limits {
        keepalive: Keepalive::from_config(5, 3),
        ..Limits::default()
    };
    let mut wire = Wire::with(SessionOptions {
        limits,
        ..SessionOptions::default()
    });
    let start = tokio::time::Instant::now();
    wire.session.enable_keepalive();
    for _ in 0..3 {
        let (header, _) = wire.recv().await.unwrap();
        assert_eq!((header.prog, header.proc), (keepalive::PROGRAM.number, 1));
    }
    assert!(wire.recv().await.is_none());
    assert_eq!(start.elapsed().as_secs(), 20);

    // Whoever answers stays.
    let mut wire = Wire::with(SessionOptions {
        limits,
        ..SessionOptions::default()
    });
    wire.session.enable_keepalive();
    for _ in 0..20 {
        let (header, _) = wire.recv().await.unwrap();
        wire.send(&Packet::raw(Header { proc: 2, ..header }, &[]).unwrap())
            .await;
    }
    assert!(!wire.session.is_closed());
}

#[tokio::test]
async fn the_gate_comes_before_the_arguments() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut router = router();
    router.gate(|session, _, procedure| {
        if session.authenticated() || procedure.name.starts_with("auth_") {
            return Ok(());
        }
        Err(Error::new(
            Code::AuthFailed,
            Domain::Rpc,
            "authentication required",
        ))
    });
    let options = SessionOptions {
        authenticated: false,
        ..SessionOptions::default()
    };
    let driver = Arc::new(Driver {
        gate: Semaphore::new(0),
    });
    let (session, task) = serve(
        Transport::unix(theirs),
        Arc::new(router),
        Arc::clone(&driver),
        options,
    );
    tokio::spawn(task);
    let mut wire = Wire {
        stream: ours,
        reader: FrameReader::new(),
        session,
        driver,
    };
    wire.send(&Packet::raw(call::<DomainSuspend>(1), b"garbage").unwrap())
        .await;
    assert_eq!(wire.error().await.code(), Code::AuthFailed);
    wire.session.set_authenticated();
    wire.call::<ConnectGetHostname>(2, &()).await;
    assert_eq!(wire.recv().await.unwrap().0.status, Status::Ok);
    let identity = wire.session.identity().unwrap();
    assert_eq!(identity.uid, rustix::process::getuid().as_raw());
    assert!(identity.start_time.is_some());
}

#[tokio::test]
async fn a_stranger_may_not_send_large_packets() {
    let packet = Packet::raw(call::<DomainSuspend>(1), &[0; 400_000]).unwrap();
    let mut wire = Wire::with(SessionOptions {
        authenticated: false,
        ..SessionOptions::default()
    });
    wire.stream.write_all(&packet.bytes()[..100]).await.unwrap();
    assert!(wire.recv().await.is_none());
    let mut wire = Wire::new();
    wire.send(&packet).await;
    assert_eq!(wire.error().await.code(), Code::Rpc);
}
