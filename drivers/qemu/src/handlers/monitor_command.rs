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
    routes.on::<p::DomainMonitorCommandWithFiles, _>(monitor_command_with_files);
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
    let monitor = state.running()?.reached().await?;
    let result = if args.flags & HMP != 0 {
        monitor.human(&args.cmd, COMMAND_WAIT).await
    } else {
        match monitor.execute_raw(&args.cmd, COMMAND_WAIT).await {
            Ok(line) => Ok(compact(line)),
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

/// The same with a descriptor for QEMU, as `getfd` and `add-fd` take one.
async fn monitor_command_with_files(
    call: Call,
    args: qemu::DomainMonitorCommandWithFilesArgs,
) -> Result<qemu::DomainMonitorCommandWithFilesRet> {
    // People's commands have no place for a descriptor.
    flags::check("virDomainQemuMonitorCommandWithFiles", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let live = state.running()?;
    let mut given = call.take_fds().into_iter();
    let (fd, more) = (given.next(), given.next());
    let invalid = |text: String| Error::new(Code::InvalidArg, Domain::Qemu, text);
    if more.is_some() {
        return Err(invalid(
            "at most one file descriptor can go with a monitor command".to_owned(),
        ));
    }
    let command: Command =
        serde_json::from_str(&args.cmd).map_err(|err| invalid(format!("not a monitor command: {err}")))?;
    let outcome: qmp::Result<serde_json::Value> = live
        .reached()
        .await?
        .execute_with_fd(&command.execute, command.arguments, fd, COMMAND_WAIT)
        .await;
    let reply = match outcome {
        Ok(value) => serde_json::json!({ "return": value }),
        // QEMU's refusal is an answer: the client reads it itself.
        Err(qmp::Error::Command { class, desc, .. }) => {
            serde_json::json!({ "error": { "class": class, "desc": desc } })
        }
        Err(err) => return Err(monitor_error(err)),
    };
    Ok(qemu::DomainMonitorCommandWithFilesRet {
        result: reply.to_string(),
    })
}

/// A client's command as JSON.
#[derive(serde::Deserialize)]
struct Command {
    execute: String,
    #[serde(default)]
    arguments: Option<serde_json::Map<String, serde_json::Value>>,
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
    Ok(qemu::DomainAgentCommandRet {
        result: Some(compact(result)),
    })
}

/// A reply without blanks between its parts, as clients have always got it.
fn compact(line: String) -> String {
    serde_json::from_str::<serde_json::Value>(&line).map_or(line, |reply| reply.to_string())
}
