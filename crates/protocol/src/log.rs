//! virtlogd: who owns a guest's log file.
#![allow(missing_docs, reason = "types and fields are the protocol's own")]

use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Domain {
    pub uuid: [u8; 16],
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct LogFilePosition {
    pub inode: u64,
    pub offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub enum DomainOpenLogFileFlags {
    VirLogManagerProtocolDomainOpenLogFileTruncate = 1,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenLogFileArgs {
    pub driver: String,
    pub dom: Domain,
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenLogFileRet {
    pub pos: LogFilePosition,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetLogFilePositionArgs {
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetLogFilePositionRet {
    pub pos: LogFilePosition,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainReadLogFileArgs {
    pub path: String,
    pub pos: LogFilePosition,
    pub maxlen: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainReadLogFileRet {
    pub data: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAppendLogFileArgs {
    pub driver: String,
    pub dom: Domain,
    pub path: String,
    pub message: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAppendLogFileRet {
    pub ret: i32,
}

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use super::*;
    use crate::program;

    program! {
        PROGRAM: "log" = 0x87539319, version 1;

        1 "domain_open_log_file" acl["none"]: call DomainOpenLogFile(DomainOpenLogFileArgs) -> DomainOpenLogFileRet;
        2 "domain_get_log_file_position" acl["none"]: call DomainGetLogFilePosition(DomainGetLogFilePositionArgs) -> DomainGetLogFilePositionRet;
        3 "domain_read_log_file" acl["none"]: call DomainReadLogFile(DomainReadLogFileArgs) -> DomainReadLogFileRet;
        4 "domain_append_log_file" acl["none"]: call DomainAppendLogFile(DomainAppendLogFileArgs) -> DomainAppendLogFileRet;
    }
}

pub use procedure::PROGRAM;
