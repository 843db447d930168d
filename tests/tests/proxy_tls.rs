//! virtproxyd over TLS, with certificates that certtool makes.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Authority, Instance, Outcome, free_port, mode, python, server_template, wait_for};
use std::fs;
use std::path::Path;
use std::process::Command;

const PROXY: &str = "virtproxyd";

/// Shakes hands as told, and says what comes of it.
const GREET: &str = r"
import socket, ssl, sys
port, authority, version, certificate, key = sys.argv[1:6]
context = ssl.create_default_context(cafile=authority)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
if certificate:
    context.load_cert_chain(certificate, key)
stream = context.wrap_socket(socket.create_connection(('127.0.0.1', int(port))), server_hostname='127.0.0.1')
print(stream.version(), stream.recv(1))
";

/// A host with virtqemud and a proxy for TLS.
struct Host {
    instance: Instance,
    authority: Authority,
    port: u16,
}

impl Host {
    fn new(more: &str) -> Self {
        let mut host = Self::without_proxy(more);
        host.instance.add(PROXY);
        host
    }

    fn without_proxy(more: &str) -> Self {
        let instance = Instance::start_all(&["virtqemud"]);
        let authority = Authority::new(instance.root().join("authority"));
        let port = free_port();
        let text = format!("listen_tls = 1\nlisten_addr = \"127.0.0.1\"\ntls_port = \"{port}\"\n{more}");
        fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
        let host = Self {
            instance,
            authority,
            port,
        };
        host.install(&host.authority);
        host
    }

    /// Gives the server a certificate of that authority.
    fn install(&self, authority: &Authority) {
        authority.server(&self.instance.path("/etc/pki"), "127.0.0.1");
    }

    fn uri(&self, client: &Path) -> String {
        let mode = mode();
        let client = client.display();
        format!("qemu+tls://127.0.0.1:{}/{mode}?pkipath={client}", self.port)
    }

    fn virsh(&self, client: &Path) -> Outcome {
        Outcome::of(Command::new("virsh").args(["-q", "-c", &self.uri(client), "list", "--all"]))
    }

    /// Shakes hands in that version; gives what the proxy says then.
    fn greet(&self, version: &str, with: Option<&Path>) -> String {
        let file = |name| with.map_or(String::new(), |folder| folder.join(name).display().to_string());
        let (port, authority) = (self.port.to_string(), self.authority.path("cacert.pem"));
        let (certificate, key) = (file("clientcert.pem"), file("clientkey.pem"));
        python(GREET, &[&port, &authority, version, &certificate, &key]).stdout
    }

    fn lets_in(&self, client: &Path) {
        let outcome = self.virsh(client);
        assert!(outcome.success, "{}", outcome.stderr);
    }

    /// The client is refused and hears no reason; the log has it.
    fn refuses(&self, client: &Path, reason: &str) {
        let outcome = self.virsh(client);
        assert!(!outcome.success, "it was let in");
        let complaint = &outcome.stderr;
        assert!(
            complaint.contains("Unable to read TLS confirmation: Input/output error"),
            "{complaint}"
        );
        self.says(reason);
    }

    fn says(&self, reason: &str) {
        let log = self.instance.daemon(PROXY).log();
        wait_for("the reason in the log", || {
            let said = fs::read_to_string(&log).unwrap();
            let mut lines = said.lines();
            let found = lines.find(|line| line.contains("127.0.0.1:") && line.contains(reason));
            found.map(drop)
        });
    }
}

#[test]
fn a_certificate_lets_in_and_none_else_does() {
    let host = Host::new("");
    let good = host.authority.client(&host.authority, "good", "");
    host.lets_in(&good);

    let other = Authority::new(host.instance.root().join("other"));
    let foreign = other.client(&host.authority, "foreign", "");
    // Stock clients keep a certificate to themselves that is none of the server's authority.
    host.refuses(&foreign, "it has no certificate");
    // The client's name is told to the administrator.
    let script = "import libvirt, subprocess, sys\n\
                  conn = libvirt.open(sys.argv[1])\n\
                  admin = ['virt-admin', '-q', '-c', sys.argv[2]]\n\
                  listed = subprocess.check_output(admin + ['srv-clients-list', 'virtproxyd'], text=True)\n\
                  print(listed.split()[1], conn.isSecure(), conn.isEncrypted())\n\
                  print(subprocess.check_output(admin + ['client-info', 'virtproxyd', listed.split()[0]], text=True))\n";
    let outcome = python(
        script,
        &[&host.uri(&good), &host.instance.daemon(PROXY).admin_uri()],
    );
    assert!(outcome.stdout.starts_with("tls 1 1\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("C=GB,O=Ferrovirt,CN=good"), "{outcome:?}");
}

#[test]
fn both_versions_are_spoken_and_a_client_without_a_certificate_hears_nothing() {
    let host = Host::new("");
    let good = host.authority.client(&host.authority, "good", "");
    for (version, name) in [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")] {
        assert_eq!(host.greet(version, Some(&good)), format!("{name} b'\\x01'\n"));
        assert_eq!(host.greet(version, None), format!("{name} b''\n"));
    }
    host.says("it has no certificate");
    let other = Authority::new(host.instance.root().join("other"));
    let foreign = other.client(&host.authority, "foreign", "");
    let old = "activation_date = \"2020-01-01 00:00:00\"\nexpiration_date = \"2020-02-01 00:00:00\"\n";
    let expired = host.authority.client(&host.authority, "expired", old);
    // Stock clients would not even show these.
    for (client, reason) in [(foreign, "UnknownIssuer"), (expired, "expired")] {
        assert_eq!(host.greet("TLSv1_3", Some(&client)), "TLSv1.3 b''\n");
        host.says(reason);
    }
}

#[test]
fn names_are_looked_up_in_the_list() {
    let host = Host::new(
        "tls_allowed_dn_list = [ \"C=GB,O=Ferrovirt,CN=a*\", \"CN=x\" ]\ntls_priority = \"NORMAL:-VERS-TLS1.2\"\n",
    );
    let anne = host.authority.client(&host.authority, "anne", "");
    let bob = host.authority.client(&host.authority, "bob", "");
    host.lets_in(&anne);
    host.refuses(&bob, "'C=GB,O=Ferrovirt,CN=bob' is not in tls_allowed_dn_list");
}

#[test]
fn certificates_are_read_again_and_what_was_revoked_then_counts() {
    let host = Host::new("");
    let good = host.authority.client(&host.authority, "good", "");
    let bad = host.authority.client(&host.authority, "bad", "");
    host.lets_in(&bad);
    let crl = host.instance.path("/etc/pki/CA/cacrl.pem");
    host.authority
        .write("crl.info", "crl_next_update = 43\ncrl_number = 1\n");
    host.authority.with_authority(&[
        "--generate-crl",
        "--load-certificate",
        &bad.join("clientcert.pem").display().to_string(),
        "--template",
        &host.authority.path("crl.info"),
        "--outfile",
        &crl.display().to_string(),
    ]);
    let reload = || {
        let uri = host.instance.daemon(PROXY).admin_uri();
        Outcome::of(Command::new("virt-admin").args(["-q", "-c", &uri, "server-update-tls", PROXY]))
    };
    let outcome = reload();
    assert!(outcome.success, "{}", outcome.stderr);
    host.refuses(&bad, "Revoked");
    host.lets_in(&good);

    // What is wrong changes nothing.
    let certificate = host.instance.path("/etc/pki/libvirt/servercert.pem");
    let before = fs::read(&certificate).unwrap();
    fs::write(&certificate, "nothing").unwrap();
    let outcome = reload();
    assert!(
        !outcome.success && outcome.stderr.contains("servercert.pem"),
        "{}",
        outcome.stderr
    );
    host.lets_in(&good);
    fs::write(&certificate, before).unwrap();

    // Another authority: its clients come in, and the former one's no more.
    fs::remove_file(&crl).unwrap();
    let other = Authority::new(host.instance.root().join("other"));
    host.install(&other);
    assert!(reload().success);
    host.lets_in(&other.client(&other, "new", ""));
    let stale = host.authority.client(&other, "stale", "");
    host.refuses(&stale, "it has no certificate");
}

#[test]
fn what_is_wrong_with_its_own_certificate_is_told_before_anybody_sees_it() {
    let host = Host::without_proxy("");
    let start = || {
        let mut proxy = Command::new(end_to_end::binary(PROXY));
        Outcome::of(proxy.env("FERROVIRT_ROOT", host.instance.path("/")))
    };
    let certificate = host.instance.path("/etc/pki/libvirt/servercert.pem");
    let key = host.instance.path("/etc/pki/libvirt/private/serverkey.pem");
    let old = format!(
        "{}activation_date = \"2020-01-01 00:00:00\"\nexpiration_date = \"2020-02-01 00:00:00\"\n",
        server_template("127.0.0.1")
    );
    host.authority.certify(&certificate, &key, &old);
    let outcome = start();
    assert!(
        !outcome.success
            && outcome
                .stderr
                .contains("servercert.pem is no good for this server"),
        "{outcome:?}"
    );
    fs::remove_file(&key).unwrap();
    let outcome = start();
    assert!(
        !outcome.success
            && outcome.stderr.contains("private key in")
            && outcome.stderr.contains("No such file"),
        "{outcome:?}"
    );
}

#[test]
fn who_does_not_shake_hands_is_dropped_in_time() {
    use std::io::Read;
    use std::net::TcpStream;

    let host = Host::new("keepalive_interval = 2\nkeepalive_count = 1\nmax_anonymous_clients = 3\n");
    let mut silent: Vec<_> = (0..12)
        .map(|_| TcpStream::connect(("127.0.0.1", host.port)).unwrap())
        .collect();
    assert!(host.instance.daemon(PROXY).try_virsh(&["list"]).success);
    for stream in &mut silent {
        let mut rest = Vec::new();
        stream.set_read_timeout(Some(end_to_end::PATIENCE)).unwrap();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
    host.says("did not come in in time");
    host.lets_in(&host.authority.client(&host.authority, "good", ""));
}
