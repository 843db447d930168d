//! Ten thousand strangers who connect to the proxy and say nothing cost those who have something to say nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use end_to_end::{Authority, Instance, Outcome, free_port, mode, wait_for};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

const PROXY: &str = "virtproxyd";

/// How many strangers there are.
const CROWD: u32 = 10_000;

/// Descriptors of this process beside theirs.
const OTHERS: u64 = 500;

/// One crowd at a time: this process has not descriptors for two.
static SQUARE: Mutex<()> = Mutex::new(());

/// A socket that connects from one of many addresses, and is not waited for.
fn stranger(number: u32, port: u16) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    let [_, _, high, low] = (number / 40 + 2).to_be_bytes();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 1, high, low], 0))).unwrap();
    match rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(()) | Err(Errno::INPROGRESS) => socket,
        Err(failure) => panic!("stranger {number}: {failure}"),
    }
}

fn crowd(ports: [u16; 2]) -> Vec<OwnedFd> {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::from(CROWD) + OTHERS;
    let there_are = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        there_are >= needed,
        "{needed} descriptors are needed; the hard limit here is {there_are} (ulimit -Hn)"
    );
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(needed.max(limit.current.unwrap_or(needed))),
            ..limit
        },
    )
    .unwrap();
    let ports = ports.into_iter().cycle();
    (0..CROWD)
        .zip(ports)
        .map(|(number, port)| stranger(number, port))
        .collect()
}

/// virtqemud, a proxy for TCP and TLS with that much more in its configuration, and their ports.
fn host(more: &str) -> (Instance, [u16; 2]) {
    let mut instance = Instance::start_all(&["virtqemud"]);
    let authority = Authority::new(instance.root().join("authority"));
    authority.server(&instance.path("/etc/pki"), "127.0.0.1");
    let (tcp, tls) = (free_port(), free_port());
    let text = format!(
        "listen_tcp = 1\nlisten_tls = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{tcp}\"\ntls_port = \"{tls}\"\n\
         auth_tcp = \"none\"\n{more}"
    );
    fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
    instance.add(PROXY);
    (instance, [tcp, tls])
}

/// The proxy's figure of that name.
fn figure(instance: &Instance, name: &str) -> u32 {
    let told = instance.daemon(PROXY).virt_admin(&["srv-clients-info", PROXY]);
    let line = told
        .lines()
        .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
    line.and_then(|line| line.split(':').nth(1)?.trim().parse().ok())
        .unwrap()
}

fn local_clients_are_served(instance: &Instance) {
    for _ in 0..10 {
        let outcome = instance.daemon(PROXY).try_virsh(&["list", "--all"]);
        assert!(outcome.success, "{}", outcome.stderr);
    }
}

/// As many as are let in by default wait inside, the others before the door.
#[test]
fn strangers_beyond_the_limit_wait_outside() {
    let _alone = SQUARE.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody is sent away while this looks.
    let (instance, ports) = host("keepalive_interval = 600\n");
    let crowd = crowd(ports);
    wait_for("the first of the crowd", || {
        (figure(&instance, "nclients_unauth") == 20).then_some(())
    });
    local_clients_are_served(&instance);
    assert_eq!(figure(&instance, "nclients_unauth"), 20);
    drop(crowd);
    wait_for("the crowd to leave", || {
        (figure(&instance, "nclients") == 0).then_some(())
    });
}

/// An administrator lets everybody in, and all are held at once.
#[test]
fn strangers_within_the_limit_cost_memory_alone() {
    let _alone = SQUARE.lock().unwrap_or_else(PoisonError::into_inner);
    let limits = format!(
        "max_clients = {}\nmax_anonymous_clients = {}\n",
        CROWD + 100,
        CROWD + 50
    );
    let (instance, ports) = host(&format!(
        "keepalive_interval = 600\nmax_queued_clients = 4096\n{limits}"
    ));
    let crowd = crowd(ports);
    wait_for("all of the crowd", || {
        (figure(&instance, "nclients_unauth") == CROWD).then_some(())
    });
    local_clients_are_served(&instance);
    // Whoever comes from afar as well, as long as there is room.
    let mode = mode();
    let uri = format!("qemu+tcp://127.0.0.1:{}/{mode}", ports[0]);
    let outcome = Outcome::of(Command::new("virsh").args(["-q", "-c", &uri, "list"]));
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(figure(&instance, "nclients_unauth"), CROWD);
    let memory = instance.daemon(PROXY).peak_memory();
    println!("{CROWD} strangers, half of them for TLS: {memory} KiB at most");
    drop(crowd);
    wait_for("the crowd to leave", || {
        (figure(&instance, "nclients") == 0).then_some(())
    });
    local_clients_are_served(&instance);
}
