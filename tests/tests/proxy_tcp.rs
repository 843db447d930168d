//! virtproxyd over plain TCP, where whoever reaches the port may use it; and what strangers can do to it.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, free_port, idle_domain, mode, python, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

const PROXY: &str = "virtproxyd";

/// virtqemud, and a proxy with that much more in its configuration; gives the port.
fn host(more: &str) -> (Instance, u16) {
    let mut instance = Instance::start_all(&["virtqemud"]);
    let port = free_port();
    let text = format!(
        "listen_tcp = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\nauth_tcp = \"none\"\n{more}"
    );
    fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
    instance.add(PROXY);
    (instance, port)
}

fn virsh(port: u16, arguments: &[&str]) -> Outcome {
    let uri = format!("qemu+tcp://127.0.0.1:{port}/{}", mode());
    Outcome::of(Command::new("virsh").args(["-q", "-c", &uri]).args(arguments))
}

#[test]
fn guests_are_managed_from_afar() {
    let (instance, port) = host("");
    let file = instance.file("vm.xml", &idle_domain("vm"));
    for arguments in [&["define", &file][..], &["start", "vm"], &["dumpxml", "vm"]] {
        let outcome = virsh(port, arguments);
        assert!(outcome.success, "{}", outcome.stderr);
    }
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "running");

    // Who is there is told, and descriptors are no matter for a network.
    let script = "import libvirt, subprocess, sys\n\
                  conn = libvirt.open(sys.argv[1])\n\
                  admin = ['virt-admin', '-q', '-c', sys.argv[2]]\n\
                  listed = subprocess.check_output(admin + ['srv-clients-list', 'virtproxyd'], text=True)\n\
                  print(listed.split()[1])\n\
                  print(subprocess.check_output(admin + ['client-info', 'virtproxyd', listed.split()[0]], text=True))\n\
                  try:\n    conn.lookupByName('vm').openGraphicsFD(0)\n\
                  except libvirt.libvirtError as e:\n    print(e)\n";
    let uri = format!("qemu+tcp://127.0.0.1:{port}/{}", mode());
    let outcome = python(script, &[&uri, &instance.daemon(PROXY).admin_uri()]);
    assert!(outcome.stdout.starts_with("tcp\n"), "{outcome:?}");
    assert!(
        outcome.stdout.contains("sock_addr      : 127.0.0.1:"),
        "{outcome:?}"
    );
    assert!(outcome.stdout.contains("not supported"), "{outcome:?}");
}

#[test]
fn systemd_may_open_the_port_and_it_ends_when_nobody_comes() {
    let instance = Instance::start_all(&["virtqemud"]);
    let port = free_port();
    fs::write(
        instance.path("/etc/libvirt/virtproxyd.conf"),
        "auth_tcp = \"none\"\n",
    )
    .unwrap();
    let mut proxy = Command::new("systemd-socket-activate")
        .args([
            "--fdname=virtproxyd-tcp.socket",
            "-l",
            &format!("127.0.0.1:{port}"),
        ])
        .args(["-E", &format!("FERROVIRT_ROOT={}", instance.path("").display())])
        .arg(end_to_end::binary(PROXY))
        .args(["--timeout", "1"])
        .spawn()
        .unwrap();
    wait_for("the proxy to serve", || {
        virsh(port, &["list"]).success.then_some(())
    });
    assert!(proxy.wait().unwrap().success());
}

/// Reads to the end of a connection that the proxy closes.
fn ends(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(end_to_end::PATIENCE)).unwrap();
    let mut rest = Vec::new();
    // A reset is an end as well: the proxy may have left our last bytes unread.
    if let Err(failure) = stream.read_to_end(&mut rest) {
        assert_eq!(failure.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn strangers_are_dropped_in_time_and_cost_nobody_anything() {
    let (instance, port) = host("keepalive_interval = 2\nkeepalive_count = 1\nmax_anonymous_clients = 5\n");
    let proxy = instance.daemon(PROXY);
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    // Far more than may be unknown at a time, and none of them says a word.
    let mut silent: Vec<_> = (0..40).map(|_| connect()).collect();
    for _ in 0..3 {
        assert!(proxy.try_virsh(&["list"]).success);
    }
    for stream in &mut silent {
        ends(stream);
    }
    // One that says what is no packet, and one that never gets to the end of one.
    let mut stream = connect();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    ends(&mut stream);
    let mut stream = connect();
    let mut slow = stream.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        let mut bytes = [0, 0, 1, 0].into_iter().chain(std::iter::repeat(0));
        while slow.write_all(&[bytes.next().unwrap()]).is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    ends(&mut stream);
    drip.join().unwrap();
    wait_for("the proxy to say so", || {
        let said = fs::read_to_string(proxy.log()).unwrap();
        let all = [
            "did not open its connection in time",
            "a packet announces",
            "127.0.0.1:",
        ];
        all.iter().all(|words| said.contains(words)).then_some(())
    });
    let outcome = virsh(port, &["list"]);
    assert!(outcome.success, "{}", outcome.stderr);
}
