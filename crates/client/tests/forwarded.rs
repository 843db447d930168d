//! Client and server with another server between them that passes every call on: everything is as without, and what only
//! that can do wrong.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod conversation;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::Client;
use error::{Code, Domain, Error};
use parking_lot::Mutex;
use protocol::remote;
use protocol::remote::procedure as call;
use protocol::{Kind, Procedure};
use rpc::{Context, Far, Keepalive, Limits, Router, Session, SessionOptions, StreamEvent, Transport, serve};
use tokio::net::UnixStream;

/// The server in the middle goes on when the far one ends.
const ENDS_WITH_SERVER: bool = false;

/// What the server in the middle connects to, one after the other; `None` is a server that never answers.
type Servers = Mutex<VecDeque<Option<UnixStream>>>;

/// A server that serves the type of the connection itself and has all other calls served elsewhere.
fn middle(near: Transport, servers: impl IntoIterator<Item = Option<UnixStream>>) -> Arc<Session> {
    let mut router = Router::<Servers>::new();
    for procedure in remote::PROGRAM.procedures {
        if matches!(procedure.kind, Kind::Call { .. }) {
            router.forward(&remote::PROGRAM, procedure, "far");
        }
    }
    router.on::<call::ConnectGetUri, _>(own);
    router.reach(|servers, _, name| {
        assert_eq!(name, "far");
        Box::pin(async move {
            let next = servers.lock().pop_front();
            match next {
                Some(Some(stream)) => Ok(Far {
                    transport: Transport::unix(stream),
                    keepalive: Keepalive::from_config(5, 5),
                }),
                Some(None) => std::future::pending().await,
                None => Err(Error::new(Code::Rpc, Domain::Rpc, "the way to far is closed")),
            }
        })
    });
    let limits = Limits {
        max_requests: 2000,
        ..Limits::default()
    };
    let options = SessionOptions {
        limits,
        ..SessionOptions::default()
    };
    let servers = Mutex::new(servers.into_iter().collect());
    let (session, task) = serve(near, Arc::new(router), Arc::new(servers), options);
    tokio::spawn(task);
    session
}

async fn own(_: Context<Servers>, (): ()) -> error::Result<remote::ConnectGetUriRet> {
    Ok(remote::ConnectGetUriRet {
        uri: "middle".to_owned(),
    })
}

fn reach(server: UnixStream) -> Transport {
    let (ours, theirs) = UnixStream::pair().unwrap();
    middle(Transport::unix(theirs), [Some(server)]);
    Transport::unix(ours)
}

/// A client of a server in the middle that connects to these.
fn client(servers: impl IntoIterator<Item = Option<UnixStream>>) -> (Client, Arc<Session>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let session = middle(Transport::unix(theirs), servers);
    (Client::over(Transport::unix(ours)), session)
}

/// A far server: the middle's end of a connection to it, and its session.
fn far(router: Router<()>) -> (UnixStream, Arc<Session>) {
    let (middle, server) = UnixStream::pair().unwrap();
    let (session, task) = serve(
        Transport::unix(server),
        Arc::new(router),
        Arc::new(()),
        SessionOptions::default(),
    );
    tokio::spawn(task);
    (middle, session)
}

async fn hostname(_: Context<()>, (): ()) -> error::Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: "far".to_owned(),
    })
}

async fn never(_: Context<()>, (): ()) -> error::Result<remote::ConnectGetTypeRet> {
    std::future::pending().await
}

/// Registers, and tells of something at once.
async fn register(
    ctx: Context<()>,
    args: remote::ConnectSecretEventRegisterAnyArgs,
) -> error::Result<remote::ConnectSecretEventRegisterAnyRet> {
    let session = Arc::clone(&ctx.session);
    tokio::spawn(async move {
        for detail in 0..100 {
            let secret = remote::Secret {
                uuid: [1; 16],
                usage_type: 0,
                usage_id: String::new(),
            };
            session.send_event::<call::SecretEventLifecycle>(&remote::SecretEventLifecycleMsg {
                callback_id: args.event_id,
                secret,
                event: 0,
                detail,
            });
        }
    });
    Ok(remote::ConnectSecretEventRegisterAnyRet { callback_id: 7 })
}

fn ordinary() -> Router<()> {
    let mut router = Router::new();
    router
        .on::<call::ConnectGetHostname, _>(hostname)
        .on::<call::ConnectGetType, _>(never)
        .on::<call::ConnectSecretEventRegisterAny, _>(register)
        .on::<call::StorageVolDownload, _>(endless);
    router
}

/// Sends until nobody listens any more.
async fn endless(ctx: Context<()>, _: remote::StorageVolDownloadArgs) -> error::Result<()> {
    let stream = ctx.open_stream()?;
    tokio::spawn(async move { while stream.send(Bytes::from_static(&[7; 1000])).await.is_ok() {} });
    Ok(())
}

fn volume() -> remote::StorageVolDownloadArgs {
    let vol = remote::StorageVol {
        pool: "p".to_owned(),
        name: "v".to_owned(),
        key: "k".to_owned(),
    };
    remote::StorageVolDownloadArgs {
        vol,
        offset: 0,
        length: 0,
        flags: 0,
    }
}

#[tokio::test]
async fn events_come_after_the_answer_that_announces_them() {
    let (far, _session) = far(ordinary());
    let (client, _) = client([Some(far)]);
    let mut events = client.events();
    let args = remote::ConnectSecretEventRegisterAnyArgs {
        event_id: 1,
        secret: None,
    };
    let registered = client
        .call::<call::ConnectSecretEventRegisterAny>(&args)
        .await
        .unwrap();
    assert_eq!(registered.callback_id, 7);
    for detail in 0..100 {
        let event = events.next_of::<call::SecretEventLifecycle>().await.unwrap();
        assert_eq!(event.unwrap().detail, detail);
    }
}

#[tokio::test]
async fn a_server_that_dies_costs_its_calls_and_streams_and_is_connected_to_again() {
    let (first, dying) = far(ordinary());
    let (second, _living) = far(ordinary());
    let (client, session) = client([Some(first), Some(second)]);
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call::<call::ConnectGetType>(&()).await }
    });
    let ((), stream) = client
        .call_with_stream::<call::StorageVolDownload>(&volume())
        .await
        .unwrap();
    let StreamEvent::Data(_) = stream.recv().await else {
        panic!("no data")
    };
    assert_eq!(session.calls_in_progress(), 1);
    dying.close();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Rpc);
    assert!(error.detail().contains("the connection to far ended"), "{error}");
    let end = loop {
        match stream.recv().await {
            StreamEvent::Data(_) => {}
            StreamEvent::Abort(why) => break why,
            other => panic!("{other:?}"),
        }
    };
    assert!(end.detail().contains("the connection to far ended"), "{end}");
    assert_eq!(session.calls_in_progress(), 0);
    // What is served here never noticed.
    assert_eq!(
        client.call::<call::ConnectGetUri>(&()).await.unwrap().uri,
        "middle"
    );
    let again = client.call::<call::ConnectGetHostname>(&()).await.unwrap();
    assert_eq!(again.hostname, "far");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_costs_its_calls_only() {
    let (far, _living) = far(ordinary());
    let (client, session) = client([None, Some(far)]);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call::<call::ConnectGetHostname>(&()).await })
        })
        .collect();
    while session.calls_in_progress() < 3 {
        assert_eq!(
            client.call::<call::ConnectGetUri>(&()).await.unwrap().uri,
            "middle"
        );
    }
    client.close();
    for call in waiting {
        call.await.unwrap().unwrap_err();
    }
    // The attempt to connect ends with the client.
    session.closed().await;
    while session.calls_in_progress() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_stops_streams_to_it_and_no_call() {
    let (middle, server) = UnixStream::pair().unwrap();
    let (client, session) = client([Some(middle)]);
    let hasty = client.with_deadline(Duration::from_millis(200));
    // Nobody reads these: they wait in the middle.
    for _ in 0..40 {
        let args = remote::SecretDefineXmlArgs {
            xml: "x".repeat(60_000),
            flags: 0,
        };
        let hasty = hasty.clone();
        tokio::spawn(async move { hasty.call::<call::SecretDefineXml>(&args).await });
    }
    while session.calls_in_progress() < 40 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        client.call::<call::ConnectGetUri>(&()).await.unwrap().uri,
        "middle"
    );
    drop(server);
    while session.calls_in_progress() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_makes_a_call_twice_is_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (middle_end, _server) = UnixStream::pair().unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    middle(Transport::unix(theirs), [Some(middle_end)]);
    let header = protocol::net::Header {
        prog: remote::PROGRAM.number,
        vers: 1,
        proc: call::ConnectGetHostname::INFO.number,
        r#type: protocol::net::MessageType::Call,
        serial: 5,
        status: protocol::net::Status::Ok,
    };
    let packet = rpc::Packet::raw(header, &[]).unwrap();
    for _ in 0..2 {
        ours.write_all(packet.bytes()).await.unwrap();
    }
    let mut answer = [0; 28];
    ours.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[20..28], [0, 0, 0, 5, 0, 0, 0, 1], "serial and status");
}
