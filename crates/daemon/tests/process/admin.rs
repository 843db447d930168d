//! What `virt-admin` sees and changes.

use crate::instance::Instanced;
use std::io::Read;

pub(crate) fn virt_admin_sees_servers_clients_and_limits() {
    let instance = Instanced::new("max_workers = 7\nmin_workers = 2");
    let _daemon = instance.start(&[]);
    assert_eq!(instance.admin(&["srv-list"]), "Id Name 0 admin 1 virttestd");
    assert_eq!(
        instance.admin(&["srv-threadpool-info", "virttestd"]),
        "minWorkers : 2 maxWorkers : 7 nWorkers : 0 freeWorkers : 0 prioWorkers : 5 jobQueueDepth : 0"
    );
    instance.admin(&["srv-threadpool-set", "virttestd", "--max-workers", "9"]);
    assert!(
        instance
            .admin(&["srv-threadpool-info", "virttestd"])
            .contains("maxWorkers : 9")
    );
    instance.admin_refuses(
        &["srv-threadpool-set", "virttestd", "--min-workers", "30"],
        "invalid argument",
    );
    assert_eq!(
        instance.admin(&["srv-clients-info", "admin"]),
        "nclients_max : 5 nclients : 1 nclients_unauth_max : 0 nclients_unauth : 0"
    );
    instance.admin(&["srv-clients-set", "virttestd", "--max-clients", "50"]);
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients_max : 50")
    );
    instance.admin_refuses(
        &["srv-clients-set", "virttestd", "--max-unauth-clients", "60"],
        "invalid argument",
    );
    instance.admin_refuses(
        &["srv-clients-info", "bogus"],
        "Server not found: No server named 'bogus'",
    );
    instance.admin_refuses(
        &["srv-update-tls", "virttestd"],
        "internal error: no tls service found",
    );
    assert!(
        instance
            .admin(&["version"])
            .contains("Running against daemon: 11.3.0")
    );
}

pub(crate) fn virt_admin_shows_and_disconnects_a_client() {
    let instance = Instanced::new("");
    let _daemon = instance.start(&[]);
    let mut client = instance.stay_connected("virttestd-sock");
    let list = instance.admin(&["client-list", "virttestd"]);
    assert!(list.contains(" 1 unix 2"), "{list}");
    let info = instance.admin(&["client-info", "virttestd", "1"]);
    let pid = format!("unix_process_id: {}", client.0.id());
    for part in [
        "transport : unix",
        "readonly : no",
        "unix_user_id : ",
        "unix_group_id : ",
        &pid,
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    instance.admin(&["client-disconnect", "virttestd", "1"]);
    drop(client.0.stdin.take());
    let mut said = String::new();
    client
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    client.end();
    assert!(!instance.admin(&["client-list", "virttestd"]).contains("unix"));
    instance.admin_refuses(
        &["client-info", "virttestd", "1"],
        "Client not found: No client with matching ID '1'",
    );
}

pub(crate) fn virt_admin_changes_the_log() {
    let instance = Instanced::new("");
    let _daemon = instance.start(&[]);
    let log = instance.path("log");
    assert_eq!(instance.admin(&["daemon-log-filters"]), "Logging filters:");
    assert_eq!(
        instance.admin(&["daemon-log-outputs"]),
        "Logging outputs: 3:stderr"
    );
    instance.admin(&["daemon-log-outputs", &format!("1:file:{}", log.display())]);
    instance.admin(&["daemon-log-filters", "1:rpc 4:foo"]);
    assert_eq!(
        instance.admin(&["daemon-log-filters"]),
        "Logging filters: 1:rpc 4:foo"
    );
    assert!(instance.virsh("virttestd-sock", &["hostname"]).status.success());
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("connect_get_hostname"), "{logged}");
    instance.admin_refuses(
        &["daemon-log-filters", "9:foo"],
        "invalid argument: Invalid priority '9' for filter '9:foo'",
    );
    instance.admin_refuses(
        &["daemon-log-outputs", "1:bogus"],
        "invalid argument: Invalid log destination 'bogus' for log output '1:bogus'",
    );
}

pub(crate) fn virt_admin_ends_the_daemon() {
    let instance = Instanced::new("");
    let mut daemon = instance.start(&[]);
    instance.admin_refuses(&["daemon-shutdown", "--preserve"], "not built into this version");
    instance.admin(&["daemon-timeout", "--timeout", "1"]);
    assert_eq!(daemon.end(), 0);
    let mut daemon = instance.start(&[]);
    instance.admin(&["daemon-shutdown"]);
    assert_eq!(daemon.end(), 0);
}
