//! One connection type for both sides: framing, descriptors, calls, streams, events, keepalive.
//!
//! From below: [`Transport`] is the byte stream, which a [`Layer`] may encrypt, [`FrameReader`] finds packets in it, [`Link`] and [`run`](connection::run) are the
//! connection, [`Stream`] is a channel within it. The server's side is [`serve`] with a [`Router`], which may have other servers
//! serve some calls, or [`Session::relay`] where another server does all the work; the client's side is the crate `client`.
//! Nothing here knows what any procedure means.

pub mod connection;
mod dispatcher;
mod forward;
pub mod frame;
mod guard;
mod identity;
mod keepalive;
mod layer;
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
pub use dispatcher::Dispatcher;
pub use forward::{Far, Reach};
pub use frame::{Frame, FrameError, FrameReader};
pub use guard::{EventJudge, Guard, Guarded};
pub use identity::{Caller, Identity};
pub use keepalive::Keepalive;
pub use layer::{Layer, Seal, Unseal};
pub use packet::{Packet, Piece};
pub use relay::Keeps;
pub use router::{Context, Gate, Handler, Place, Router};
pub use server::{serve, serve_by};
pub use session::{Limits, Session, SessionOptions};
pub use stream::{Offered, Stream, StreamEvent};
pub use transport::{ByteStream, Peer, Transport, TransportKind};
