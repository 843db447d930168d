//! The proxy's sockets for other hosts, which systemd opens.

use crate::host::{daemon, run, systemctl, try_run};
use std::fs;
use std::path::Path;

const CONFIGURATION: &str = "/etc/libvirt/virtproxyd.conf";

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_client_over_tcp_starts_the_proxy() {
    let proxy = daemon("virtproxyd");
    let former = fs::read_to_string(CONFIGURATION).unwrap();
    fs::write(CONFIGURATION, format!("{former}\nauth_tcp = \"none\"\n")).unwrap();
    proxy.stop();
    systemctl(&["start", "virtproxyd-tcp.socket"]);
    for address in ["127.0.0.1", "[::1]"] {
        proxy.stop();
        let uri = format!("qemu+tcp://{address}/system");
        assert!(run("virsh", &["-q", "-c", &uri, "uri"]).contains("/system"));
        assert!(proxy.is_active());
    }
    systemctl(&["stop", "virtproxyd.service", "virtproxyd-tcp.socket"]);
    fs::write(CONFIGURATION, former).unwrap();
    proxy.restart();
    assert!(!try_run("virsh", &["-q", "-c", "qemu+tcp://127.0.0.1/system", "uri"]).success);
}

/// Has certtool make a key and a certificate for it, signed by the authority, or by itself as one.
fn certify(name: &str, template: &str) {
    let file = |kind: &str| format!("/tmp/{name}.{kind}");
    fs::write(file("info"), template).unwrap();
    run(
        "certtool",
        &[
            "--generate-privkey",
            "--key-type=rsa",
            "--bits=2048",
            "--outfile",
            &file("key"),
        ],
    );
    let authority = if name == "authority" {
        vec!["--generate-self-signed"]
    } else {
        let signed = "--generate-certificate";
        vec![
            signed,
            "--load-ca-certificate=/tmp/authority.pem",
            "--load-ca-privkey=/tmp/authority.key",
        ]
    };
    let (key, info, certificate) = (file("key"), file("info"), file("pem"));
    let own = [
        "--load-privkey",
        &key,
        "--template",
        &info,
        "--outfile",
        &certificate,
    ];
    let arguments: Vec<_> = authority.into_iter().chain(own).collect();
    run("certtool", &arguments);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_client_over_tls_starts_the_proxy() {
    certify("authority", "cn = Testbed\nca\ncert_signing_key\n");
    certify(
        "server",
        "cn = server\nip_address = 127.0.0.1\ntls_www_server\nsigning_key\nencryption_key\n",
    );
    certify(
        "client",
        "cn = client\ntls_www_client\nsigning_key\nencryption_key\n",
    );
    for (from, to) in [
        ("authority.pem", "/etc/pki/CA/cacert.pem"),
        ("server.pem", "/etc/pki/libvirt/servercert.pem"),
        ("server.key", "/etc/pki/libvirt/private/serverkey.pem"),
        ("client.pem", "/etc/pki/libvirt/clientcert.pem"),
        ("client.key", "/etc/pki/libvirt/private/clientkey.pem"),
    ] {
        fs::create_dir_all(Path::new(to).parent().unwrap()).unwrap();
        fs::copy(format!("/tmp/{from}"), to).unwrap();
    }
    let proxy = daemon("virtproxyd");
    proxy.stop();
    systemctl(&["start", "virtproxyd-tls.socket"]);
    assert!(run("virsh", &["-q", "-c", "qemu+tls://127.0.0.1/system", "uri"]).contains("/system"));
    assert!(proxy.is_active());
    // Without the client's certificate nobody comes in.
    fs::remove_file("/etc/pki/libvirt/clientcert.pem").unwrap();
    fs::remove_file("/etc/pki/libvirt/private/clientkey.pem").unwrap();
    assert!(!try_run("virsh", &["-q", "-c", "qemu+tls://127.0.0.1/system", "uri"]).success);
    systemctl(&["stop", "virtproxyd.service", "virtproxyd-tls.socket"]);
    fs::remove_dir_all("/etc/pki/libvirt").unwrap();
    proxy.restart();
}
