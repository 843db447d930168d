//! The sockets that once were libvirtd's: virtproxyd between stock clients and virtqemud, and libvirtd, which has the driver itself.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use end_to_end::{
    Daemon, Instance, Outcome, console, hear_lives, idle_domain, mode, python, tiny_guest, wait_for,
};
use std::fs;
use std::io::{Read, copy};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const PROXY: &str = "virtproxyd";

/// A host with QEMU's daemon and the proxy.
fn host() -> Instance {
    Instance::start_all(&["virtqemud", PROXY])
}

/// Hosts whose old sockets are served, by whatever daemon; to clients they are the same. Tells which daemon it is.
fn hosts() -> impl Iterator<Item = (Instance, &'static str)> {
    let kinds: [&[&'static str]; 2] = [&["virtqemud", PROXY], &["libvirtd"]];
    kinds.into_iter().map(|daemons| {
        let old = *daemons.last().unwrap();
        println!("{old}");
        (Instance::start_all(daemons), old)
    })
}

/// How many clients a daemon has, as `virt-admin` tells.
fn clients(daemon: &Daemon) -> usize {
    daemon
        .virt_admin(&["srv-clients-list", daemon.name()])
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count()
}

#[test]
fn the_old_sockets_serve_what_they_always_did() {
    for (instance, old) in hosts() {
        let daemon = instance.daemon(old);
        let file = instance.file("vm.xml", &idle_domain("vm"));
        daemon.virsh(&["define", &file]);
        daemon.virsh(&["start", "vm"]);
        assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "running");
        assert!(
            daemon
                .virsh(&["qemu-monitor-command", "vm", r#"{"execute":"query-status"}"#])
                .contains(r#""running":true"#)
        );
        let complaint = daemon.virsh_fails(&["domstate", "nobody"]);
        assert!(complaint.contains("failed to get domain 'nobody'"), "{complaint}");

        // Looking only: by the socket, and by what the client asks for.
        let shown = daemon.virsh_at(&daemon.read_only_uri(), &["dumpxml", "vm"]);
        assert!(shown.contains("<name>vm</name>"));
        for arguments in [
            vec!["-c", &daemon.read_only_uri()],
            vec!["-r", "-c", &daemon.uri()],
        ] {
            let outcome = Outcome::of(Command::new("virsh").args(arguments).args(["destroy", "vm"]));
            assert!(
                !outcome.success && outcome.stderr.contains("read only access"),
                "{}",
                outcome.stderr
            );
        }

        // Who names no URI gets the hypervisor that is there, and a driver that there is not is nobody's.
        let unnamed = format!("{}&name=", daemon.uri());
        assert!(daemon.virsh_at(&unnamed, &["list", "--name"]).contains("vm"));
        let complaint = refusal(&daemon.uri_of("esx"));
        assert!(
            complaint.contains("no connection driver available"),
            "{complaint}"
        );
        daemon.virsh(&["destroy", "vm"]);
    }
}

/// What a client of that URI is told that may not open it.
fn refusal(uri: &str) -> String {
    let outcome = Outcome::of(Command::new("virsh").args(["-c", uri, "uri"]));
    assert!(!outcome.success, "{}", outcome.stdout);
    outcome.stderr
}

#[test]
fn a_daemon_that_is_not_there_is_named_and_an_end_is_the_proxys_alone() {
    let mut instance = host();
    instance.define("vm", &idle_domain("vm"));
    let complaint = refusal(&instance.daemon(PROXY).uri_of("secret"));
    for words in [
        "virtsecretd-sock': No such file or directory",
        "systemctl start virtsecretd.socket",
    ] {
        assert!(complaint.contains(words), "{complaint}");
    }
    assert_eq!(instance.daemon_mut(PROXY).stop(), Some(0));
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "shut off");
}

#[test]
fn each_event_comes_once_and_in_order() {
    for (instance, old) in hosts() {
        instance.define("vm", &idle_domain("vm"));
        hear_lives(&instance.daemon(old).uri(), "vm", 25);
    }
}

/// Gets a descriptor of a guest's screen, gives it one, and greets over both.
const DESCRIPTORS: &str = r"
import libvirt, os, socket, sys
dom = libvirt.open(sys.argv[1]).lookupByName('tiny')
got = socket.socket(fileno=dom.openGraphicsFD(0))
ours, theirs = socket.socketpair()
dom.openGraphics(0, theirs.fileno())
theirs.close()
for screen in (got, ours):
    print(screen.recv(12).decode().strip())
";

#[test]
fn streams_and_descriptors_pass() {
    for (instance, old) in hosts() {
        let daemon = instance.daemon(old);
        instance.define("tiny", &tiny_guest(&instance, "tiny"));
        daemon.virsh(&["start", "tiny"]);
        let seen = console(&daemon.uri(), "tiny", "echo $((6*7))-is-said", "42-is-said");
        assert!(
            seen.contains("42-is-said"),
            "the guest's shell did not answer: {seen}"
        );
        let picture = instance.root().join("picture");
        daemon.virsh(&["screenshot", "tiny", picture.to_str().unwrap()]);
        let picture = fs::read(&picture).unwrap();
        assert!(picture.starts_with(b"\x89PNG") || picture.starts_with(b"P6"));
        let outcome = python(DESCRIPTORS, &[&daemon.uri()]);
        assert_eq!(outcome.stdout, "RFB 003.008\nRFB 003.008\n", "{}", outcome.stderr);
    }
}

/// Opens and closes connections, and says how many.
const COME_AND_GO: &str = r"
import libvirt, sys
for _ in range(int(sys.argv[2])):
    conn = libvirt.open(sys.argv[1])
    assert conn.lookupByName('vm').isActive() == 0
    conn.close()
print('all')
";

#[test]
fn two_hundred_clients_come_and_go_without_a_trace() {
    for (instance, old) in hosts() {
        instance.define("vm", &idle_domain("vm"));
        let daemon = instance.daemon(old);
        let descriptors = || {
            [instance.pid(), daemon.pid()].map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
        };
        daemon.virsh(&["list"]);
        wait_for("the first client to go", || (clients(daemon) == 0).then_some(()));
        let before = descriptors();
        thread::scope(|scope| {
            let rounds: Vec<_> = (0..10)
                .map(|_| scope.spawn(|| python(COME_AND_GO, &[&daemon.uri(), "20"])))
                .collect();
            for round in rounds {
                let outcome = round.join().unwrap();
                assert_eq!(outcome.stdout, "all\n", "{}", outcome.stderr);
            }
        });
        wait_for("every client to go", || (clients(daemon) == 0).then_some(()));
        wait_for("the descriptors to go", || {
            // The first client's may not all have been closed when they were counted.
            let now = descriptors();
            now.iter()
                .zip(&before)
                .all(|(now, before)| now <= before)
                .then_some(())
        });
    }
}

/// Waits until its connection is closed, and says so.
const WAIT_FOR_THE_END: &str = r"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(sys.argv[1])
over = []
conn.registerCloseCallback(lambda conn, reason, opaque: over.append(reason), None)
open(sys.argv[2], 'w').close()
while not over:
    libvirt.virEventRunDefaultImpl()
print('closed', over[0], conn.isAlive())
";

#[test]
fn whoever_dies_takes_only_his_own_along() {
    let mut instance = host();
    instance.define("vm", &idle_domain("vm"));
    let mark = instance.root().join("mark");
    let end = || {
        let _ = fs::remove_file(&mark);
        let (uri, file) = (instance.daemon(PROXY).uri(), mark.to_str().unwrap().to_owned());
        let waits = thread::spawn(move || python(WAIT_FOR_THE_END, &[&uri, &file]));
        wait_for("the client to be connected", || mark.exists().then_some(()));
        waits
    };
    // The daemon behind the proxy.
    let waits = end();
    let pid = instance.daemon(PROXY).pid();
    instance.kill();
    let outcome = waits.join().unwrap();
    // An end of file, as without a proxy.
    assert_eq!(outcome.stdout, "closed 1 0\n", "{}", outcome.stderr);
    let complaint = instance.daemon(PROXY).virsh_fails(&["list"]);
    assert!(complaint.contains("virtqemud-sock"), "{complaint}");
    instance.restart();
    assert!(
        instance
            .daemon(PROXY)
            .virsh(&["list", "--all", "--name"])
            .contains("vm")
    );
    assert_eq!(instance.daemon(PROXY).pid(), pid);
}

#[test]
fn a_proxy_that_dies_costs_direct_clients_nothing() {
    let mut instance = host();
    instance.define("vm", &idle_domain("vm"));
    let outcome = thread::scope(|scope| {
        let mark = instance.root().join("mark");
        let (direct, file) = (instance.uri(), mark.to_str().unwrap().to_owned());
        let script = "import libvirt, os, sys, time\n\
                      dom = libvirt.open(sys.argv[1]).lookupByName('vm')\n\
                      open(sys.argv[2], 'w').close()\n\
                      while os.path.exists(sys.argv[2]): dom.isActive()\n\
                      print('served', dom.isActive())\n";
        let calls = scope.spawn(move || python(script, &[&direct, &file]));
        wait_for("the client to call", || mark.exists().then_some(()));
        instance.daemon_mut(PROXY).kill();
        fs::remove_file(&mark).unwrap();
        calls.join().unwrap()
    });
    assert_eq!(outcome.stdout, "served 0\n", "{}", outcome.stderr);
    instance.daemon_mut(PROXY).restart();
    assert!(
        instance
            .daemon(PROXY)
            .virsh(&["list", "--all", "--name"])
            .contains("vm")
    );
}

/// Opens a connection, asks for a long answer for ever, and reads none of them; says when it can ask no more.
const READ_NOTHING: &str = r"
import socket, struct, sys
def packet(proc, serial, body=b''):
    return struct.pack('>7I', 28 + len(body), 0x20008086, 1, proc, 0, serial, 0) + body
def name(text):
    return struct.pack('>I', len(text)) + text + bytes(-len(text) % 4)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(packet(1, 1, struct.pack('>I', 1) + name(b'qemu:///' + sys.argv[2].encode()) + struct.pack('>I', 0)))
assert struct.unpack('>7I', s.recv(28))[6] == 0
s.settimeout(5)
asked = 0
try:
    while asked < 200000:
        # connect_get_capabilities
        s.sendall(packet(7, 2 + asked))
        asked += 1
except TimeoutError:
    print('full', flush=True)
sys.stdin.read()
";

#[test]
fn a_client_that_reads_nothing_costs_nobody_else_anything() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let instance = host();
    instance.define("vm", &idle_domain("vm"));
    let proxy = instance.daemon(PROXY);
    proxy.virsh(&["capabilities"]);
    let mode = mode();
    let mut greedy: Vec<_> = (0..4)
        .map(|_| {
            Command::new("/usr/bin/python3")
                .args(["-c", READ_NOTHING, proxy.socket().to_str().unwrap(), mode])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for client in &mut greedy {
        let mut line = String::new();
        BufReader::new(client.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "full\n", "its questions were taken without end");
    }
    assert!(proxy.virsh(&["list", "--all", "--name"]).contains("vm"));
    assert!(instance.virsh(&["list", "--all", "--name"]).contains("vm"));
    let peak = proxy.peak_memory();
    assert!(peak < 64 << 10, "the proxy grew to {peak} KiB");
    for mut client in greedy {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    wait_for("the clients to go", || (clients(proxy) == 0).then_some(()));
}

/// Passes what comes from one socket to another, until it ends.
fn pass(mut from: &UnixStream, mut to: &UnixStream) {
    // Whoever goes first ends both.
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// In the place of a daemon's socket: those that say something first are disconnected, as many as that; the others come to the daemon.
/// Counts who came.
fn fickle(socket: &Path, real: &Path, disconnects: usize) -> Arc<AtomicUsize> {
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    let (own, real) = (Arc::clone(&came), real.to_owned());
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            if own.fetch_add(1, Ordering::Relaxed) < disconnects {
                (&client).read_exact(&mut [0; 4]).unwrap();
                continue;
            }
            let server = UnixStream::connect(&real).unwrap();
            let (other_client, other_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(&client, &server));
            thread::spawn(move || pass(&other_server, &other_client));
        }
    });
    came
}

#[test]
fn whom_a_daemon_disconnects_that_starts_anew_is_connected_once_more() {
    let instance = host();
    instance.define("vm", &idle_domain("vm"));
    let (qemu, proxy) = (instance.daemon("virtqemud"), instance.daemon(PROXY));
    let real = qemu.socket().with_extension("real");
    fs::rename(qemu.socket(), &real).unwrap();
    let came = fickle(&qemu.socket(), &real, 2);
    proxy.virsh(&["dominfo", "vm"]);
    assert_eq!(came.load(Ordering::Relaxed), 3);
    // One that never lets anybody in is not asked for ever.
    let came = fickle(&qemu.socket(), &real, usize::MAX);
    let complaint = proxy.virsh_fails(&["dominfo", "vm"]);
    assert!(
        complaint.contains("the connection to the server ended"),
        "{complaint}"
    );
    assert_eq!(came.load(Ordering::Relaxed), 4);
}
