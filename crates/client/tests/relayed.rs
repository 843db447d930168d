//! Client and server with a relay between them: everything is as without, and what only a relay can do wrong.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod conversation;

use std::sync::Arc;
use std::time::Duration;

use client::Client;
use error::Code;
use protocol::net::{Header, MessageType, Status};
use protocol::remote;
use protocol::remote::procedure as call;
use protocol::{Procedure, keepalive};
use rpc::{Keepalive, Packet, Router, Session, SessionOptions, Transport, TransportKind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const ENDS_WITH_SERVER: bool = true;

/// A relay from the transport of a client to `far`.
fn relay(near: Transport, far: UnixStream) -> Arc<Session> {
    let (session, task) = serve(
        near,
        Arc::new(Router::<()>::new()),
        Arc::new(()),
        SessionOptions::default(),
    );
    session
        .relay(Transport::unix(far), Keepalive::from_config(5, 5), |_, _| false)
        .unwrap();
    tokio::spawn(task);
    session
}

fn reach(server: UnixStream) -> Transport {
    let (ours, theirs) = UnixStream::pair().unwrap();
    relay(Transport::unix(theirs), server);
    Transport::unix(ours)
}

/// Both ends of a relay as bare sockets, and its session.
fn ends() -> (UnixStream, UnixStream, Arc<Session>) {
    let (client, near) = UnixStream::pair().unwrap();
    let (far, server) = UnixStream::pair().unwrap();
    (client, server, relay(Transport::unix(near), far))
}

fn packet(kind: MessageType, serial: u32, length: usize) -> Vec<u8> {
    let header = Header {
        prog: remote::PROGRAM.number,
        vers: 1,
        proc: call::ConnectGetHostname::INFO.number,
        r#type: kind,
        serial,
        status: Status::Ok,
    };
    Packet::raw(header, &vec![7; length]).unwrap().bytes().to_vec()
}

async fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn what_was_said_before_an_end_arrives() {
    // More than any socket takes at once, so that it waits in the relay when its sender is gone.
    let said: Vec<u8> = (0..40)
        .flat_map(|serial| packet(MessageType::Message, serial, 100_000))
        .collect();
    let (client, mut server, _) = ends();
    let told = said.clone();
    let sender = tokio::spawn(async move { server.write_all(&told).await });
    let heard = rest(client).await;
    sender.await.unwrap().unwrap();
    assert!(heard == said, "{} of {} bytes", heard.len(), said.len());

    let said: Vec<u8> = (0..40)
        .flat_map(|serial| packet(MessageType::Call, serial, 100_000))
        .collect();
    let (mut client, server, session) = ends();
    let told = said.clone();
    let sender = tokio::spawn(async move { client.write_all(&told).await });
    let heard = rest(server).await;
    sender.await.unwrap().unwrap();
    assert!(heard == said, "{} of {} bytes", heard.len(), said.len());
    session.closed().await;
}

#[tokio::test]
async fn whoever_does_not_read_stops_only_who_sends_to_him() {
    for (from_client, kind) in [(true, MessageType::Call), (false, MessageType::Message)] {
        let (client, server, session) = ends();
        let (mut sender, receiver) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        let part = packet(kind, 0, 50_000);
        let mut taken = 0;
        while tokio::time::timeout(Duration::from_millis(300), sender.write_all(&part))
            .await
            .is_ok()
        {
            taken += part.len();
            assert!(taken < 8 << 20, "the relay takes everything");
        }
        assert!(!session.is_closed());
        drop(receiver);
        session.closed().await;
    }
}

#[tokio::test]
async fn both_ends_are_asked_for_packets_only() {
    for from_client in [true, false] {
        let (client, server, session) = ends();
        let (mut sender, receiver) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        sender.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        sender.write_all(&[0; 100]).await.unwrap();
        assert_eq!(rest(receiver).await, b"");
        session.closed().await;
    }
}

#[tokio::test]
async fn keepalive_is_answered_on_the_spot() {
    let (mut client, server, _) = ends();
    let ping = Header {
        prog: keepalive::PROGRAM.number,
        vers: keepalive::PROGRAM.version,
        proc: keepalive::procedure::Ping::INFO.number,
        r#type: MessageType::Message,
        serial: 0,
        status: Status::Ok,
    };
    let ping = Packet::raw(ping, &[]).unwrap();
    client.write_all(ping.bytes()).await.unwrap();
    let mut pong = [0; 28];
    client.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong.get(12..16), Some(&[0, 0, 0, 2][..]));
    drop(client);
    assert_eq!(rest(server).await, b"");
}

#[tokio::test]
async fn descriptors_that_cannot_pass_are_an_error_of_that_call() {
    let (_, server, _) = ends();
    drop(server);
    let (far, server) = UnixStream::pair().unwrap();
    let (ours, near) = tokio::io::duplex(100);
    relay(Transport::stream(TransportKind::Tls, near), far);
    let client = Client::over(Transport::stream(TransportKind::Tls, ours));
    let mut router = Router::new();
    router.on::<call::DomainCreateXmlWithFiles, _>(gives_a_file);
    let (_session, task) = serve(
        Transport::unix(server),
        Arc::new(router),
        Arc::new(()),
        SessionOptions::default(),
    );
    tokio::spawn(task);
    let args = remote::DomainCreateXmlWithFilesArgs {
        xml_desc: String::new(),
        flags: 0,
    };
    for _ in 0..2 {
        let error = client
            .call::<call::DomainCreateXmlWithFiles>(&args)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::NoSupport);
    }
}

async fn gives_a_file(
    ctx: rpc::Context<()>,
    _: remote::DomainCreateXmlWithFilesArgs,
) -> error::Result<remote::DomainCreateXmlWithFilesRet> {
    ctx.push_reply_fd(tempfile::tempfile().unwrap().into())?;
    let dom = remote::Domain {
        name: "d".to_owned(),
        uuid: [1; 16],
        id: 7,
    };
    Ok(remote::DomainCreateXmlWithFilesRet { dom })
}
