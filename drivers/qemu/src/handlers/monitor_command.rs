//! Commands that a client gives QEMU's monitor and the guest's agent itself (program `qemu`).

use super::Call;
use crate::Driver;
use crate::agent;
use crate::flags;
use crate::lifecycle::monitor_error;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::qemu;
use protocol::qemu::procedure as p;
use std::time::Duration;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainMonitorCommand, _>(monitor_command);
    routes.on::<p::DomainAgentCommand, _>(agent_command);
}

/// How long a client's own command may take; nobody here knows what it does.
const COMMAND_WAIT: Duration = Duration::from_secs(60);

async fn monitor_command(
    call: Call,
    args: qemu::DomainMonitorCommandArgs,
) -> Result<qemu::DomainMonitorCommandRet> {
    /// `VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP`.
    const HMP: u32 = 1;
    flags::check("virDomainQemuMonitorCommand", args.flags, HMP)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let monitor = state.running()?.monitor()?;
    let result = if args.flags & HMP != 0 {
        monitor.human(&args.cmd, COMMAND_WAIT).await
    } else {
        match monitor.execute_raw(&args.cmd, COMMAND_WAIT).await {
            Ok(line) => Ok(line),
            Err(qmp::Error::NotACommand(text)) => {
                return Err(Error::new(
                    Code::InvalidArg,
                    Domain::Qemu,
                    format!("not a monitor command: {text}"),
                ));
            }
            Err(err) => Err(err),
        }
    };
    Ok(qemu::DomainMonitorCommandRet {
        result: result.map_err(monitor_error)?,
    })
}

async fn agent_command(
    call: Call,
    args: qemu::DomainAgentCommandArgs,
) -> Result<qemu::DomainAgentCommandRet> {
    flags::check("virDomainQemuAgentCommand", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let wait = agent::wait_of(args.timeout)?;
    let mut agent = agent::connect(&state).await?;
    let result = agent.execute_raw(&args.cmd, wait).await?;
    Ok(qemu::DomainAgentCommandRet { result: Some(result) })
}
