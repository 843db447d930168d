//! What guests write, through virtlogd.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use end_to_end::{Instance, chatty_guest, idle_domain, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

fn with_config(files: &[(&str, &str)], daemons: &[&str]) -> Instance {
    let mut instance = Instance::empty();
    for (name, text) in files {
        let path = instance.path("/etc/libvirt").join(name);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + text).unwrap();
    }
    for name in daemons {
        instance.add(name);
    }
    instance
}

/// What is kept of a log, the oldest first.
fn kept(path: &str, backups: usize) -> String {
    let names = (0..backups).rev().map(|number| format!("{path}.{number}"));
    names
        .chain([path.to_owned()])
        .filter_map(|name| fs::read_to_string(name).ok())
        .collect()
}

/// The numbers that a chatty guest counted, without the first and the last line, which may be cut.
fn counted(text: &str) -> Vec<u64> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let whole = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    whole.iter().filter_map(|line| line.parse().ok()).collect()
}

#[test]
fn a_chatty_guest_counts_on_through_every_restart_and_fills_no_disk() {
    let mut instance = with_config(
        &[
            ("virtlogd.conf", "max_size = 65536\nmax_backups = 3\n"),
            ("qemu.conf", "stdio_handler = \"logd\"\n"),
        ],
        &["virtqemud", "virtlogd"],
    );
    let serial = instance.file("serial.log", "what was here before goes\n");
    let copy = instance.root().join("copy.log").display().to_string();
    let ports = format!("<serial type='file'><source path='{serial}'/><log file='{copy}'/></serial>");
    instance.define("chatty", &chatty_guest("chatty", &ports));
    instance.virsh(&["start", "chatty"]);
    let next = |suffix: u32| {
        let inode = |path: &str| {
            use std::os::unix::fs::MetadataExt;
            fs::metadata(path).map(|status| status.ino()).ok()
        };
        let before = inode(&format!("{serial}.{suffix}"));
        wait_for("the log to roll over", || {
            inode(&format!("{serial}.{suffix}")).filter(|inode| Some(*inode) != before)
        });
    };
    next(0);
    // Nobody but virtlogd is needed for it.
    instance.daemon_mut("virtqemud").kill();
    next(0);
    for _ in 0..5 {
        let logd = instance.daemon("virtlogd");
        let said = || {
            fs::read_to_string(logd.log())
                .unwrap()
                .matches("clients are served")
                .count()
        };
        let lives = said();
        signal(logd.pid(), Signal::USR1);
        wait_for("the next program", || (said() > lives).then_some(()));
    }
    instance.daemon_mut("virtqemud").restart();
    next(0);
    instance.virsh(&["destroy", "chatty"]);
    wait_for("the logs to be closed", || {
        (counted(&kept(&serial, 3)) == counted(&kept(&copy, 3))).then_some(())
    });
    for path in [&serial, &copy] {
        let text = kept(path, 3);
        assert!(text.len() > 65536 && text.len() <= 4 * 65536, "{}", text.len());
        let numbers = counted(&text);
        assert!(numbers.len() > 1000, "{text}");
        let missing = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
        assert_eq!(missing, None, "a line is missing");
        assert!(!Path::new(&format!("{path}.3")).exists());
    }
    let log = fs::read_to_string(instance.path("/var/log/libvirt/qemu/chatty.log")).unwrap();
    assert!(
        log.contains("starting up")
            && log.contains("/dev/fdset/")
            && log.contains("shutting down, reason=destroyed"),
        "{log}"
    );
}

#[test]
fn what_qemu_says_on_its_way_down_is_told_through_virtlogd() {
    let instance = with_config(
        &[("qemu.conf", "stdio_handler = \"logd\"\n")],
        &["virtqemud", "virtlogd"],
    );
    let text = idle_domain("broken").replace("</os>", "<kernel>/nonexistent/kernel</kernel></os>");
    instance.define("broken", &text);
    for _ in 0..2 {
        let said = instance.virsh_fails(&["start", "broken"]);
        assert!(said.contains("could not open kernel file"), "{said}");
    }
    let log = fs::read_to_string(instance.path("/var/log/libvirt/qemu/broken.log")).unwrap();
    assert_eq!(log.matches("starting up").count(), 2, "{log}");
}

#[test]
fn without_virtlogd_a_guest_starts_unless_the_configuration_insists() {
    let mut instance = Instance::start();
    instance.define("a", &idle_domain("a"));
    instance.virsh(&["start", "a"]);
    let said = fs::read_to_string(instance.log()).unwrap();
    assert!(said.contains("QEMU writes it itself"), "{said}");
    instance.virsh(&["destroy", "a"]);
    let log = fs::read_to_string(instance.path("/var/log/libvirt/qemu/a.log")).unwrap();
    assert!(log.contains("shutting down, reason=destroyed"), "{log}");

    let config = instance.path("/etc/libvirt/qemu.conf");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(&config, before + "stdio_handler = \"logd\"\n").unwrap();
    instance.stop();
    instance.restart();
    let refused = instance.virsh_fails(&["start", "a"]);
    assert!(
        refused.contains("Failed to connect socket to") && refused.contains("virtlogd-sock"),
        "{refused}"
    );
    assert_eq!(instance.left_overs(), Vec::<String>::new());

    // One that hangs costs a start its patience, and a running guest nothing.
    instance.add("virtlogd");
    instance.virsh(&["start", "a"]);
    instance.define("b", &idle_domain("b"));
    let logd = instance.daemon("virtlogd").pid();
    signal(logd, Signal::STOP);
    let refused = instance.virsh_fails(&["start", "b"]);
    assert!(refused.contains("virtlogd"), "{refused}");
    instance.virsh(&["suspend", "a"]);
    instance.virsh(&["destroy", "a"]);
    signal(logd, Signal::CONT);
    instance.virsh(&["start", "b"]);
}
