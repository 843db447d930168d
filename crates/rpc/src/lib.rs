//! One connection type for both sides: framing, descriptors, calls, streams, events, keepalive.
//!
//! From below: [`Transport`] is the byte stream, [`FrameReader`] finds packets in it, [`Link`] and [`run`](connection::run) are the
//! connection, [`Stream`] is a channel within it. The server's side is [`serve`] with a [`Router`], or [`Session::relay`] where
//! another server does the work; the client's side is the crate `client`. Nothing here knows what any procedure means.

pub mod connection;
pub mod frame;
mod keepalive;
mod outbox;
mod packet;
mod relay;
mod router;
mod server;
mod session;
pub mod stream;
mod transport;
mod wipe;

pub use connection::{Arrived, CloseReason, Inbound, Link};
pub use frame::{Frame, FrameError, FrameReader};
pub use keepalive::Keepalive;
pub use packet::Packet;
pub use relay::Keeps;
pub use router::{Context, Gate, Handler, Router};
pub use server::serve;
pub use session::{Identity, Limits, Session, SessionOptions};
pub use stream::{Offered, Stream, StreamEvent};
pub use transport::{ByteStream, Peer, Transport, TransportKind};
