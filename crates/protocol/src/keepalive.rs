//! Are you there.
#![allow(missing_docs, reason = "types and fields are the protocol's own")]

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use crate::program;

    program! {
        PROGRAM: "keepalive" = 0x6b656570, version 1;

        1 "ping" acl[]: call Ping();
        2 "pong" acl[]: call Pong();
    }
}

pub use procedure::PROGRAM;
