//! What only containers can do.
#![allow(missing_docs, reason = "types and fields are the protocol's own")]

use crate::remote;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenNamespaceArgs {
    pub dom: remote::Domain,
    pub flags: u32,
}

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use super::*;
    use crate::program;

    program! {
        PROGRAM: "lxc" = 0x00068000, version 1;

        1 "domain_open_namespace" acl["domain:open_namespace"]: call DomainOpenNamespace(DomainOpenNamespaceArgs);
    }
}

pub use procedure::PROGRAM;
