//! Client and server over one connection.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod conversation;

use client::open_to_relay;
use error::Code;
use protocol::remote::{ConnectOpenArgs, ConnectSetIdentityArgs};
use rpc::{SessionOptions, Transport, serve};
use std::sync::Arc;
use tokio::net::UnixStream;

const ENDS_WITH_SERVER: bool = true;

/// The client's end of a connection whose other end is `server`'s.
fn reach(server: UnixStream) -> Transport {
    Transport::unix(server)
}

#[tokio::test]
async fn a_server_that_will_not_hear_who_calls_is_not_called() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let driver = Arc::new(conversation::Driver::default());
    let transport = Transport::unix(theirs);
    let (_session, task) = serve(
        transport,
        conversation::router(),
        driver,
        SessionOptions::default(),
    );
    tokio::spawn(task);
    let open = ConnectOpenArgs {
        name: Some("qemu:///system".to_owned()),
        flags: 0,
    };
    let identity = ConnectSetIdentityArgs {
        params: Vec::new(),
        flags: 0,
    };
    let refusal = open_to_relay(&mut ours, &open, &identity).await.unwrap_err();
    assert_eq!(refusal.code(), Code::NoSupport);
}
