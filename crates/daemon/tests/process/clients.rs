//! Who is let in, and when.

use crate::instance::{Instanced, squeezed};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn a_read_only_socket_is_for_looking() {
    let instance = Instanced::new("unix_sock_ro_perms = \"0700\"");
    let _daemon = instance.start(&[]);
    if !rustix::process::geteuid().is_root() {
        // A session has no such socket.
        assert!(!instance.path("virttestd-sock-ro").exists());
        return;
    }
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock-ro", &["hostname"]).stdout),
        "tiny.example"
    );
    let refused = instance.virsh("virttestd-sock-ro", &["destroy", "a"]);
    let said = squeezed(&refused.stderr);
    assert!(
        said.contains("operation forbidden: read only access prevents virDomainDestroy"),
        "{said}"
    );
    assert!(
        instance
            .virsh("virttestd-sock", &["destroy", "a"])
            .status
            .success()
    );
}

pub(crate) fn a_call_before_the_connection_is_open_is_refused() {
    let instance = Instanced::new("");
    let _daemon = instance.start(&[]);
    let mut stream = UnixStream::connect(instance.path("virttestd-sock")).unwrap();
    // connect_get_hostname, number 59, as the first packet of a connection.
    let words: [u32; 7] = [28, 0x2000_8086, 1, 59, 0, 1, 0];
    let packet: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    stream.write_all(&packet).unwrap();
    let mut reply = vec![0; 28];
    stream.read_exact(&mut reply).unwrap();
    let length = u32::from_be_bytes(*reply.first_chunk().unwrap()) as usize;
    let mut body = vec![0; length - 28];
    stream.read_exact(&mut body).unwrap();
    assert_eq!(reply[27], 1, "an error");
    assert!(String::from_utf8_lossy(&body).contains("hypervisor connection not open"));
}

pub(crate) fn one_more_client_than_allowed_waits() {
    let instance = Instanced::new("max_clients = 1\nmax_anonymous_clients = 1");
    let _daemon = instance.start(&[]);
    let first = instance.stay_connected("virttestd-sock");
    let mut second = Command::new("virsh")
        .arg("-c")
        .arg(instance.uri("virttestd-sock"))
        .arg("hostname")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It cannot end before the first: what it waits for is not there.
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients : 1")
    );
    assert!(second.try_wait().unwrap().is_none());
    drop(first);
    let mut said = String::new();
    second.stdout.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.trim(), "tiny.example");
    second.wait().unwrap();
}

pub(crate) fn without_descriptors_clients_wait_and_nothing_spins() {
    let instance = Instanced::new("");
    let daemon = instance.start(&[]);
    let pid = rustix::process::Pid::from_child(&daemon.0);
    let held = std::fs::read_dir(format!("/proc/{}/fd", daemon.0.id()))
        .unwrap()
        .count() as u64;
    let limit = rustix::process::Rlimit {
        current: Some(held + 4),
        maximum: Some(held + 4),
    };
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    let path = instance.path("virttestd-sock");
    let crowd: Vec<_> = (0..40).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.0.id())).unwrap();
        let fields: Vec<_> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_millis(800));
    assert!(ticks() - before < 20, "the daemon spins");
    drop(crowd);
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock", &["hostname"]).stdout),
        "tiny.example"
    );
}
