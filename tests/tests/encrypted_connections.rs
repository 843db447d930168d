//! Guests' servers and connections with TLS, as `qemu.conf` says, against GnuTLS's own client and qemu-nbd.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Authority, Instance, Outcome, idle_domain, server_template, wait_for};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

const CLIENT: &str = "cn = \"client\"\ntls_www_client\nsigning_key\nencryption_key\n";

/// A folder as QEMU wants it: an authority, and certificates for both ends.
fn certificates(folder: &Path) -> PathBuf {
    let authority = Authority::new(folder.join("authority"));
    let pki = folder.join("pki");
    fs::create_dir_all(&pki).unwrap();
    fs::copy(authority.path("cacert.pem"), pki.join("ca-cert.pem")).unwrap();
    for (end, template) in [
        ("server", server_template("127.0.0.1")),
        ("client", CLIENT.to_owned()),
    ] {
        let file = |what: &str| pki.join(format!("{end}-{what}.pem"));
        authority.certify(&file("cert"), &file("key"), &template);
    }
    pki
}

/// A virtqemud with those certificates for everything, and the folder they are in.
fn host(configuration: &str) -> (Instance, PathBuf) {
    let text = format!("default_tls_x509_cert_dir = \"{{root}}/tls/pki\"\n{configuration}");
    let instance = Instance::wrapped(&[], &text);
    let pki = certificates(&instance.root().join("tls"));
    (instance, pki)
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// GnuTLS's client at a port, with these files of the folder beside the authority's.
fn gnutls(pki: &Path, port: u16, files: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new("gnutls-cli");
    let file = |name: &str| pki.join(name).display().to_string();
    command.args(["--x509cafile", &file("ca-cert.pem"), "--port", &port.to_string()]);
    for (flag, name) in files {
        command.arg(flag).arg(file(name));
    }
    // In TLS 1.3 a client has done its part before the server looks at its certificate.
    command.args(["--priority", "NORMAL:-VERS-TLS1.3"]);
    // Its input ends at once, so it leaves after the handshake.
    Outcome::of(command.arg("127.0.0.1").stdin(std::process::Stdio::null()))
}

#[test]
fn a_serial_port_over_tcp_is_encrypted_where_the_configuration_says_so() {
    let (instance, pki) = host("chardev_tls = 1");
    let port = free_port();
    let listening = format!(
        "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='{port}'/><protocol type='raw'/></serial>"
    );
    instance.define(
        "served",
        &idle_domain("served").replace("<serial type='pty'/>", &listening),
    );
    instance.virsh(&["start", "served", "--paused"]);
    let live = instance.virsh(&["dumpxml", "served"]);
    assert!(live.contains("tls='yes'"), "{live}");
    let definition = instance.virsh(&["dumpxml", "served", "--inactive"]);
    assert!(!definition.contains("tls="), "{definition}");

    let known = gnutls(
        &pki,
        port,
        &[
            ("--x509certfile", "client-cert.pem"),
            ("--x509keyfile", "client-key.pem"),
        ],
    );
    assert!(known.stdout.contains("Handshake was completed"), "{known:?}");
    // Who shows no certificate is sent away.
    let unknown = gnutls(&pki, port, &[]);
    assert!(!unknown.success, "{unknown:?}");

    let plain = idle_domain("plain").replace(
        "<serial type='pty'/>",
        &listening
            .replace(&port.to_string(), &free_port().to_string())
            .replace("service=", "tls='no' service="),
    );
    instance.define("plain", &plain);
    instance.virsh(&["start", "plain", "--paused"]);
    assert!(instance.virsh(&["dumpxml", "plain"]).contains("tls='no'"));
}

#[test]
fn a_vnc_server_asks_for_certificates() {
    let (instance, _) = host("vnc_tls = 1\nvnc_tls_x509_verify = 0");
    let document = idle_domain("seen").replace("<devices>", "<devices><graphics type='vnc'/>");
    instance.define("seen", &document);
    instance.virsh(&["start", "seen", "--paused"]);
    let told = instance.virsh(&[
        "qemu-monitor-command",
        "seen",
        r#"{"execute":"query-vnc-servers"}"#,
    ]);
    // With certificates of the server alone.
    assert!(
        told.contains(r#""auth":"vencrypt""#) && told.contains("x509-none"),
        "{told}"
    );
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_disk_on_an_nbd_server_is_read_over_tls() {
    let (instance, pki) = host("nbd_tls = 1");
    let image = instance.file("image", &"a".repeat(1 << 20));
    let port = free_port();
    let credentials = format!(
        "tls-creds-x509,id=tls,endpoint=server,verify-peer=yes,dir={}",
        pki.display()
    );
    let server = Command::new("qemu-nbd")
        .args([
            "--object",
            &credentials,
            "--tls-creds",
            "tls",
            "--persistent",
            // Others wait until who is served has gone.
            "--shared=4",
            "-f",
            "raw",
        ])
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), &image])
        .spawn()
        .unwrap();
    let _server = Ends(server);
    wait_for("the server", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    let disk = |tls: &str| {
        format!(
            "<devices><disk type='network' device='disk'><source protocol='nbd' {tls}><host name='127.0.0.1' port='{port}'/>\
             </source><target dev='vda' bus='virtio'/></disk>"
        )
    };
    instance.define("read", &idle_domain("read").replace("<devices>", &disk("")));
    instance.virsh(&["start", "read", "--paused"]);
    assert!(instance.virsh(&["dumpxml", "read"]).contains("tls='yes'"));
    instance.define(
        "open",
        &idle_domain("open").replace("<devices>", &disk("tls='no'")),
    );
    let said = instance.virsh_fails(&["start", "open", "--paused"]);
    assert!(said.contains("TLS"), "{said}");
}
