//! Event callbacks of sessions: registered, told in order, gone with their session.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use daemon::events::Events;
use error::Code;
use parking_lot::Mutex;
use protocol::remote::procedure::DomainEventCallbackLifecycle;
use protocol::{Event, remote};
use rpc::{Router, Session, SessionOptions, Transport};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

fn connect(id: u64) -> (Arc<Session>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let options = SessionOptions {
        id,
        ..SessionOptions::default()
    };
    let (session, serving) = rpc::serve(
        Transport::unix(ours),
        Arc::new(Router::<()>::new()),
        Arc::new(()),
        options,
    );
    tokio::spawn(serving);
    (session, theirs)
}

fn send(session: &Session, callback_id: i32) {
    let dom = remote::Domain {
        name: "a".to_owned(),
        uuid: [1; 16],
        id: 1,
    };
    let msg = remote::DomainEventLifecycleMsg {
        dom,
        event: 2,
        detail: 0,
    };
    session.send_event::<DomainEventCallbackLifecycle>(&remote::DomainEventCallbackLifecycleMsg {
        callback_id,
        msg,
    });
}

#[tokio::test]
async fn callbacks_are_numbered_told_and_removed() {
    let events = Events::<Option<&str>>::new("domain", 8);
    let (session, mut client) = connect(1);
    let (other, _other_client) = connect(2);
    assert!(events.unheard(0));
    let first = events.register(&session, 0, None).unwrap();
    let second = events.register(&session, 0, Some("a")).unwrap();
    let third = events.register(&session, 4, None).unwrap();
    assert_eq!((first, second, third), (0, 1, 2));
    assert_eq!(events.register(&other, 0, Some("b")).unwrap(), 0);

    let told = Mutex::new(Vec::new());
    events.tell(0, |session, callback| {
        if callback.filter != Some("b") {
            told.lock().push((session.id(), callback.id));
            send(session, callback.id);
        }
    });
    assert_eq!(*told.lock(), [(1, 0), (1, 1)]);
    let mut packet = [0; 32];
    client.read_exact(&mut packet).await.unwrap();
    assert_eq!(
        i32::from_be_bytes(packet[12..16].try_into().unwrap()),
        DomainEventCallbackLifecycle::INFO.number
    );

    assert_eq!(events.deregister(&session, second).unwrap().filter, Some("a"));
    assert_eq!(
        events.deregister(&session, second).unwrap_err().code(),
        Code::InternalError
    );
    let refused = |event, filter| events.register(&session, event, filter).unwrap_err().code();
    assert_eq!(refused(4, None), Code::InvalidArg, "it would hear the same twice");
    assert_eq!(
        (refused(8, None), refused(-1, None)),
        (Code::InternalError, Code::InternalError)
    );
    let mut heard = Vec::new();
    events.tell_of(0, &"b", |session, id| heard.push((session.id(), id)));
    assert_eq!(heard, [(1, 0), (2, 0)]);
    heard.clear();
    events.tell_of(0, &"c", |session, id| heard.push((session.id(), id)));
    assert_eq!(heard, [(1, 0)]);
    assert!(!events.unheard(4));
    drop(client);
    tokio::time::timeout(Duration::from_secs(10), session.closed())
        .await
        .unwrap();
    // The session's end is told by its own task, right after.
    while !events.unheard(4) {
        tokio::task::yield_now().await;
    }
    assert!(!events.unheard(0), "the other session still listens");
}

#[tokio::test]
async fn a_session_that_is_gone_registers_nothing_for_good() {
    let events = Events::<()>::new("domain", 8);
    let (session, client) = connect(1);
    drop(client);
    let ended = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&ended);
    session.at_end(move || tell.notify_one());
    ended.notified().await;
    events.register(&session, 0, ()).unwrap();
    assert!(events.unheard(0));
}
