//! virtproxyd takes clients by Kerberos: stock clients with tickets of a realm of the test's own, over plain TCP, which is
//! encrypted then, and within TLS; and what anybody else gets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use end_to_end::{Authority, Instance, Kdc, Outcome, add_pool, free_port, idle_domain, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

const PROXY: &str = "virtproxyd";
const SERVICE: &str = "libvirt/127.0.0.1";

fn mode() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "system"
    } else {
        "session"
    }
}

/// A host whose proxy takes tickets, and the realm that gives them to fred and joe.
struct Host {
    instance: Instance,
    kdc: Kdc,
    port: u16,
}

impl Host {
    /// With these daemons, keys of those types, and that much more in the proxy's configuration.
    fn new(daemons: &[&str], types: &str, more: &str) -> Self {
        let mut instance = Instance::start_all(daemons);
        let kdc = Kdc::start(instance.root().join("realm"));
        let port = free_port();
        let text = format!("listen_tcp = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\n{more}");
        fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
        kdc.service(SERVICE, types, &instance.path("/etc/libvirt/krb5.tab"));
        for user in ["fred", "joe"] {
            kdc.add(user, "secret");
            kdc.log_in(user, "secret");
        }
        instance.add(PROXY);
        Self { instance, kdc, port }
    }

    fn uri(&self, port: u16) -> String {
        format!("qemu+tcp://127.0.0.1:{port}/{}", mode())
    }

    fn virsh_at(&self, uri: &str, user: &str, arguments: &[&str]) -> Outcome {
        let mut virsh = Command::new("virsh");
        virsh.envs(self.kdc.environment(user)).args(["-q", "-c", uri]);
        Outcome::of(virsh.args(arguments).env("LC_ALL", "C"))
    }

    fn virsh(&self, user: &str, arguments: &[&str]) -> Outcome {
        self.virsh_at(&self.uri(self.port), user, arguments)
    }

    /// The same of fred's, which has to succeed.
    fn does(&self, arguments: &[&str]) -> String {
        let outcome = self.virsh("fred", arguments);
        assert!(outcome.success, "{arguments:?}: {}", outcome.stderr);
        outcome.stdout
    }

    fn says(&self, words: &[&str]) {
        let log = self.instance.daemon(PROXY).log();
        wait_for("the reason in the log", || {
            let said = fs::read_to_string(&log).unwrap();
            let mut lines = said.lines();
            lines
                .any(|line| words.iter().all(|word| line.contains(word)))
                .then_some(())
        });
    }
}

/// Stands between a client and the proxy, and keeps what the client said.
struct Between {
    port: u16,
    said: Arc<Mutex<Vec<u8>>>,
}

/// What SASL's last call in the clear has behind its length: program, version and procedure.
const STEP: &[u8] = b"\x20\0\x80\x86\0\0\0\x01\0\0\0\x45";

impl Between {
    /// For one client; `spoil` changes what it says once everything is encrypted.
    fn new(to: u16, spoil: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut from, mut into) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let back = std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut into);
                let _ = into.shutdown(Shutdown::Both);
            });
            let mut buffer = [0; 4096];
            while let Ok(count) = client.read(&mut buffer) {
                let bytes = &mut buffer[..count];
                kept.lock().unwrap().extend_from_slice(bytes);
                if spoil && bytes.get(4..8).is_some_and(|kind| kind.starts_with(&[5, 4])) {
                    bytes[count - 1] ^= 1;
                }
                if count == 0 || server.write_all(bytes).is_err() {
                    break;
                }
            }
            let _ = server.shutdown(Shutdown::Write);
            let _ = back.join();
        });
        Self { port, said }
    }

    fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap().clone()
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_ticket_lets_in_over_plain_tcp_and_all_that_follows_is_encrypted() {
    let host = Host::new(&["virtqemud"], "", "");
    let file = host.instance.file("vm.xml", &idle_domain("secretive"));
    for arguments in [
        &["define", &file][..],
        &["start", "secretive"],
        &["dumpxml", "secretive"],
    ] {
        host.does(arguments);
    }
    assert_eq!(host.instance.virsh(&["domstate", "secretive"]).trim(), "running");
    let between = Between::new(host.port, false);
    let outcome = host.virsh_at(&host.uri(between.port), "fred", &["domstate", "secretive"]);
    assert_eq!(outcome.stdout.trim(), "running", "{}", outcome.stderr);
    let said = between.said();
    assert!(holds(&said, STEP) && !holds(&said, b"secretive"));
    host.does(&["destroy", "secretive"]);

    // Who is there is told by the name in the realm.
    let script = "import libvirt, subprocess, sys\n\
                  conn = libvirt.open(sys.argv[1])\n\
                  admin = ['virt-admin', '-q', '-c', sys.argv[2]]\n\
                  listed = subprocess.check_output(admin + ['srv-clients-list', 'virtproxyd'], text=True)\n\
                  print(subprocess.check_output(admin + ['client-info', 'virtproxyd', listed.split()[0]], text=True))\n\
                  print(conn.isEncrypted(), conn.isSecure())\n";
    let mut python = Command::new("/usr/bin/python3");
    python
        .envs(host.kdc.environment("fred"))
        .args(["-c", script, &host.uri(host.port)]);
    let outcome = Outcome::of(python.arg(host.instance.daemon(PROXY).admin_uri()));
    let name = format!("sasl_user_name : {}", host.kdc.name("fred"));
    assert!(
        outcome.stdout.contains(&name) && outcome.stdout.ends_with("1 1\n"),
        "{outcome:?}"
    );
}

#[test]
fn streams_and_events_pass_encrypted_with_keys_of_every_type() {
    for types in [
        "aes128-cts-hmac-sha256-128:normal",
        "aes256-cts-hmac-sha384-192:normal",
    ] {
        let host = Host::new(&["virtstoraged", "virtqemud"], types, "");
        add_pool(&host.instance, "p");
        // Longer than what one packet carries, and than any buffer.
        let bytes: Vec<u8> = (0..5_000_000u32)
            .flat_map(|number| [number as u8, (number >> 9) as u8])
            .collect();
        let (up, down) = (host.instance.root().join("up"), host.instance.root().join("down"));
        fs::write(&up, &bytes).unwrap();
        host.does(&["vol-create-as", "p", "v", "10000000"]);
        host.does(&["vol-upload", "--pool", "p", "v", &up.display().to_string()]);
        host.does(&["vol-download", "--pool", "p", "v", &down.display().to_string()]);
        let came = fs::read(&down).unwrap();
        assert!(
            came.get(..bytes.len()) == Some(&bytes[..]),
            "the volume has other bytes"
        );
    }
}

#[test]
fn who_is_not_believed_hears_nothing_of_why() {
    let host = Host::new(
        &["virtqemud"],
        "",
        "sasl_allowed_username_list = [ \"fr*@FERROVIRT.TEST\" ]\n",
    );
    host.does(&["list"]);
    let complaint = |user: &str| {
        let outcome = host.virsh(user, &["list"]);
        assert!(!outcome.success, "{user} was let in");
        outcome.stderr
    };
    let wrong = complaint("joe");
    assert!(
        wrong.contains("authentication failed: authentication failed"),
        "{wrong}"
    );
    host.says(&["the user 'joe@FERROVIRT.TEST' is not in", "127.0.0.1:", "GSSAPI"]);
    // Stock clients without a ticket do not even ask.
    assert!(
        complaint("nobody").contains("No Kerberos credentials"),
        "{}",
        complaint("nobody")
    );

    // The service has other keys in the realm than in its keytab.
    host.kdc.change_keys(SERVICE);
    host.kdc.log_in("fred", "secret");
    assert_eq!(complaint("fred"), wrong);
    host.says(&[
        "the keytab has no key of libvirt/127.0.0.1@FERROVIRT.TEST",
        "with version 2",
        "127.0.0.1:",
    ]);
    // A new keytab counts at once, and so does one that is gone.
    let keytab = host.instance.path("/etc/libvirt/krb5.tab");
    host.kdc.keys(SERVICE, &keytab);
    host.does(&["list"]);
    fs::remove_file(&keytab).unwrap();
    assert!(!host.virsh("fred", &["list"]).success);
}

#[test]
fn what_is_said_again_or_changed_on_its_way_leads_nowhere() {
    let host = Host::new(&["virtqemud"], "", "");
    let between = Between::new(host.port, false);
    let outcome = host.virsh_at(&host.uri(between.port), "fred", &["list"]);
    assert!(outcome.success, "{}", outcome.stderr);
    let mut stream = TcpStream::connect(("127.0.0.1", host.port)).unwrap();
    stream.write_all(&between.said()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // What it answers before it closes is of no interest.
    let _ = stream.read_to_end(&mut Vec::new());
    host.says(&["the proof of fred@FERROVIRT.TEST was used before", "127.0.0.1:"]);

    let between = Between::new(host.port, true);
    let outcome = host.virsh_at(&host.uri(between.port), "fred", &["list"]);
    assert!(!outcome.success, "something that was changed was believed");
    host.says(&["a message does not fit the key", "127.0.0.1:"]);
    host.does(&["list"]);
}

#[test]
fn within_tls_a_ticket_proves_the_name_alone() {
    let port = free_port();
    let mut instance = Instance::start_all(&["virtqemud"]);
    let authority = Authority::new(instance.root().join("authority"));
    authority.server(&instance.path("/etc/pki"), "127.0.0.1");
    let client = authority.client(&authority, "client", "");
    let kdc = Kdc::start(instance.root().join("realm"));
    kdc.service(SERVICE, "", &instance.root().join("keys"));
    kdc.add("fred", "secret");
    kdc.log_in("fred", "secret");
    let text =
        format!("listen_tls = 1\nlisten_addr = \"127.0.0.1\"\ntls_port = \"{port}\"\nauth_tls = \"sasl\"\n");
    fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
    fs::create_dir_all(instance.path("/etc/sasl2")).unwrap();
    let keytab = instance.root().join("keys");
    let text = format!("mech_list: gssapi\nkeytab: {}\n", keytab.display());
    fs::write(instance.path("/etc/sasl2/libvirt.conf"), text).unwrap();
    instance.add(PROXY);
    let host = Host { instance, kdc, port };
    let uri = format!(
        "qemu+tls://127.0.0.1:{port}/{}?pkipath={}",
        mode(),
        client.display()
    );
    let outcome = host.virsh_at(&uri, "fred", &["list", "--all"]);
    assert!(outcome.success, "{}", outcome.stderr);
    host.says(&["client authenticated", "fred@FERROVIRT.TEST", "encrypts=false"]);
}

#[test]
fn events_are_heard_by_who_has_a_ticket() {
    let host = Host::new(&["virtqemud"], "", "");
    host.instance.define("vm", &idle_domain("vm"));
    let script = "import libvirt, sys\n\
                  libvirt.virEventRegisterDefaultImpl()\n\
                  conn = libvirt.open(sys.argv[1])\n\
                  heard = []\n\
                  conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda c, d, *rest: heard.append(rest[0]), None)\n\
                  conn.lookupByName('vm').create()\n\
                  conn.lookupByName('vm').destroy()\n\
                  while libvirt.VIR_DOMAIN_EVENT_STOPPED not in heard:\n    libvirt.virEventRunDefaultImpl()\n\
                  print(heard)\n";
    let mut python = Command::new("/usr/bin/python3");
    python
        .envs(host.kdc.environment("fred"))
        .args(["-c", script, &host.uri(host.port)]);
    let outcome = Outcome::of(&mut python);
    assert!(outcome.success && outcome.stdout.contains('2'), "{outcome:?}");
}

#[test]
fn libvirtd_listens_in_the_same_way() {
    let (port, tls) = (free_port(), free_port());
    let mut instance = Instance::empty();
    let authority = Authority::new(instance.root().join("authority"));
    authority.server(&instance.path("/etc/pki"), "127.0.0.1");
    let client = authority.client(&authority, "client", "");
    let kdc = Kdc::start(instance.root().join("realm"));
    kdc.service(SERVICE, "", &instance.path("/etc/libvirt/krb5.tab"));
    kdc.add("fred", "secret");
    kdc.log_in("fred", "secret");
    let text = format!(
        "listen_tcp = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\ntls_port = \"{tls}\"\nauth_tls = \"sasl\"\n"
    );
    fs::write(instance.path("/etc/libvirt/libvirtd.conf"), text).unwrap();
    instance.add_with("libvirtd", &["--listen"]);
    let host = Host { instance, kdc, port };
    let file = host.instance.file("vm.xml", &idle_domain("vm"));
    host.does(&["define", &file]);
    host.does(&["start", "vm"]);
    let uri = format!(
        "qemu+tls://127.0.0.1:{tls}/{}?pkipath={}",
        mode(),
        client.display()
    );
    let outcome = host.virsh_at(&uri, "fred", &["domstate", "vm"]);
    assert_eq!(outcome.stdout.trim(), "running", "{}", outcome.stderr);
    let outcome = host.virsh_at(&uri, "nobody", &["domstate", "vm"]);
    assert!(!outcome.success, "nobody was let in");
    host.does(&["destroy", "vm"]);
}
