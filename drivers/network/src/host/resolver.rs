//! The host's own resolver, systemd-resolved: which server it asks for names of guests.
//!
//! It is told through its program, resolvectl. What it knows about a link goes with the link.

use crate::failure::invalid;
use crate::host::tool;
use error::{Code, Error, Result};
use std::net::IpAddr;
use tool::Tool;

/// Its program.
const PROGRAM: &str = "resolvectl";

/// Has names of a domain, and no others, asked of the servers at a link. Blocks.
///
/// # Errors
/// [`Code::OperationInvalid`] where there is no such resolver, or it does not run.
pub(crate) fn register(link: &str, domain: &str, servers: Vec<IpAddr>) -> Result<()> {
    let cannot = |err: Error| {
        let why = match err.code() {
            Code::NoSupport => "systemd-resolved is not available".to_owned(),
            _ => err.detail().to_owned(),
        };
        invalid(format!("failed to register name server: {why}")).caused_by(err)
    };
    let servers = servers.iter().map(ToString::to_string);
    let run = |program: Tool| program.run_to_end().map(drop).map_err(cannot);
    run(program("dns", link).with(servers))?;
    // One that is only to be asked for, never put behind names that are looked up.
    run(program("domain", link).with([format!("~{domain}")]))
}

fn program(verb: &'static str, link: &str) -> Tool {
    tool(PROGRAM).with([verb, link])
}
