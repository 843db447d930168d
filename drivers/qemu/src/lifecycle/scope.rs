//! A guest among the machines of the host: systemd-machined puts its process into a scope of its own in `machine.slice`, and
//! `machinectl` and `systemd-cgls` tell of it (org.freedesktop.machine1(5)).
//!
//! A scope is no part of the daemon's unit: whatever is done to that, as in `systemctl kill virtqemud`, is not done to guests.
//! Helpers such as passt stay with the daemon's unit. The scope goes with the last process in it, so nothing undoes it.

use daemon::Layout;
use error::{Code, Domain as ErrorDomain, Error, Result};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;
use zbus::Variant;

/// How long systemd may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest name of a machine: that of a host.
const LONGEST_NAME: usize = 64;

/// The most threads of a guest, as libvirt has it.
const THREADS: u64 = 32_768;

/// Whether guests of this daemon are machines of the host's: those of users' and of private instances are not.
pub(crate) fn has_machines(layout: &Layout) -> bool {
    // How sd_booted(3) tells that systemd runs.
    layout.privileged() && layout.private_root().is_none() && Path::new("/run/systemd/system").is_dir()
}

/// Has the process of a starting guest put into a scope of its own. Without one it runs all the same, in the daemon's
/// unit; why is told in the log.
pub(super) async fn enter(name: &str, id: i32, uuid: Uuid, pid: i32, slice: &str) {
    let machine = machine_name(name, id);
    let failure =
        match tokio::time::timeout(PATIENCE, create(&machine, uuid, pid.unsigned_abs(), slice)).await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
    tracing::warn!(
        domain = name,
        failure,
        "systemd-machined made no machine of a guest, which stays in the daemon's control group"
    );
}

async fn create(machine: &str, uuid: Uuid, pid: u32, slice: &str) -> zbus::Result<()> {
    let bus = zbus::connection::Builder::system().build().await?;
    let properties: Vec<(&str, Variant<'_>)> = vec![
        ("Slice", Variant::from(slice)),
        // The groups in it are the daemon's to make.
        ("Delegate", Variant::from(true)),
        // At the host's end guests are asked to end before they are killed, while there is a daemon to ask.
        (
            "After",
            Variant::from(vec!["virtqemud.service", "libvirtd.service"]),
        ),
        ("Before", Variant::from(vec!["virt-guest-shutdown.target"])),
        ("TasksMax", Variant::from(THREADS)),
    ];
    let no_interfaces: &[i32] = &[];
    let body = (
        machine,
        uuid.as_bytes().as_slice(),
        "libvirt-qemu",
        "vm",
        pid,
        "",
        no_interfaces,
        properties,
    );
    let called = bus.call_method(
        Some("org.freedesktop.machine1"),
        "/org/freedesktop/machine1",
        Some("org.freedesktop.machine1.Manager"),
        "CreateMachineWithNetwork",
        &body,
    );
    called.await.map(drop)
}

/// Has systemd set a property of a unit until the host's next boot.
///
/// # Errors
/// systemd refuses or does not answer.
pub(crate) async fn set_property(unit: &str, name: &str, value: u64) -> Result<()> {
    let setting = async {
        let bus = zbus::connection::Builder::system().build().await?;
        let body = (unit, true, vec![(name, Variant::from(value))]);
        let called = bus.call_method(
            Some("org.freedesktop.systemd1"),
            "/org/freedesktop/systemd1",
            Some("org.freedesktop.systemd1.Manager"),
            "SetUnitProperties",
            &body,
        );
        called.await.map(drop)
    };
    let failure = match tokio::time::timeout(PATIENCE, setting).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(failure)) => failure.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let text = format!("systemd does not set {name} of '{unit}': {failure}");
    Err(Error::new(Code::SystemError, ErrorDomain::Cgroup, text))
}

/// `qemu-ID-NAME` in the letters of a host's name, as libvirt calls its machines.
pub(crate) fn machine_name(name: &str, id: i32) -> String {
    let mut machine = format!("qemu-{id}-");
    for letter in name
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-.".contains(*letter))
    {
        if machine.len() == LONGEST_NAME {
            break;
        }
        // Parts between dots neither are empty nor begin with a dash.
        if !(machine.ends_with(['.', '-']) && ".-".contains(letter)) {
            machine.push(letter);
        }
    }
    machine.truncate(machine.trim_end_matches(['.', '-']).len());
    machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_machines_are_names_of_hosts() {
        for (name, expected) in [
            ("web", "qemu-7-web"),
            ("web_1 (old)", "qemu-7-web1old"),
            ("..a..b.-c-", "qemu-7-a.b.c"),
            ("ä", "qemu-7"),
        ] {
            assert_eq!(machine_name(name, 7), expected);
        }
        assert_eq!(machine_name(&"x".repeat(200), 7).len(), LONGEST_NAME);
    }
}
