//! Guests outlive their daemon, whichever way it ends.

use crate::host::{Daemon, Host, daemon, property, run, systemctl, try_run, virsh, wait_for};
use end_to_end::idle_domain;
use std::fs;
use std::path::Path;

/// A guest that runs. It ends with the value.
#[derive(Debug)]
pub(crate) struct Guest {
    name: String,
    /// Its QEMU.
    pub(crate) pid: u32,
}

impl Guest {
    /// Starts a transient guest that is emulated and finds nothing to boot.
    pub(crate) fn start(name: &str) -> Self {
        Self::from(name, &idle_domain(name))
    }

    /// Starts a transient guest.
    pub(crate) fn from(name: &str, document: &str) -> Self {
        Host::get();
        let file = format!("/tmp/{name}.xml");
        fs::write(&file, document).unwrap();
        virsh(&["create", &file]);
        let pid = fs::read_to_string(format!("/run/libvirt/qemu/{name}.pid")).unwrap();
        Self {
            name: name.to_owned(),
            pid: pid.trim().parse().unwrap(),
        }
    }

    /// Holds that the same process runs and that the daemon of now knows it.
    pub(crate) fn lives(&self) {
        assert!(
            Path::new(&format!("/proc/{}", self.pid)).exists(),
            "{} has ended",
            self.name
        );
        assert_eq!(virsh(&["domstate", &self.name]).trim(), "running");
        // Its monitor answers this daemon.
        let said = virsh(&[
            "qemu-monitor-command",
            &self.name,
            r#"{"execute":"query-status"}"#,
        ]);
        assert!(said.contains(r#""running":true"#), "{said}");
        let pid = fs::read_to_string(format!("/run/libvirt/qemu/{}.pid", self.name)).unwrap();
        assert_eq!(pid.trim().parse(), Ok(self.pid));
    }

    /// Its control group, below the root of the one hierarchy.
    pub(crate) fn control_group(&self) -> String {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap();
        // One line, which begins so: nothing is in a hierarchy of version 1.
        groups.trim().strip_prefix("0::").unwrap().to_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = try_run("virsh", &["-q", "-c", "qemu:///system", "destroy", &self.name]);
    }
}

fn restarts(daemon: &Daemon) -> u32 {
    property(&daemon.service(), "NRestarts").parse().unwrap()
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_killed_daemon_is_started_anew_and_adopts_its_guest() {
    let qemu = daemon("virtqemud");
    let guest = Guest::start("adopted");
    let (pid, restarts_before) = (qemu.pid(), restarts(qemu));
    systemctl(&["kill", "--kill-who=main", "--signal=KILL", &qemu.service()]);
    wait_for("systemd to start it anew", || {
        (qemu.is_active() && qemu.pid() != pid).then_some(())
    });
    assert_eq!(restarts(qemu), restarts_before + 1);
    guest.lives();
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn every_daemon_is_started_anew_when_it_is_killed() {
    for daemon in Host::get().daemons() {
        daemon.restart();
        let pid = daemon.pid();
        systemctl(&["kill", "--kill-who=main", "--signal=KILL", &daemon.service()]);
        wait_for(&format!("systemd to start {} anew", daemon.name), || {
            (daemon.is_active() && daemon.pid() != pid).then_some(())
        });
        run("virt-admin", &["-q", "-c", &daemon.admin_uri(), "srv-list"]);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_outlives_an_ordered_restart() {
    let qemu = daemon("virtqemud");
    let guest = Guest::start("kept");
    let pid = qemu.pid();
    systemctl(&["restart", &qemu.service()]);
    assert_ne!(qemu.pid(), pid);
    guest.lives();
    // And a daemon that is away for a while.
    qemu.stop();
    assert!(Path::new(&format!("/proc/{}", guest.pid)).exists());
    guest.lives();
    // The keepers of its log and leases may go at any time, too.
    for name in ["virtlogd", "virtlockd"] {
        daemon(name).restart();
    }
    guest.lives();
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn guests_are_machines_of_the_host() {
    let qemu = daemon("virtqemud");
    qemu.restart();
    let guest = Guest::start("counted");
    let group = guest.control_group();
    // As systemd-escape(1) writes it, but for the number.
    let scope = group
        .strip_prefix("/machine.slice/machine-qemu\\x2d")
        .unwrap_or_else(|| panic!("{group}"));
    assert!(scope.ends_with("\\x2dcounted.scope/libvirt/emulator"), "{group}");
    let machines = run("machinectl", &["list", "--no-legend", "--no-pager"]);
    let told = machines.lines().find(|line| line.contains("-counted ")).unwrap();
    assert!(told.contains("vm") && told.contains("libvirt-qemu"), "{told}");
    // Whatever is done to the daemon's unit is not done to it.
    systemctl(&["kill", "--kill-who=all", "--signal=KILL", &qemu.service()]);
    guest.lives();
    drop(guest);
    wait_for("the machine to be gone", || {
        let machines = run("machinectl", &["list", "--no-legend", "--no-pager"]);
        (!machines.contains("-counted ")).then_some(())
    });
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_under_kvm_runs_as_installed() {
    // As the guest's own processor has it.
    assert!(
        ["kvm_amd", "kvm_intel"]
            .iter()
            .any(|module| try_run("modprobe", &[module]).success)
            && Path::new("/dev/kvm").exists(),
        "the guest has no KVM"
    );
    let qemu = daemon("virtqemud");
    // Whether KVM runs anything is asked with a deadline, which a guest in an emulated guest may miss; then it is not asked
    // again for a while.
    wait_for("QEMU to answer under KVM in time", || {
        qemu.stop();
        let _ = fs::remove_dir_all("/var/cache/libvirt/qemu/capabilities");
        let asked = try_run(
            "virsh",
            &["-q", "-c", "qemu:///system", "domcapabilities", "--virttype=kvm"],
        );
        asked.success.then_some(())
    });
    let guest = Guest::from("kvm", &idle_domain("kvm").replace("type='qemu'", "type='kvm'"));
    guest.lives();
    let command = fs::read(format!("/proc/{}/cmdline", guest.pid)).unwrap();
    assert!(String::from_utf8_lossy(&command).contains("kvm"));
}
