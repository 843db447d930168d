//! `<backend type='passt'/>`: a passt process beside QEMU for each such interface.
//!
//! passt goes to the background once its socket is there, and ends by itself when QEMU closes it.

use super::Resources;
use super::launch::{ask, run_to_end};
use super::provide::failed;
use crate::capabilities::tools;
use crate::command;
use crate::domain::Process;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use model::domain::devices::interface::{
    BackendType, ForwardProtocol, InterfaceKind, PortForward, PortRange,
};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use xml::YesNo;

/// How long passt may take until its socket is there.
const START_WAIT: Duration = Duration::from_secs(30);

/// What every message begins with.
const ELEMENT: &str = "<interface><backend type='passt'>";

/// Starts passt for each interface that asks for it; gives their names. Blocks on the disk, inside the runtime.
///
/// # Errors
/// [`Code::OperationUnsupported`] without passt, [`Code::NoSupport`] where it is too old for what is asked, and what
/// passt says.
pub(super) fn start(
    model: &Model,
    folder: &Path,
    identity: Option<(u32, u32)>,
    resources: &mut Resources,
) -> Result<Vec<String>> {
    let mut started = Vec::new();
    for interface in &model.devices.interfaces {
        if interface.backend.as_ref().and_then(|backend| backend.kind) != Some(BackendType::Passt) {
            continue;
        }
        let passt = tools::find("passt").ok_or_else(|| {
            let text = format!("{ELEMENT}: 'passt' is not installed (package passt)");
            Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text)
        })?;
        if matches!(interface.kind, InterfaceKind::VhostUser { .. }) {
            check_vhost_user(&passt)?;
        }
        let alias = interface.info.alias_name().unwrap_or_default();
        let pid_file = folder.join(format!("{alias}-passt.pid"));
        let mut command = command(&passt, folder, identity);
        command
            .arg("--one-off")
            .arg("--socket")
            .arg(command::passt_socket(folder, alias))
            .arg("--pid")
            .arg(&pid_file)
            .args(arguments(interface));
        run_to_end(ELEMENT, "passt", command, START_WAIT)?;
        let pid = fs::read_to_string(&pid_file).map_err(|err| failed("read", &pid_file, err))?;
        let process = pid
            .trim()
            .parse()
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))
            .and_then(Process::hold);
        let process = process.map_err(|err| failed("hold the passt of", &pid_file, err))?;
        resources.add_helper(Arc::new(process));
        started.push(alias.to_owned());
    }
    Ok(started)
}

/// passt with nothing of the daemon's environment. As root it would become `nobody`, who cannot enter the folder.
fn command(passt: &Path, folder: &Path, identity: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(passt);
    command.env_clear().envs(command::environment(folder));
    match identity {
        Some((user, group)) => {
            command.uid(user).gid(group);
        }
        None if rustix::process::geteuid().is_root() => {
            command.args(["--runas", "0:0"]);
        }
        None => {}
    }
    command
}

/// Refuses a passt that cannot share memory with QEMU: it does not name that among its options.
fn check_vhost_user(passt: &Path) -> Result<()> {
    let mut command = Command::new(passt);
    command.arg("--help");
    let help = ask(ELEMENT, "passt --help", command, START_WAIT)?;
    if help.contains("--vhost-user") {
        return Ok(());
    }
    let text = "<interface type='vhostuser'><backend type='passt'>: the installed passt has no --vhost-user";
    Err(Error::new(Code::NoSupport, ErrorDomain::Qemu, text))
}

/// What an interface asks of passt.
fn arguments(interface: &Interface) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    let device = match &interface.kind {
        InterfaceKind::User { source } => source.as_ref().and_then(|source| source.dev.clone()),
        InterfaceKind::VhostUser { source } => source.as_ref().and_then(|source| source.dev.clone()),
        _ => None,
    };
    if let Some(device) = device {
        option("--interface", device);
    }
    if let Some(log) = interface
        .backend
        .as_ref()
        .and_then(|backend| backend.log_file.clone())
    {
        option("--log-file", log);
    }
    for ip in &interface.ips {
        option("--address", ip.address.clone());
        // It takes none for IPv6.
        if let Some(prefix) = ip.prefix.filter(|_| !ip.address.contains(':')) {
            option("--netmask", prefix.to_string());
        }
    }
    for forward in &interface.port_forwards {
        let name = match forward.proto {
            ForwardProtocol::Tcp => "--tcp-ports",
            ForwardProtocol::Udp => "--udp-ports",
        };
        option(name, ports(forward));
    }
    if matches!(interface.kind, InterfaceKind::VhostUser { .. }) {
        arguments.push("--vhost-user".to_owned());
    }
    arguments
}

/// `ADDRESS%DEVICE/RANGE,RANGE`
fn ports(forward: &PortForward) -> String {
    let mut text = forward.address.clone().unwrap_or_default();
    if let Some(device) = &forward.dev {
        text.push('%');
        text.push_str(device);
    }
    if !text.is_empty() {
        text.push('/');
    }
    if forward.ranges.is_empty() {
        text.push_str("all");
    }
    let ranges: Vec<_> = forward.ranges.iter().map(range).collect();
    text.push_str(&ranges.join(","));
    text
}

/// `FIRST-LAST:FIRST-LAST`, the guest's after the colon, or `~FIRST-LAST` for what is left out.
fn range(range: &PortRange) -> String {
    let span = |first: u32| match range.end {
        Some(end) => {
            let length = u32::from(end).saturating_sub(u32::from(range.start));
            format!("{first}-{}", first.saturating_add(length))
        }
        None => first.to_string(),
    };
    let excluded = if range.exclude == Some(YesNo::Yes) {
        "~"
    } else {
        ""
    };
    let from = match range.end {
        Some(end) => format!("{}-{end}", range.start),
        None => range.start.to_string(),
    };
    match range.to {
        Some(to) => format!("{excluded}{from}:{}", span(u32::from(to))),
        None => format!("{excluded}{from}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_told_to_passt_as_libvirt_tells_it() {
        let interface: Interface = model::read(
            "<interface type='user'><source dev='eth42'/>\
             <ip address='172.17.2.0' family='ipv4' prefix='24'/><ip address='2001:db8::feed' prefix='64'/>\
             <portForward proto='tcp' address='2001:db8::1'><range start='22' to='2022'/>\
             <range start='1000' end='1050'/><range start='1020' exclude='yes'/></portForward>\
             <portForward proto='udp' address='1.2.3.4' dev='eth0'>\
             <range start='5000' end='5020' to='6000'/><range start='5010' end='5015' exclude='yes'/>\
             </portForward><portForward proto='tcp' dev='eth0'/><portForward proto='tcp'/>\
             <backend type='passt' logFile='/var/log/passt.log'/></interface>",
        )
        .unwrap();
        let expected = "--interface eth42 --log-file /var/log/passt.log --address 172.17.2.0 --netmask 24 \
                        --address 2001:db8::feed --tcp-ports 2001:db8::1/22:2022,1000-1050,~1020 \
                        --udp-ports 1.2.3.4%eth0/5000-5020:6000-6020,~5010-5015 \
                        --tcp-ports %eth0/all --tcp-ports all";
        assert_eq!(arguments(&interface).join(" "), expected);
    }
}
