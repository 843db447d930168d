//! Stock `virt-admin` and a virtqemud that has guests.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, wait_for};
use std::process::{Child, Command, Stdio};

/// A client that stays connected until it is thrown out.
fn listener(instance: &Instance) -> Child {
    Command::new("virsh")
        .args([
            "-q",
            "-c",
            &instance.uri(),
            "event",
            "--all",
            "--loop",
            "--timeout",
            "110",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The clients of a server: their numbers.
fn clients(instance: &Instance, server: &str) -> Vec<String> {
    let listed = instance.virt_admin(&["client-list", server]);
    let first = |line: &str| Some(line.split_whitespace().next()?.to_owned());
    listed.lines().filter_map(first).collect()
}

#[test]
fn servers_clients_and_limits() {
    let instance = Instance::start();
    let ask = |arguments: &[&str]| instance.virt_admin(arguments);
    let words = |arguments: &[&str]| ask(arguments).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&["server-list"]), "0 admin 1 virtqemud");
    assert!(ask(&["uri"]).starts_with("virtqemud+unix:///system"));

    ask(&[
        "server-threadpool-set",
        "virtqemud",
        "--min-workers",
        "6",
        "--max-workers",
        "30",
        "--priority-workers",
        "7",
    ]);
    let pool = words(&["server-threadpool-info", "virtqemud"]);
    for part in [
        "minWorkers : 6",
        "maxWorkers : 30",
        "prioWorkers : 7",
        "jobQueueDepth : 0",
    ] {
        assert!(pool.contains(part), "{part}: {pool}");
    }
    ask(&[
        "server-clients-set",
        "virtqemud",
        "--max-clients",
        "100",
        "--max-unauth-clients",
        "10",
    ]);
    let limits = words(&["server-clients-info", "virtqemud"]);
    for part in ["nclients_max : 100", "nclients : 0", "nclients_unauth_max : 10"] {
        assert!(limits.contains(part), "{part}: {limits}");
    }
    for (refused, text) in [
        (
            ["server-clients-info", "nobody"].as_slice(),
            "No server named 'nobody'",
        ),
        (
            &["client-info", "virtqemud", "77"],
            "No client with matching ID '77'",
        ),
        (
            &["server-threadpool-set", "virtqemud", "--max-workers", "2"],
            "worker",
        ),
        (&["server-update-tls", "virtqemud"], "no tls service"),
    ] {
        let outcome = instance.try_virt_admin(refused);
        assert!(
            !outcome.success && outcome.stderr.contains(text),
            "{refused:?}: {outcome:?}"
        );
    }

    let mut client = listener(&instance);
    let number = wait_for("the client", || clients(&instance, "virtqemud").pop());
    let about = words(&["client-info", "virtqemud", &number]);
    for part in [
        format!("id : {number}"),
        "transport : unix".to_owned(),
        "readonly : no".to_owned(),
        format!("unix_process_id: {}", client.id()),
        "unix_user_id : 0".to_owned(),
    ] {
        assert!(
            about.contains(&part) || !rustix::process::geteuid().is_root(),
            "{part}: {about}"
        );
    }
    ask(&["client-disconnect", "virtqemud", &number]);
    assert!(client.wait().unwrap().code().is_some());
    wait_for("the client to be gone", || {
        clients(&instance, "virtqemud").is_empty().then_some(())
    });
}

#[test]
fn logging_follows_what_is_said() {
    let instance = Instance::start();
    let ask = |arguments: &[&str]| instance.virt_admin(arguments);
    let log = instance.root().join("own.log");
    ask(&[
        "daemon-log-outputs",
        "--outputs",
        &format!("1:file:{} 3:stderr", log.display()),
    ]);
    let outputs = ask(&["daemon-log-outputs"]);
    assert!(
        outputs.contains(&format!("1:file:{}", log.display())) && outputs.contains("3:stderr"),
        "{outputs}"
    );
    ask(&["daemon-log-filters", "--filters", "1:qmp 1:rpc"]);
    assert!(ask(&["daemon-log-filters"]).contains("1:qmp"));
    instance.define("traced", &idle_domain("traced"));
    instance.virsh(&["start", "traced", "--paused"]);
    instance.virsh(&["destroy", "traced"]);
    let text = std::fs::read_to_string(&log).unwrap();
    // Every call, and every exchange with QEMU.
    assert!(
        text.contains("domain_create_with_flags") && text.contains("qmp_capabilities"),
        "{text}"
    );
    let refused = instance.try_virt_admin(&["daemon-log-outputs", "--outputs", "1:nowhere"]);
    assert!(!refused.success);
    ask(&["daemon-log-filters", "--filters", ""]);
    assert!(!ask(&["daemon-log-filters"]).contains("1:"));
}

#[test]
fn guests_outlive_the_end_that_is_asked_for() {
    let mut instance = Instance::start();
    instance.define("stays", &idle_domain("stays"));
    instance.virsh(&["start", "stays"]);
    let guests = instance.guests();
    // What runs needs the daemon: it does not end by itself.
    instance.virt_admin(&["daemon-timeout", "1"]);
    let refused = instance.try_virt_admin(&["daemon-shutdown", "--preserve"]);
    assert!(
        !refused.success && refused.stderr.contains("not built"),
        "{refused:?}"
    );
    instance.virt_admin(&["daemon-shutdown"]);
    assert_eq!(instance.wait_for_end(), Some(0));
    assert_eq!(instance.guests(), guests);
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "stays"]).trim(), "running");
    instance.virsh(&["destroy", "stays"]);
    // Nothing runs and nobody is connected: it ends by itself.
    instance.virt_admin(&["daemon-timeout", "1"]);
    assert_eq!(instance.wait_for_end(), Some(0));
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}
