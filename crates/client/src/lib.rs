//! Async client of any daemon that speaks the protocol.
//!
//! A [`Client`] is one connection; clones share it, calls run concurrently, and their replies may come in any order. Events
//! arrive through [`Client::events`], the data of consoles and transfers through [`rpc::Stream`]. The crate knows procedures
//! as types from `protocol` and interprets none of them, but for the few that open a connection ([`Client::open`]).
//!
//! ```no_run
//! # async fn example() -> error::Result<()> {
//! use client::{Client, Uri};
//! use protocol::remote::procedure::ConnectGetHostname;
//!
//! let client = Client::open(&Uri::parse("qemu:///system")?, Default::default()).await?;
//! println!("{}", client.call::<ConnectGetHostname>(&()).await?.hostname);
//! # Ok(())
//! # }
//! ```

mod bare;
mod call;
mod event;
mod handshake;
mod uri;

pub use call::{Client, Reply, unix_stream};
pub use event::{Events, RawEvent};
pub use handshake::{OpenOptions, open_to_relay};
pub use uri::{Mode, Uri};
