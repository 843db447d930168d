//! virtproxyd asks for names and passwords: stock clients over TLS, and what a client may do that never comes in.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Authority, Instance, Outcome, binary, free_port, mode, python, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PROXY: &str = "virtproxyd";

/// A host with virtqemud, a proxy that asks for SASL within TLS, and the user fred.
struct Host {
    instance: Instance,
    client: PathBuf,
    port: u16,
}

impl Host {
    /// With that list of mechanisms, and that much more in the proxy's configuration.
    fn new(mechanisms: &str, more: &str) -> Self {
        let mut instance = Instance::start_all(&["virtqemud"]);
        let authority = Authority::new(instance.root().join("authority"));
        authority.server(&instance.path("/etc/pki"), "127.0.0.1");
        let client = authority.client(&authority, "client", "");
        let port = free_port();
        let text = format!(
            "listen_tls = 1\nlisten_addr = \"127.0.0.1\"\ntls_port = \"{port}\"\nauth_tls = \"sasl\"\n{more}"
        );
        fs::write(instance.path("/etc/libvirt/virtproxyd.conf"), text).unwrap();
        offer(&instance, mechanisms);
        let set = user(&instance, &["set", "fred"], "correct horse\n");
        assert!(set.success, "{}", set.stderr);
        instance.add(PROXY);
        Self {
            instance,
            client,
            port,
        }
    }

    fn uri(&self) -> String {
        let client = self.client.display();
        format!("qemu+tls://127.0.0.1:{}/{}?pkipath={client}", self.port, mode())
    }

    /// virsh with the credentials of that file.
    fn virsh(&self, name: &str, password: &str, arguments: &[&str]) -> Outcome {
        let file = self.credentials(name, password);
        let mut virsh = Command::new("virsh");
        virsh.env("LIBVIRT_AUTH_FILE", file);
        Outcome::of(virsh.args(["-q", "-c", &self.uri()]).args(arguments))
    }

    fn credentials(&self, name: &str, password: &str) -> String {
        let text = format!(
            "[credentials-one]\nauthname={name}\npassword={password}\n\n[auth-libvirt-127.0.0.1]\ncredentials=one\n"
        );
        self.instance.file("auth.conf", &text)
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

fn offer(instance: &Instance, mechanisms: &str) {
    let folder = instance.path("/etc/sasl2");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("libvirt.conf"), format!("mech_list: {mechanisms}\n")).unwrap();
}

fn user(instance: &Instance, arguments: &[&str], input: &str) -> Outcome {
    let mut tool = Command::new(binary("virt-sasl-user"));
    tool.env("FERROVIRT_ROOT", instance.path("/")).args(arguments);
    let mut child = tool
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        success: output.status.success(),
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_password_lets_in_and_the_name_is_told() {
    let host = Host::new("scram-sha-256", "");
    let listed = host.virsh("fred", "correct horse", &["list", "--all"]);
    assert!(listed.success, "{}", listed.stderr);
    // Asked for by the program, and told to the administrator.
    let script = "import libvirt, subprocess, sys\n\
                  def ask(credentials, _):\n    \
                      for one in credentials:\n        \
                          one[4] = 'fred' if one[0] == libvirt.VIR_CRED_AUTHNAME else 'correct horse'\n    \
                      return 0\n\
                  auth = [[libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_PASSPHRASE], ask, None]\n\
                  conn = libvirt.openAuth(sys.argv[1], auth, 0)\n\
                  admin = ['virt-admin', '-q', '-c', sys.argv[2]]\n\
                  listed = subprocess.check_output(admin + ['srv-clients-list', 'virtproxyd'], text=True)\n\
                  print(subprocess.check_output(admin + ['client-info', 'virtproxyd', listed.split()[0]], text=True))\n";
    let outcome = python(script, &[&host.uri(), &host.instance.daemon(PROXY).admin_uri()]);
    for words in ["sasl_user_name : fred", "CN=client", "127.0.0.1:"] {
        assert!(outcome.stdout.contains(words), "{outcome:?}");
    }
}

#[test]
fn whatever_is_wrong_the_client_hears_the_same_and_the_log_has_the_reason() {
    let host = Host::new(
        "scram-sha-256 plain",
        "sasl_allowed_username_list = [ \"fr*\" ]\n",
    );
    let set = user(&host.instance, &["set", "joe"], "correct horse\n");
    assert!(set.success, "{}", set.stderr);
    let complaint = |mechanism: &str, name: &str, password: &str| {
        let uri = format!("{}&auth=sasl.{mechanism}", host.uri());
        let mut virsh = Command::new("virsh");
        virsh.env("LIBVIRT_AUTH_FILE", host.credentials(name, password));
        let outcome = Outcome::of(virsh.args(["-q", "-c", &uri, "list"]));
        (!outcome.success).then_some(outcome.stderr)
    };
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        assert_eq!(complaint(mechanism, "fred", "correct horse"), None);
        let wrong = complaint(mechanism, "fred", "wrong").unwrap();
        assert!(
            wrong.contains("authentication failed: authentication failed"),
            "{wrong}"
        );
        assert_eq!(complaint(mechanism, "nobody", "correct horse").unwrap(), wrong);
        assert_eq!(complaint(mechanism, "joe", "correct horse").unwrap(), wrong);
        for reason in [
            "a wrong password for the user 'fred'",
            "there is no user 'nobody'",
            "the user 'joe' is not in sasl_allowed_username_list",
        ] {
            host.says(&[reason, "127.0.0.1:", mechanism]);
        }
    }
    // Users come and go while the proxy runs.
    assert!(user(&host.instance, &["remove", "fred"], "").success);
    assert!(complaint("SCRAM-SHA-256", "fred", "correct horse").is_some());
    assert_eq!(user(&host.instance, &["list"], "").stdout, "joe\n");
}

/// Speaks the protocol itself, over a stream.
const SPEAK: &str = r"
import base64, hashlib, hmac, socket, ssl, struct, sys
serial = 0

def text(value):
    value = value.encode()
    return struct.pack('>I', len(value)) + value + bytes(-len(value) % 4)

def chars(value):
    return struct.pack('>II', 0, len(value)) + b''.join(struct.pack('>I', c) for c in value)

def exactly(count):
    data = b''
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data

def call(procedure, body=b''):
    global serial
    serial += 1
    stream.sendall(struct.pack('>IIIiIII', 28 + len(body), 0x20008086, 1, procedure, 0, serial, 0) + body)
    length, = struct.unpack('>I', exactly(4))
    reply = exactly(length - 4)
    status, = struct.unpack('>I', reply[20:24])
    return (struct.unpack('>I', reply[24:28])[0], b'') if status else (0, reply[24:])

def show(what, answer):
    print(what, answer[0], answer[1].hex() if answer[0] == 0 else '')
";

/// What virsh would not do.
const STRANGER: &str = r"
port, folder = sys.argv[1:3]
context = ssl.create_default_context(cafile=folder + '/cacert.pem')
context.load_cert_chain(folder + '/clientcert.pem', folder + '/clientkey.pem')
stream = context.wrap_socket(socket.create_connection(('127.0.0.1', int(port))), server_hostname='127.0.0.1')
assert stream.recv(1) == b'\1'
show('list', call(66))
show('open', call(1, struct.pack('>I', 0) + struct.pack('>I', 0)))
code, names = call(67)
print('init', code, names[4:].rstrip(b'\0').decode())
show('step', call(69, chars(b'c=biws')))
show('other', call(68, text('DIGEST-MD5') + chars(b'')))
show('plain', call(68, text('PLAIN') + struct.pack('>II', 1, 0)))
show('step', call(69, chars(b'\0fred\0wrong')))
try:
    show('again', call(68, text('PLAIN') + chars(b'\0fred\0correct horse')))
    show('after', call(66))
except EOFError:
    print('closed')
";

/// Comes in over plain TCP by SCRAM-SHA-256.
const SCRAM: &str = r"
stream = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
code, names = call(67)
print('init', code, names[4:].rstrip(b'\0').decode())
code, answer = call(68, text('SCRAM-SHA-256') + chars(b'n,,n=fred,r=abc'))
first = answer[12:][3::4].decode()
nonce, salt, count = (part[2:] for part in first.split(','))
sign = lambda key, message: hmac.digest(key, message, 'sha256')
salted = hashlib.pbkdf2_hmac('sha256', b'correct horse', base64.b64decode(salt), int(count))
final = 'c=biws,r=' + nonce
signed = ('n=fred,r=abc,' + first + ',' + final).encode()
key = sign(salted, b'Client Key')
proof = bytes(a ^ b for a, b in zip(key, sign(hashlib.sha256(key).digest(), signed)))
code, answer = call(69, chars((final + ',p=' + base64.b64encode(proof).decode()).encode()))
expected = 'v=' + base64.b64encode(sign(sign(salted, b'Server Key'), signed)).decode()
print('proved', code, struct.unpack('>II', answer[:8]), answer[12:][3::4].decode() == expected)
show('list', call(66))
print('open', call(1, struct.pack('>I', 1) + text(sys.argv[2]) + struct.pack('>I', 0))[0], call(59)[0])
";

#[test]
fn a_client_of_its_own_making_gets_no_further() {
    let host = Host::new("scram-sha-256 plain", "");
    let folder = host.client.display().to_string();
    let outcome = python(&format!("{SPEAK}{STRANGER}"), &[&host.port.to_string(), &folder]);
    // VIR_ERR_RPC: it has to authenticate; VIR_ERR_AUTH_FAILED for all that goes wrong in it.
    let expected = [
        "list 0 0000000100000001",
        "open 39",
        "init 0 SCRAM-SHA-256,PLAIN",
        "step 45",
        "other 45",
        "plain 0 000000000000000000000000",
        "step 45",
    ];
    let mut said = outcome.stdout.lines().map(str::trim_end);
    for line in expected {
        assert_eq!(said.next(), Some(line), "{outcome:?}");
    }
    // The right password comes too late.
    assert!(outcome.stdout.ends_with("closed\n"), "{outcome:?}");
    assert!(!outcome.stdout.contains("again 0"), "{outcome:?}");
    for reason in [
        "it goes on with an exchange that it did not start",
        "it wants a mechanism that is not offered",
        "it failed too often",
    ] {
        host.says(&[reason, "127.0.0.1:"]);
    }
}

#[test]
fn a_socket_of_this_host_may_ask_as_well() {
    let mut instance = Instance::empty();
    offer(&instance, "scram-sha-256");
    assert!(user(&instance, &["set", "fred"], "correct horse\n").success);
    let file = instance.path("/etc/libvirt/virtqemud.conf");
    fs::write(file, "auth_unix_rw = \"sasl\"\n").unwrap();
    instance.add("virtqemud");
    let virsh = |password: &str, uri: &str| {
        let text = format!(
            "[credentials-one]\nauthname=fred\npassword={password}\n\n[auth-libvirt-localhost]\ncredentials=one\n"
        );
        let file = instance.file("auth.conf", &text);
        let mut virsh = Command::new("virsh");
        virsh.env("LIBVIRT_AUTH_FILE", file);
        Outcome::of(virsh.args(["-q", "-c", uri, "list", "--all"]))
    };
    let uri = instance.uri();
    let outcome = virsh("correct horse", &uri);
    assert!(outcome.success, "{}", outcome.stderr);
    let outcome = virsh("wrong", &uri);
    assert!(
        !outcome.success && outcome.stderr.contains("authentication failed"),
        "{}",
        outcome.stderr
    );
    // Who may only look is asked for nothing.
    let outcome = virsh("wrong", &instance.read_only_uri());
    assert!(outcome.success, "{}", outcome.stderr);
}

#[test]
fn who_proves_nothing_at_a_socket_of_this_host_is_dropped_in_time() {
    let mut instance = Instance::empty();
    offer(&instance, "scram-sha-256");
    assert!(user(&instance, &["set", "fred"], "correct horse\n").success);
    let file = instance.path("/etc/libvirt/virtqemud.conf");
    let text = "auth_unix_rw = \"sasl\"\nkeepalive_interval = 1\nkeepalive_count = 1\n";
    fs::write(file, text).unwrap();
    instance.add("virtqemud");
    let mut stream = UnixStream::connect(instance.socket()).unwrap();
    stream.set_read_timeout(Some(end_to_end::PATIENCE)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let said = fs::read_to_string(instance.log()).unwrap();
    assert!(said.contains("did not open its connection in time"), "{said}");
}

/// Begins, and then says nothing more.
const HALFWAY: &str = r"
port, folder = sys.argv[1:3]
context = ssl.create_default_context(cafile=folder + '/cacert.pem')
context.load_cert_chain(folder + '/clientcert.pem', folder + '/clientkey.pem')
stream = context.wrap_socket(socket.create_connection(('127.0.0.1', int(port))), server_hostname='127.0.0.1')
assert stream.recv(1) == b'\1'
print('start', call(68, text('SCRAM-SHA-256') + chars(b'n,,n=fred,r=abc'))[0])
try:
    exactly(1)
except (EOFError, OSError):
    print('closed')
";

#[test]
fn who_stops_half_way_is_dropped_in_time() {
    let host = Host::new("scram-sha-256", "keepalive_interval = 2\nkeepalive_count = 1\n");
    let folder = host.client.display().to_string();
    let outcome = python(&format!("{SPEAK}{HALFWAY}"), &[&host.port.to_string(), &folder]);
    assert_eq!(outcome.stdout, "start 0\nclosed\n", "{outcome:?}");
    host.says(&["did not open its connection in time", "127.0.0.1:"]);
}

#[test]
fn plain_tcp_is_for_an_administrator_who_says_so() {
    let mut instance = Instance::start_all(&["virtqemud"]);
    let port = free_port();
    let configuration = instance.path("/etc/libvirt/virtproxyd.conf");
    let listen = format!("listen_tcp = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\n");
    let refused = |text: &str, words: &str| {
        fs::write(&configuration, format!("{listen}{text}")).unwrap();
        let mut proxy = Command::new(binary(PROXY));
        let outcome = Outcome::of(proxy.env("FERROVIRT_ROOT", instance.path("/")));
        assert!(!outcome.success && outcome.stderr.contains(words), "{outcome:?}");
    };
    refused(
        "",
        "virtproxyd.conf:0: auth_tcp: \"sasl\", which is the default, wants a mechanism that encrypts",
    );
    offer(&instance, "gssapi");
    refused(
        "",
        "libvirt.conf: mech_list leaves nothing else: GSSAPI is not offered: the keytab",
    );
    offer(&instance, "plain");
    refused("tcp_min_ssf = 0\n", "auth_tcp");
    offer(&instance, "scram-sha-256");
    fs::write(&configuration, format!("{listen}tcp_min_ssf = 0\n")).unwrap();
    assert!(user(&instance, &["set", "fred"], "correct horse\n").success);
    instance.add(PROXY);
    // Stock clients want more than a password where nothing encrypts, and say so themselves.
    let uri = format!("qemu+tcp://127.0.0.1:{port}/{}", mode());
    let outcome = Outcome::of(Command::new("virsh").args(["-q", "-c", &uri, "list"]));
    assert!(!outcome.success, "it was let in");
    assert!(
        outcome.stderr.contains("No worthy mechs found"),
        "{}",
        outcome.stderr
    );
    let uri = format!("qemu:///{}", mode());
    let outcome = python(&format!("{SPEAK}{SCRAM}"), &[&port.to_string(), &uri]);
    let expected = "init 0 SCRAM-SHA-256\nproved 0 (1, 0) True\nlist 0 0000000100000000\nopen 0 0\n";
    assert_eq!(outcome.stdout, expected, "{outcome:?}");
}
