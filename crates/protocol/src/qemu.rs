//! What only QEMU domains can do.
#![allow(missing_docs, reason = "types and fields are the protocol's own")]

use crate::remote;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMonitorCommandArgs {
    pub dom: remote::Domain,
    pub cmd: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMonitorCommandRet {
    pub result: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAttachArgs {
    pub pid_value: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAttachRet {
    pub dom: remote::Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAgentCommandArgs {
    pub dom: remote::Domain,
    pub cmd: String,
    pub timeout: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAgentCommandRet {
    pub result: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainMonitorEventRegisterArgs {
    pub dom: Option<remote::Domain>,
    pub event: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainMonitorEventRegisterRet {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainMonitorEventDeregisterArgs {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMonitorEventMsg {
    pub callback_id: i32,
    pub dom: remote::Domain,
    pub event: String,
    pub seconds: i64,
    pub micros: u32,
    pub details: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMonitorCommandWithFilesArgs {
    pub dom: remote::Domain,
    pub cmd: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMonitorCommandWithFilesRet {
    pub result: String,
}

/// The procedures of this program; see [`crate::remote::procedure`] for the form of a line.
pub mod procedure {
    use super::*;
    use crate::program;

    program! {
        PROGRAM: "qemu" = 0x20008087, version 1;

        1 "domain_monitor_command" acl["domain:write"]: call DomainMonitorCommand(DomainMonitorCommandArgs) -> DomainMonitorCommandRet;
        2 "domain_attach" acl["domain:start", "domain:write"]: call DomainAttach(DomainAttachArgs) -> DomainAttachRet;
        3 "domain_agent_command" acl["domain:write"]: call DomainAgentCommand(DomainAgentCommandArgs) -> DomainAgentCommandRet;
        4 "connect_domain_monitor_event_register" [high] acl["connect:search_domains", "connect:write"] filter["domain:getattr"]: call ConnectDomainMonitorEventRegister(ConnectDomainMonitorEventRegisterArgs) -> ConnectDomainMonitorEventRegisterRet;
        5 "connect_domain_monitor_event_deregister" [high] acl["connect:write"]: call ConnectDomainMonitorEventDeregister(ConnectDomainMonitorEventDeregisterArgs);
        6 "domain_monitor_event" acl["none"]: event DomainMonitorEvent(DomainMonitorEventMsg);
        7 "domain_monitor_command_with_files" acl["domain:write"]: call DomainMonitorCommandWithFiles(DomainMonitorCommandWithFilesArgs) -> DomainMonitorCommandWithFilesRet;
    }
}

pub use procedure::PROGRAM;
