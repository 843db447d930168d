//! virtproxyd over IPv6, plainly and with TLS.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Authority, Instance, Outcome, free_port, mode};
use std::fs;
use std::process::Command;

#[test]
fn clients_come_over_ipv6() {
    let mut instance = Instance::start_all(&["virtqemud"]);
    let authority = Authority::new(instance.root().join("authority"));
    authority.server(&instance.path("/etc/pki"), "::1");
    let client = authority.client(&authority, "client", "");
    let (tcp, tls) = (free_port(), free_port());
    let text = format!(
        "listen_tcp = 1\nlisten_tls = 1\nlisten_addr = \"::1\"\ntcp_port = \"{tcp}\"\ntls_port = \"{tls}\"\n\
         auth_tcp = \"none\"\n"
    );
    fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
    instance.add("virtproxyd");
    let mode = mode();
    for uri in [
        format!("qemu+tcp://[::1]:{tcp}/{mode}"),
        format!("qemu+tls://[::1]:{tls}/{mode}?pkipath={}", client.display()),
    ] {
        let outcome = Outcome::of(Command::new("virsh").args(["-q", "-c", &uri, "list", "--all"]));
        assert!(outcome.success, "{uri}: {}", outcome.stderr);
    }
    // Only there, as it was told.
    let uri = format!("qemu+tcp://127.0.0.1:{tcp}/{mode}");
    let outcome = Outcome::of(Command::new("virsh").args(["-q", "-c", &uri, "list"]));
    assert!(
        !outcome.success && outcome.stderr.contains("refused"),
        "{}",
        outcome.stderr
    );
}
