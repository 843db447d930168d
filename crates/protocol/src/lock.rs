//! virtlockd: leases on disks.
#![allow(missing_docs, reason = "types and fields are the protocol's own")]

use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Owner {
    pub uuid: [u8; 16],
    #[xdr(max = limits::STRING_MAX)]
    pub name: String,
    pub id: u32,
    pub pid: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct RegisterArgs {
    pub owner: Owner,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct RestrictArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NewArgs {
    #[xdr(max = limits::STRING_MAX)]
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct CreateResourceArgs {
    #[xdr(max = limits::STRING_MAX)]
    pub path: String,
    #[xdr(max = limits::STRING_MAX)]
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DeleteResourceArgs {
    #[xdr(max = limits::STRING_MAX)]
    pub path: String,
    #[xdr(max = limits::STRING_MAX)]
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AcquireResourceArgs {
    #[xdr(max = limits::STRING_MAX)]
    pub path: String,
    #[xdr(max = limits::STRING_MAX)]
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ReleaseResourceArgs {
    #[xdr(max = limits::STRING_MAX)]
    pub path: String,
    #[xdr(max = limits::STRING_MAX)]
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct CreateLockSpaceArgs {
    #[xdr(max = limits::STRING_MAX)]
    pub path: String,
}

/// Limits of this program, in elements or bytes.
pub mod limits {
    pub const STRING_MAX: usize = 65536;
}

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use super::*;
    use crate::program;

    program! {
        PROGRAM: "lock" = 0xea7beef, version 1;

        1 "register" acl["none"]: call Register(RegisterArgs);
        2 "restrict" acl["none"]: call Restrict(RestrictArgs);
        3 "new" acl["none"]: call New(NewArgs);
        4 "create_resource" acl["none"]: call CreateResource(CreateResourceArgs);
        5 "delete_resource" acl["none"]: call DeleteResource(DeleteResourceArgs);
        6 "acquire_resource" acl["none"]: call AcquireResource(AcquireResourceArgs);
        7 "release_resource" acl["none"]: call ReleaseResource(ReleaseResourceArgs);
        8 "create_lockspace" acl["none"]: call CreateLockspace(CreateLockSpaceArgs);
    }
}

pub use procedure::PROGRAM;
