//! Client and server: calls, descriptors, streams, events, and the end. What lies between them is `super::reach`'s matter.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{Client, OpenOptions, Uri};
use error::{Code, Domain, Error};
use protocol::remote::procedure as call;
use protocol::remote::{self, AuthType};
use rpc::{
    Context, Keepalive, Limits, Router, Session, SessionOptions, StreamEvent, Transport, TransportKind, serve,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Barrier;

pub(crate) struct Driver {
    /// All concurrent calls meet here.
    together: Barrier,
    uploaded: AtomicUsize,
}

impl Default for Driver {
    fn default() -> Self {
        Self {
            together: Barrier::new(1000),
            uploaded: AtomicUsize::new(0),
        }
    }
}

async fn hostname(_: Context<Driver>, (): ()) -> error::Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: "here".to_owned(),
    })
}

async fn get_type(_: Context<Driver>, (): ()) -> error::Result<remote::ConnectGetTypeRet> {
    std::future::pending().await
}

/// Answers when a thousand callers are there.
async fn lookup(
    ctx: Context<Driver>,
    args: remote::DomainLookupByIdArgs,
) -> error::Result<remote::DomainLookupByIdRet> {
    ctx.driver.together.wait().await;
    let dom = remote::Domain {
        name: args.id.to_string(),
        uuid: [0; 16],
        id: args.id,
    };
    Ok(remote::DomainLookupByIdRet { dom })
}

async fn no_domain(
    _: Context<Driver>,
    args: remote::DomainLookupByNameArgs,
) -> error::Result<remote::DomainLookupByNameRet> {
    Err(Error::new(
        Code::NoDomain,
        Domain::Qemu,
        format!("no domain with matching name '{}'", args.name),
    ))
}

/// Gives each file back, with a line added.
async fn files(
    ctx: Context<Driver>,
    args: remote::DomainCreateXmlWithFilesArgs,
) -> error::Result<remote::DomainCreateXmlWithFilesRet> {
    for fd in ctx.take_fds() {
        let mut file = std::fs::File::from(fd);
        file.write_all(args.xml_desc.as_bytes()).unwrap();
        ctx.push_reply_fd(file.into())?;
    }
    let dom = remote::Domain {
        name: "d".to_owned(),
        uuid: [1; 16],
        id: 7,
    };
    Ok(remote::DomainCreateXmlWithFilesRet { dom })
}

/// Takes bytes and holes; refuses at the end what is empty.
async fn upload(ctx: Context<Driver>, _: remote::StorageVolUploadArgs) -> error::Result<()> {
    let stream = ctx.open_stream()?;
    let driver = Arc::clone(&ctx.driver);
    tokio::spawn(async move {
        let mut total = 0;
        loop {
            match stream.recv().await {
                StreamEvent::Data(bytes) => total += bytes.len(),
                StreamEvent::Hole(length) => total += usize::try_from(length).unwrap(),
                StreamEvent::Finish => break,
                StreamEvent::Abort(_) => {
                    driver.uploaded.store(usize::MAX, Ordering::SeqCst);
                    return;
                }
            }
        }
        driver.uploaded.store(total, Ordering::SeqCst);
        if total == 0 {
            stream.abort(&Error::new(
                Code::OperationFailed,
                Domain::Storage,
                "nothing came",
            ));
        } else {
            stream.finish().await.unwrap();
        }
    });
    Ok(())
}

/// Sends `length` bytes in uneven parts, with a hole in front.
async fn download(ctx: Context<Driver>, args: remote::StorageVolDownloadArgs) -> error::Result<()> {
    let stream = ctx.open_stream()?;
    if args.flags != 0 {
        return Err(Error::new(
            Code::InvalidArg,
            Domain::Storage,
            format!("unknown flags 0x{:x}", args.flags),
        ));
    }
    tokio::spawn(async move {
        stream.send_hole(4096).await.unwrap();
        let data = Bytes::from(vec![7; usize::try_from(args.length).unwrap()]);
        for part in 0..data.len().div_ceil(1_000_000) {
            let end = data.len().min((part + 1) * 1_000_000);
            if stream.send(data.slice(part * 1_000_000..end)).await.is_err() {
                return;
            }
        }
        stream.finish().await.unwrap();
    });
    Ok(())
}

/// Says back what it hears.
async fn console(ctx: Context<Driver>, _: remote::DomainOpenConsoleArgs) -> error::Result<()> {
    let stream = ctx.open_stream()?;
    tokio::spawn(async move {
        while let StreamEvent::Data(bytes) = stream.recv().await {
            stream.send(bytes).await.unwrap();
        }
    });
    Ok(())
}

async fn auth_list(_: Context<Driver>, (): ()) -> error::Result<remote::AuthListRet> {
    Ok(remote::AuthListRet {
        types: vec![AuthType::RemoteAuthNone],
    })
}

async fn feature(
    ctx: Context<Driver>,
    args: remote::ConnectSupportsFeatureArgs,
) -> error::Result<remote::ConnectSupportsFeatureRet> {
    if args.feature == 10 {
        ctx.session.enable_keepalive();
    }
    Ok(remote::ConnectSupportsFeatureRet {
        supported: i32::from(args.feature == 10),
    })
}

async fn open(ctx: Context<Driver>, args: remote::ConnectOpenArgs) -> error::Result<()> {
    if args.name.as_deref() != Some("qemu:///system") {
        return Err(Error::new(
            Code::NoConnect,
            Domain::Qemu,
            format!("{:?}", args.name),
        ));
    }
    if args.flags & 1 != 0 {
        ctx.session.set_read_only();
    }
    Ok(())
}

pub(crate) fn router() -> Arc<Router<Driver>> {
    let mut router = Router::new();
    router
        .on::<call::ConnectGetHostname, _>(hostname)
        .on::<call::ConnectGetType, _>(get_type)
        .on::<call::DomainLookupById, _>(lookup)
        .on::<call::DomainLookupByName, _>(no_domain)
        .on::<call::DomainCreateXmlWithFiles, _>(files)
        .on::<call::StorageVolUpload, _>(upload)
        .on::<call::StorageVolDownload, _>(download)
        .on::<call::DomainOpenConsole, _>(console)
        .on::<call::AuthList, _>(auth_list)
        .on::<call::ConnectSupportsFeature, _>(feature)
        .on::<call::ConnectOpen, _>(open);
    Arc::new(router)
}

fn options() -> SessionOptions {
    let limits = Limits {
        max_requests: 2000,
        ..Limits::default()
    };
    SessionOptions {
        limits,
        ..SessionOptions::default()
    }
}

/// A client, the server's side of its connection, and what serves it.
pub(crate) fn pair() -> (Client, Arc<Session>, Arc<Driver>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let driver = Arc::new(Driver::default());
    let (session, task) = serve(Transport::unix(theirs), router(), Arc::clone(&driver), options());
    tokio::spawn(task);
    (Client::over(super::reach(ours)), session, driver)
}

fn volume() -> remote::StorageVol {
    remote::StorageVol {
        pool: "p".to_owned(),
        name: "v".to_owned(),
        key: "k".to_owned(),
    }
}

fn upload_args() -> remote::StorageVolUploadArgs {
    remote::StorageVolUploadArgs {
        vol: volume(),
        offset: 0,
        length: 0,
        flags: 0,
    }
}

fn download_args(length: u64) -> remote::StorageVolDownloadArgs {
    remote::StorageVolDownloadArgs {
        vol: volume(),
        offset: 0,
        length,
        flags: 0,
    }
}

fn console_args() -> remote::DomainOpenConsoleArgs {
    let dom = remote::Domain {
        name: "d".to_owned(),
        uuid: [0; 16],
        id: 1,
    };
    remote::DomainOpenConsoleArgs {
        dom,
        dev_name: None,
        flags: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_run_at_once() {
    let (client, ..) = pair();
    let calls: Vec<_> = (0..1000)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move {
                let found = client
                    .call::<call::DomainLookupById>(&remote::DomainLookupByIdArgs { id })
                    .await;
                assert_eq!(found.unwrap().dom.name, id.to_string());
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn errors_arrive_as_they_were_meant() {
    let (client, ..) = pair();
    let args = remote::DomainLookupByNameArgs { name: "x".to_owned() };
    let error = client.call::<call::DomainLookupByName>(&args).await.unwrap_err();
    assert_eq!((error.code(), error.domain()), (Code::NoDomain, Domain::Qemu));
    assert_eq!(
        error.to_string(),
        "Domain not found: no domain with matching name 'x'"
    );
}

#[tokio::test]
async fn descriptors_pass_both_ways() {
    let (client, ..) = pair();
    let file = tempfile::tempfile().unwrap();
    let fds: Vec<OwnedFd> = (0..32).map(|_| file.try_clone().unwrap().into()).collect();
    let args = remote::DomainCreateXmlWithFilesArgs {
        xml_desc: "ab".to_owned(),
        flags: 0,
    };
    let (ret, back) = client
        .call_with_fds::<call::DomainCreateXmlWithFiles>(&args, fds)
        .await
        .unwrap();
    assert_eq!((ret.dom.id, back.len()), (7, 32));
    let mut last = std::fs::File::from(back.into_iter().next_back().unwrap());
    last.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    last.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ab".repeat(32));
    // Calls after that find the packets' borders again.
    client.call::<call::ConnectGetHostname>(&()).await.unwrap();
}

#[tokio::test]
async fn more_descriptors_than_a_packet_carries_are_refused_here() {
    let (client, ..) = pair();
    let file = tempfile::tempfile().unwrap();
    let fds: Vec<OwnedFd> = (0..33).map(|_| file.try_clone().unwrap().into()).collect();
    let args = remote::DomainCreateXmlWithFilesArgs {
        xml_desc: String::new(),
        flags: 0,
    };
    let error = client
        .call_with_fds::<call::DomainCreateXmlWithFiles>(&args, fds)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Rpc);
}

#[tokio::test]
async fn an_upload_is_confirmed_or_refused_at_its_end() {
    let (client, _, driver) = pair();
    let ((), stream) = client
        .call_with_stream::<call::StorageVolUpload>(&upload_args())
        .await
        .unwrap();
    stream.send(Bytes::from(vec![1; 3_000_000])).await.unwrap();
    stream.send_hole(5_000_000).await.unwrap();
    stream.finish().await.unwrap();
    assert_eq!(driver.uploaded.load(Ordering::SeqCst), 8_000_000);

    let ((), stream) = client
        .call_with_stream::<call::StorageVolUpload>(&upload_args())
        .await
        .unwrap();
    let error = stream.finish().await.unwrap_err();
    assert_eq!(
        (error.code(), error.detail()),
        (Code::OperationFailed, "nothing came")
    );

    let ((), stream) = client
        .call_with_stream::<call::StorageVolUpload>(&upload_args())
        .await
        .unwrap();
    stream.send(Bytes::from_static(b"half")).await.unwrap();
    drop(stream);
    while driver.uploaded.load(Ordering::SeqCst) != usize::MAX {
        client.call::<call::ConnectGetHostname>(&()).await.unwrap();
    }
}

#[tokio::test]
async fn a_download_ends_by_itself() {
    let (client, ..) = pair();
    let args = download_args(5_000_000);
    let ((), stream) = client
        .call_with_stream::<call::StorageVolDownload>(&args)
        .await
        .unwrap();
    let (mut data, mut holes) = (0, 0);
    loop {
        match stream.recv().await {
            StreamEvent::Data(bytes) => {
                assert!(bytes.len() <= protocol::net::limits::STREAM_DATA);
                data += bytes.len();
            }
            StreamEvent::Hole(length) => holes += length,
            StreamEvent::Finish => break,
            StreamEvent::Abort(error) => panic!("{error}"),
        }
    }
    assert_eq!((data, holes), (5_000_000, 4096));
    stream.finish().await.unwrap();
}

#[tokio::test]
async fn a_download_that_is_not_read_holds_up_nothing_else_and_little_memory() {
    let (client, ..) = pair();
    let args = download_args(100_000_000);
    let ((), slow) = client
        .call_with_stream::<call::StorageVolDownload>(&args)
        .await
        .unwrap();
    // The client's own window stops its reading; with the stream gone, calls go on.
    let other = client.with_deadline(Duration::from_millis(300));
    while other.call::<call::ConnectGetHostname>(&()).await.is_ok() {}
    drop(slow);
    client.call::<call::ConnectGetHostname>(&()).await.unwrap();
}

#[tokio::test]
async fn a_download_may_be_finished_early() {
    let (client, ..) = pair();
    let args = download_args(100_000);
    let ((), stream) = client
        .call_with_stream::<call::StorageVolDownload>(&args)
        .await
        .unwrap();
    stream.recv().await;
    stream.finish().await.unwrap();
    client.call::<call::ConnectGetHostname>(&()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_fails_opens_no_stream() {
    let (client, ..) = pair();
    let args = remote::StorageVolDownloadArgs {
        flags: 0x80,
        ..download_args(1)
    };
    let error = client
        .call_with_stream::<call::StorageVolDownload>(&args)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArg);
}

#[tokio::test]
async fn a_console_speaks_both_ways() {
    let (client, ..) = pair();
    let ((), stream) = client
        .call_with_stream::<call::DomainOpenConsole>(&console_args())
        .await
        .unwrap();
    for line in ["one\n", "two\n"] {
        stream.send(Bytes::from_static(line.as_bytes())).await.unwrap();
        match stream.recv().await {
            StreamEvent::Data(bytes) => assert_eq!(bytes, line),
            other => panic!("{other:?}"),
        }
    }
    stream.finish().await.unwrap();
}

#[tokio::test]
async fn events_arrive_in_order() {
    let (client, session, _) = pair();
    let mut events = client.events();
    client.call::<call::ConnectGetHostname>(&()).await.unwrap();
    for event in 0..100 {
        let dom = remote::Domain {
            name: "d".to_owned(),
            uuid: [0; 16],
            id: 1,
        };
        let msg = remote::DomainEventLifecycleMsg {
            dom,
            event,
            detail: 0,
        };
        let message = remote::DomainEventCallbackLifecycleMsg { callback_id: 3, msg };
        session.send_event::<call::DomainEventCallbackLifecycle>(&message);
    }
    for event in 0..100 {
        let message = events
            .next_of::<call::DomainEventCallbackLifecycle>()
            .await
            .unwrap()
            .unwrap();
        assert_eq!((message.callback_id, message.msg.event), (3, event));
    }
    session.close();
    if super::ENDS_WITH_SERVER {
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn whoever_waits_hears_of_the_end() {
    let (client, session, _) = pair();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call::<call::ConnectGetType>(&()).await }
    });
    let ((), stream) = client
        .call_with_stream::<call::DomainOpenConsole>(&console_args())
        .await
        .unwrap();
    session.close();
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), Code::Rpc);
    assert!(matches!(stream.recv().await, StreamEvent::Abort(_)));
    assert_eq!(
        stream.send(Bytes::from_static(b"x")).await.unwrap_err().code(),
        Code::InvalidStream
    );
    let error = client.call::<call::ConnectGetHostname>(&()).await.unwrap_err();
    assert!(error.detail().contains("closed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_waiting() {
    let (client, ..) = pair();
    let hasty = client.with_deadline(Duration::from_secs(3));
    let error = hasty.call::<call::ConnectGetType>(&()).await.unwrap_err();
    assert_eq!(error.code(), Code::OperationTimeout);
    client.call::<call::ConnectGetHostname>(&()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_left() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let client = Client::over(Transport::unix(ours));
    client.start_keepalive(Keepalive::from_config(5, 2));
    client.closed().await;
    drop(theirs);
}

#[tokio::test(start_paused = true)]
async fn both_sides_keep_each_other_alive() {
    let (client, session, _) = pair();
    client
        .open_driver(Some("qemu:///system".to_owned()), OpenOptions::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!client.is_closed() && !session.is_closed());
}

#[tokio::test]
async fn a_connection_is_opened_by_its_uri() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (session, task) = serve(
            Transport::unix(stream),
            router(),
            Arc::new(Driver::default()),
            options(),
        );
        tokio::spawn(task);
        session
    });
    let uri = Uri::parse(&format!("qemu+unix:///system?socket={}", path.display())).unwrap();
    let client = Client::open(
        &uri,
        OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        },
    )
    .await
    .unwrap();
    let session = server.await.unwrap();
    assert!(session.read_only());
    drop(client);
    session.closed().await;

    let gone = Uri::parse("qemu+unix:///system?socket=/nonexistent/sock").unwrap();
    let error = Client::open(&gone, OpenOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::SystemError);
    assert!(error.detail().contains("/nonexistent/sock"), "{error}");
}

#[tokio::test]
async fn any_byte_stream_carries_a_connection_but_no_descriptors() {
    let (ours, theirs) = tokio::io::duplex(100);
    let transport = Transport::stream(TransportKind::Tls, theirs);
    let (session, task) = serve(transport, router(), Arc::new(Driver::default()), options());
    tokio::spawn(task);
    let client = Client::over(Transport::stream(TransportKind::Tls, ours));
    for _ in 0..10 {
        client.call::<call::ConnectGetHostname>(&()).await.unwrap();
    }
    let ((), stream) = client
        .call_with_stream::<call::StorageVolUpload>(&upload_args())
        .await
        .unwrap();
    stream.send(Bytes::from(vec![1; 700_000])).await.unwrap();
    stream.finish().await.unwrap();
    let args = remote::DomainCreateXmlWithFilesArgs {
        xml_desc: String::new(),
        flags: 0,
    };
    let fds = vec![tempfile::tempfile().unwrap().into()];
    let error = client
        .call_with_fds::<call::DomainCreateXmlWithFiles>(&args, fds)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NoSupport);
    assert!(session.identity().is_none());
    client.close();
    session.closed().await;
}

#[tokio::test]
async fn what_is_kept_with_a_session_ends_with_it() {
    #[derive(Default)]
    struct Kept(AtomicUsize);
    let (client, session, _) = pair();
    session.state::<Kept>().0.store(5, Ordering::SeqCst);
    assert_eq!(session.state::<Kept>().0.load(Ordering::SeqCst), 5);
    let kept = Arc::downgrade(&session.state::<Kept>());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    session.at_end(move || sender.send(()).unwrap());
    client.close();
    receiver.await.unwrap();
    session.at_end(|| {});
    while kept.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}
