//! Client and server over one connection.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod conversation;

use rpc::Transport;
use tokio::net::UnixStream;

/// The client's end of a connection whose other end is `server`'s.
fn reach(server: UnixStream) -> Transport {
    Transport::unix(server)
}
