//! Any bytes from a client of a server: calls, events, stream data and holes, keepalive. The server ends with its client, and
//! what it says is packets.

use bytes::Bytes;
use protocol::Procedure;
use protocol::net::Header;
use protocol::remote::{self, procedure};
use rpc::{
    Context, FrameReader, Keepalive, Router, Session, SessionOptions, StreamEvent, Transport, TransportKind,
};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

type Call = Context<()>;

/// Sends back what comes.
async fn console(call: Call, _: remote::DomainOpenConsoleArgs) -> error::Result<()> {
    let stream = call.open_stream()?;
    tokio::spawn(async move {
        loop {
            let sent = match stream.recv().await {
                StreamEvent::Data(data) => stream.send(data).await,
                StreamEvent::Hole(length) => stream.send_hole(length).await,
                StreamEvent::Finish => return drop(stream.finish().await),
                StreamEvent::Abort(_) => return,
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Sends before it is asked.
async fn screenshot(
    call: Call,
    _: remote::DomainScreenshotArgs,
) -> error::Result<remote::DomainScreenshotRet> {
    let stream = call.open_stream()?;
    tokio::spawn(async move {
        if stream.send(Bytes::from_static(&[7; 300])).await.is_ok() {
            drop(stream.finish().await);
        }
    });
    Ok(remote::DomainScreenshotRet { mime: None })
}

/// Answers later than others.
async fn suspend(call: Call, _: remote::DomainSuspendArgs) -> error::Result<()> {
    tokio::task::yield_now().await;
    call.session.set_read_only();
    Ok(())
}

async fn hostname(_: Call, (): ()) -> error::Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: "here".to_owned(),
    })
}

fn router() -> Router<()> {
    let mut router = Router::new();
    router
        .on::<procedure::DomainOpenConsole, _>(console)
        .on::<procedure::DomainScreenshot, _>(screenshot)
        .on::<procedure::DomainSuspend, _>(suspend)
        .on::<procedure::ConnectGetHostname, _>(hostname)
        .gate(|session: &Session, _, called| {
            if session.read_only() && called.number != procedure::ConnectGetHostname::INFO.number {
                return Err(error::Error::new(
                    error::Code::OperationDenied,
                    error::Domain::Rpc,
                    "no",
                ));
            }
            Ok(())
        });
    router
}

/// What a proxy keeps for itself.
fn keeps(header: &Header, _: &[u8]) -> bool {
    header.prog == remote::PROGRAM.number && header.proc == procedure::ConnectGetHostname::INFO.number
}

async fn talk(how: u8, bytes: &[u8]) {
    let (near, far) = tokio::io::duplex(512);
    let options = SessionOptions {
        authenticated: how & 1 == 0,
        ..SessionOptions::default()
    };
    let transport = |stream| Transport::stream(TransportKind::Tcp, stream);
    let (session, serving) = rpc::serve(transport(near), Arc::new(router()), Arc::new(()), options);
    let mut tasks = vec![tokio::spawn(serving)];
    if how & 2 != 0 {
        // Passed on to another server, as the proxy does.
        let (near, far) = tokio::io::duplex(512);
        let (_, serving) = rpc::serve(
            transport(far),
            Arc::new(router()),
            Arc::new(()),
            SessionOptions::default(),
        );
        tasks.push(tokio::spawn(serving));
        if let Err(failure) = session.relay(transport(near), Keepalive::OFF, keeps) {
            panic!("a new session is not passed on: {failure}");
        }
    }
    let (mut read, mut write) = tokio::io::split(far);
    let mut said = Vec::new();
    let writing = async {
        for part in bytes.chunks(usize::from(how >> 2) + 1) {
            if write.write_all(part).await.is_err() {
                break;
            }
        }
        // Fails where the server was faster.
        let _ = write.shutdown().await;
    };
    let (read, ()) = tokio::join!(read.read_to_end(&mut said), writing);
    assert!(read.is_ok());
    for task in tasks {
        assert!(task.await.is_ok(), "a server panicked");
    }
    check(&said);
}

/// What a server said, to its end or to where it was cut off: packets.
fn check(said: &[u8]) {
    let mut reader = FrameReader::new();
    let mut left = said;
    while !left.is_empty() {
        let room = reader.room();
        let (now, later) = left.split_at(room.len().min(left.len()));
        if let Some(room) = room.get_mut(..now.len()) {
            room.copy_from_slice(now);
        }
        left = later;
        if let Err(failure) = reader.received(now.len(), None) {
            panic!("{failure}");
        }
        loop {
            match reader.peek() {
                Ok(Some(frame)) => reader.consume(&frame),
                Ok(None) => break,
                Err(failure) => panic!("what a server says is no packet: {failure}"),
            }
        }
    }
}

thread_local! {
    static RUNTIME: Option<Runtime> = tokio::runtime::Builder::new_current_thread().enable_all().build().ok();
}

/// The first byte chooses how it is served and in which parts the rest arrives.
pub(crate) fn run(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else {
        return;
    };
    RUNTIME.with(|runtime| match runtime {
        Some(runtime) => runtime.block_on(talk(*how, bytes)),
        None => panic!("there is no runtime"),
    });
}
