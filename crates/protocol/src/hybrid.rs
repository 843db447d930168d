//! Cards of a user's own guests on networks of the system. libvirt has nothing of the kind: this program is this project's own, so its clients
//! know nothing of it and are told nothing of it. See `docs/session-guests.md`.
#![allow(missing_docs, reason = "the fields' names say it")]

use xdr::Xdr;

/// A value of a variable of the filter.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Parameter {
    #[xdr(max = limits::NAME_MAX)]
    pub name: String,
    #[xdr(max = limits::NAME_MAX)]
    pub value: String,
}

/// What a guest's card is to be like. Whoever asks is its user: that is not told but seen.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct OpenPortArgs {
    /// The network's name.
    #[xdr(max = limits::NAME_MAX)]
    pub network: String,
    /// What the user calls the guest.
    #[xdr(max = limits::NAME_MAX)]
    pub owner_name: String,
    pub owner_uuid: [u8; 16],
    /// The card's address.
    pub mac: [u8; 6],
    /// The filter that the guest's document asks for.
    #[xdr(max = limits::NAME_MAX)]
    pub filter: Option<String>,
    #[xdr(max = limits::PARAMETERS_MAX)]
    pub parameters: Vec<Parameter>,
    /// How many queues the tap is to have.
    pub queues: u32,
    /// Whether packets have virtio's header before them: 0 or 1.
    pub virtio: i32,
    /// None is known.
    pub flags: u32,
}

/// What it got. The tap's queues come as descriptors.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct OpenPortRet {
    /// The network's port.
    pub port: [u8; 16],
    #[xdr(max = limits::NAME_MAX)]
    pub tap: String,
    #[xdr(max = limits::NAME_MAX)]
    pub bridge: String,
}

/// Limits of this program, in elements or bytes.
pub mod limits {
    pub const NAME_MAX: usize = 256;
    pub const PARAMETERS_MAX: usize = 64;
}

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use super::*;
    use crate::program;

    program! {
        PROGRAM: "hybrid" = 0x46760001, version 1;

        1 "open_port" acl["none"]: call OpenPort(OpenPortArgs) -> OpenPortRet;
    }
}

pub use procedure::PROGRAM;
