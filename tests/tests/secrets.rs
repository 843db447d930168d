//! Secrets under stock clients.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use end_to_end::{Instance, Outcome, User, python, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const UUID: &str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";

fn start() -> Instance {
    Instance::start_all(&["virtsecretd"])
}

/// A secret's document.
fn document(attributes: &str, uuid: &str, usage: &str) -> String {
    format!("<secret {attributes}><uuid>{uuid}</uuid>{usage}</secret>")
}

fn define(instance: &Instance, document: &str) {
    let file = instance.file("secret.xml", document);
    instance.virsh(&["secret-define", &file]);
}

/// Sets a value from a file, as it is.
fn set(instance: &Instance, uuid: &str, value: &[u8]) {
    let file = instance.root().join("value");
    fs::write(&file, value).unwrap();
    instance.virsh(&[
        "secret-set-value",
        uuid,
        "--file",
        file.to_str().unwrap(),
        "--plain",
    ]);
}

/// The instance's secrets on disk.
fn folder(instance: &Instance) -> PathBuf {
    instance.path("/etc/libvirt/secrets")
}

/// The names of the files there.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Ends the daemon and starts it again.
fn again(instance: &mut Instance) {
    assert_eq!(instance.stop(), Some(0));
    instance.restart();
}

#[test]
fn a_secret_is_defined_set_told_and_undefined() {
    let mut instance = start();
    define(
        &instance,
        &document(
            "",
            UUID,
            "<usage type='volume'><volume>/images/a.img</volume></usage>",
        ),
    );
    let listed = instance.virsh(&["secret-list"]);
    assert!(
        listed.contains(UUID) && listed.contains("volume /images/a.img"),
        "{listed}"
    );
    assert!(
        instance
            .virsh_fails(&["secret-get-value", UUID])
            .contains("does not have a value")
    );
    set(&instance, UUID, b"open\0sesame\n");
    assert_eq!(
        instance.virsh(&["secret-get-value", UUID]).trim(),
        "b3BlbgBzZXNhbWUK"
    );
    assert_eq!(
        instance.virsh(&["secret-get-value", UUID, "--plain"]),
        "open\0sesame\n"
    );
    instance.virsh(&["secret-set-value", UUID, "--base64", "MTIz"]);

    let folder = folder(&instance);
    assert_eq!(files(&folder), [format!("{UUID}.base64"), format!("{UUID}.xml")]);
    assert_eq!(mode(&folder), 0o700);
    for name in files(&folder) {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
    assert_eq!(
        fs::read_to_string(folder.join(format!("{UUID}.base64"))).unwrap(),
        "MTIz"
    );
    let xml = instance.virsh(&["secret-dumpxml", UUID]);
    assert_eq!(
        fs::read_to_string(folder.join(format!("{UUID}.xml")))
            .unwrap()
            .trim(),
        xml.trim()
    );

    again(&mut instance);
    assert_eq!(
        instance.virsh(&["secret-get-value", UUID, "--plain"]).trim(),
        "123"
    );
    assert_eq!(instance.virsh(&["secret-dumpxml", UUID]), xml);
    instance.virsh(&["secret-undefine", UUID]);
    assert!(
        instance
            .virsh_fails(&["secret-dumpxml", UUID])
            .contains("Secret not found")
    );
    assert_eq!(files(&folder), Vec::<String>::new());
}

#[test]
fn a_value_is_typed_at_the_terminal() {
    const TYPE: &str = r#"
import os, pty, sys, termios, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('virsh', ['virsh', '-c', sys.argv[1], 'secret-set-value', sys.argv[2], '--interactive'])
# What is typed before virsh has stopped the echo is thrown away with it, though its question is to be read before.
while termios.tcgetattr(terminal)[3] & termios.ECHO:
    time.sleep(0.01)
os.write(terminal, b'typed\n')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let instance = start();
    define(&instance, &document("", UUID, ""));
    let outcome = python(TYPE, &[&instance.uri(), UUID]);
    assert!(outcome.success, "{}", outcome.stderr);
    assert_eq!(instance.virsh(&["secret-get-value", UUID, "--plain"]), "typed");
}

#[test]
fn a_private_value_is_told_to_nobody_and_a_reader_is_told_none() {
    let instance = start();
    let other = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d60";
    define(&instance, &document("private='yes'", UUID, ""));
    define(&instance, &document("", other, ""));
    set(&instance, UUID, b"hidden");
    set(&instance, other, b"shown");
    let refusal = instance.virsh_fails(&["secret-get-value", UUID]);
    assert!(refusal.contains("Invalid secret: secret is private"), "{refusal}");
    let uri = instance.read_only_uri();
    let listed = instance.virsh_at(&uri, &["secret-list"]);
    assert!(listed.contains(UUID) && listed.contains(other), "{listed}");
    assert!(
        instance
            .virsh_at(&uri, &["secret-dumpxml", UUID])
            .contains("private='yes'")
    );
    let as_reader = |arguments: &[&str]| {
        let outcome = Outcome::of(
            Command::new("virsh")
                .args(["-q", "-c", &uri])
                .args(arguments)
                .env("LC_ALL", "C"),
        );
        assert!(!outcome.success, "{arguments:?}: {}", outcome.stdout);
        outcome.stderr
    };
    for arguments in [
        &["secret-get-value", other][..],
        &["secret-set-value", other, "--base64", "MTIz"],
        &["secret-undefine", other],
    ] {
        let refusal = as_reader(arguments);
        assert!(
            refusal.contains("operation forbidden: read only access"),
            "{refusal}"
        );
    }
    assert_eq!(instance.virsh(&["secret-get-value", other, "--plain"]), "shown");
}

#[test]
fn lists_are_filtered() {
    let instance = start();
    let uuid = |number: u32| format!("00000000-0000-0000-0000-{number:012}");
    for (number, attributes) in [
        "",
        "private='yes'",
        "ephemeral='yes'",
        "ephemeral='yes' private='yes'",
    ]
    .iter()
    .enumerate()
    {
        define(&instance, &document(attributes, &uuid(number as u32), ""));
    }
    let listed = |filters: &[&str]| -> Vec<u32> {
        let said = instance.virsh(&[&["secret-list"], filters].concat());
        let words = said.split_whitespace();
        words
            .filter_map(|word| word.strip_prefix("00000000-0000-0000-0000-")?.parse().ok())
            .collect()
    };
    assert_eq!(listed(&[]), [0, 1, 2, 3]);
    assert_eq!(listed(&["--ephemeral"]), [2, 3]);
    assert_eq!(listed(&["--no-ephemeral"]), [0, 1]);
    assert_eq!(listed(&["--private"]), [1, 3]);
    assert_eq!(listed(&["--no-private"]), [0, 2]);
    assert_eq!(listed(&["--private", "--no-ephemeral"]), [1]);
    assert_eq!(listed(&["--private", "--no-private", "--ephemeral"]), [2, 3]);
    let names: Vec<_> = [0, 1]
        .iter()
        .map(|number| format!("{}.xml", uuid(*number)))
        .collect();
    assert_eq!(
        files(&folder(&instance)),
        names,
        "ephemeral secrets are in memory only"
    );
}

#[test]
fn a_secret_may_become_ephemeral_and_persistent_with_its_value() {
    let mut instance = start();
    let folder = folder(&instance);
    define(&instance, &document("", UUID, ""));
    set(&instance, UUID, b"one");
    define(&instance, &document("ephemeral='yes'", UUID, ""));
    assert_eq!(files(&folder), Vec::<String>::new());
    assert_eq!(instance.virsh(&["secret-get-value", UUID, "--plain"]), "one");
    set(&instance, UUID, b"two");
    assert_eq!(files(&folder), Vec::<String>::new());
    define(&instance, &document("", UUID, ""));
    again(&mut instance);
    assert_eq!(instance.virsh(&["secret-get-value", UUID, "--plain"]), "two");
    define(&instance, &document("ephemeral='yes'", UUID, ""));
    again(&mut instance);
    assert_eq!(instance.virsh(&["secret-list"]).trim(), "");
}

/// Does what its second argument says with `conn` and `define`, and says what came of it: a result, or the error's code
/// and domain.
const TRY: &str = r#"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
def secret(number, usage='', attributes=''):
    uuid = '' if number is None else '<uuid>00000000-0000-0000-0000-%012d</uuid>' % number
    return conn.secretDefineXML('<secret %s>%s%s</secret>' % (attributes, uuid, usage))
def use(kind, element, name):
    return "<usage type='%s'><%s>%s</%s></usage>" % (kind, element, name, element)
def tell(step):
    try:
        told = eval(step)
        if isinstance(told, libvirt.virSecret):
            told = '%d %s' % (told.usageType(), told.usageID())
        print(told)
    except libvirt.libvirtError as err:
        print('error', err.get_error_code(), err.get_error_domain())
for step in sys.argv[2:]:
    tell(step)
"#;

fn tried(instance: &Instance, cases: &[(&str, &str)]) {
    let mut arguments = vec![instance.uri()];
    arguments.extend(cases.iter().map(|(step, _)| (*step).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = python(TRY, &arguments);
    assert!(outcome.success, "{}", outcome.stderr);
    let told: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(told.len(), cases.len(), "{}", outcome.stdout);
    for ((step, expected), told) in cases.iter().zip(told) {
        assert_eq!(told.trim(), *expected, "{step}");
    }
}

/// Every answer here is one that libvirtd 11.3 gives, but where the comment says so.
#[test]
fn what_a_secret_is_for_belongs_to_it_alone() {
    let instance = start();
    tried(
        &instance,
        &[
            ("secret(1, use('volume', 'volume', '/a'))", "1 /a"),
            ("secret(2, use('ceph', 'name', 'a'))", "2 a"),
            ("secret(3, use('iscsi', 'target', 'a'))", "3 a"),
            ("secret(4, use('tls', 'name', 'a'))", "4 a"),
            ("secret(5, use('vtpm', 'name', 'a'))", "5 a"),
            ("secret(6, \"<usage type='none'/>\")", "0"),
            ("secret(7)", "0"),
            ("secret(1, use('volume', 'volume', '/a'))", "1 /a"),
            // Another name, no name, or a first name for one that there is.
            ("secret(1, use('volume', 'volume', '/b'))", "error 1 30"),
            ("secret(1)", "error 1 30"),
            ("secret(7, use('tls', 'name', 'x'))", "error 1 30"),
            // What another is for.
            ("secret(8, use('volume', 'volume', '/a'))", "error 1 30"),
            ("secret(None, use('iscsi', 'target', 'a'))", "error 1 30"),
            // The kind may change with the name the same; libvirt lets it become that of another, too.
            ("secret(9, use('ceph', 'name', 'k'))", "2 k"),
            ("secret(9, use('tls', 'name', 'k'))", "4 k"),
            ("secret(2, use('tls', 'name', 'a'))", "error 1 30"),
            ("conn.secretLookupByUsage(2, 'k')", "error 66 30"),
            ("conn.secretLookupByUsage(4, 'k')", "4 k"),
            ("conn.secretLookupByUsage(0, '')", "error 66 30"),
            ("conn.secretLookupByUsage(77, 'k')", "error 66 30"),
            // Private for ever.
            ("secret(10, '', 'private=\"yes\"')", "0"),
            ("secret(10, '', 'private=\"no\"')", "error 1 30"),
            ("secret(10, '', 'private=\"yes\" ephemeral=\"yes\"')", "0"),
            ("conn.numOfSecrets(), len(conn.listSecrets())", "(9, 9)"),
        ],
    );
}

/// Every answer here is one that libvirtd 11.3 gives.
#[test]
fn what_is_wrong_is_refused_with_libvirts_code() {
    let instance = start();
    tried(
        &instance,
        &[
            ("secret(1)", "0"),
            ("conn.secretDefineXML('<secret')", "error 35 30"),
            ("conn.secretDefineXML('<domain/>')", "error 27 5"),
            ("conn.secretDefineXML('<secret private=\"1\"/>')", "error 27 30"),
            (
                "conn.secretDefineXML('<secret><uuid>x</uuid></secret>')",
                "error 1 30",
            ),
            ("secret(2, '<usage/>')", "error 27 5"),
            ("secret(2, \"<usage type='foo'/>\")", "error 27 5"),
            ("secret(2, \"<usage type='volume'/>\")", "error 1 30"),
            ("conn.secretDefineXML('<secret colour=\"1\"/>', 1)", "error 92 5"),
            ("conn.secretDefineXML('<secret/>', 2)", "error 8 30"),
            ("conn.listAllSecrets(16)", "error 8 30"),
            ("conn.listAllSecrets()[0].XMLDesc(1)", "error 8 30"),
            ("conn.listAllSecrets()[0].value(1)", "error 8 30"),
            ("conn.listAllSecrets()[0].setValue(b'x', 1)", "error 8 30"),
            ("conn.listAllSecrets()[0].setValue(b'', 0)", "error 8 30"),
            ("conn.listAllSecrets()[0].value()", "error 66 30"),
            ("conn.listAllSecrets()[0].setValue(b'x' * 65536)", "0"),
            ("len(conn.listAllSecrets()[0].value())", "65536"),
            (
                "conn.secretLookupByUUIDString('00000000-0000-0000-0000-000000000009')",
                "error 66 30",
            ),
            (
                "conn.getType(), conn.getLibVersion(), conn.isSecure()",
                "('secret', 11003000, 1)",
            ),
            // What libvirt's driver does not serve either.
            ("conn.getHostname()", "error 3 20"),
            ("conn.listAllNetworks()", "error 3 19"),
            ("conn.listAllSecrets()[0].undefine()", "0"),
            ("conn.numOfSecrets()", "0"),
        ],
    );
}

/// Follows two secrets with callbacks for all and for one, some of them taken back, on a second connection's changes.
const FOLLOW: &str = r#"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
heard, rounds = [], int(sys.argv[2])
conn, other = libvirt.open(sys.argv[1]), libvirt.open(sys.argv[1])
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
done = threading.Event()
def life(conn, secret, event, detail, tag):
    heard.append('%s %s %d %d' % (tag, secret.usageID(), event, detail))
def value(conn, secret, tag):
    heard.append('%s %s value' % (tag, secret.usageID()))
    if secret.usageID() == 'end':
        done.set()
def define(name):
    return other.secretDefineXML("<secret><usage type='ceph'><name>%s</name></usage></secret>" % name)
one = define('one')
gone = conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, life, 'gone')
conn.secretEventDeregisterAny(gone)
conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, life, 'all')
conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED, value, 'all')
conn.secretEventRegisterAny(conn.secretLookupByUUID(one.UUID()), libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED, value, 'one')
two = define('two')
for number in range(rounds):
    one.setValue(b'%d' % number)
    two.setValue(b'%d' % number)
other.secretDefineXML(one.XMLDesc())
two.undefine()
define('end').setValue(b'x')
done.wait(60)
print('\n'.join(heard))
"#;

#[test]
fn each_event_comes_once_and_in_order() {
    const ROUNDS: usize = 50;
    let instance = start();
    let outcome = python(FOLLOW, &[&instance.uri(), &ROUNDS.to_string()]);
    assert!(outcome.success, "{}", outcome.stderr);
    let heard: Vec<&str> = outcome.stdout.lines().collect();
    let mut expected = vec!["all two 0 0"];
    for _ in 0..ROUNDS {
        expected.extend(["all one value", "one one value", "all two value"]);
    }
    expected.extend(["all one 0 0", "all two 1 0", "all end 0 0", "all end value"]);
    assert_eq!(heard, expected);
}

#[test]
fn virsh_waits_for_an_event() {
    let instance = start();
    define(&instance, &document("", UUID, ""));
    let mut waiting = Command::new("virsh")
        .args([
            "-c",
            &instance.read_only_uri(),
            "secret-event",
            "--event",
            "value-changed",
        ])
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It does not say when it listens.
    wait_for("virsh to hear of a value", || {
        set(&instance, UUID, b"x");
        waiting.try_wait().unwrap()
    });
    let said = waiting.wait_with_output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("value-changed") && said.contains(UUID), "{said}");
}

/// A configuration with a key of that byte; gives the key's file.
fn configure(instance: &Instance, byte: u8, more: &str) {
    let key = instance.root().join("key");
    fs::write(&key, [byte; 32]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("secrets_encryption_key = \"{}\"\n{more}\n", key.display());
    fs::write(instance.path("/etc/libvirt/secret.conf"), text).unwrap();
}

#[test]
fn values_lie_on_disk_encrypted_where_there_is_a_key() {
    let old = "00000000-0000-0000-0000-000000000001";
    let mut instance = start();
    let folder = folder(&instance);
    define(&instance, &document("", old, ""));
    set(&instance, old, b"in the clear");
    configure(&instance, 1, "");
    again(&mut instance);

    let value = |instance: &Instance, uuid: &str| instance.virsh(&["secret-get-value", uuid, "--plain"]);
    assert_eq!(
        value(&instance, old),
        "in the clear",
        "what there was is still read"
    );
    define(&instance, &document("", UUID, ""));
    set(&instance, UUID, b"sesame");
    let sealed = folder.join(format!("{UUID}.aes256gcm"));
    assert!(!folder.join(format!("{UUID}.base64")).exists());
    assert_eq!(mode(&sealed), 0o600);
    assert!(!fs::read_to_string(&sealed).unwrap().contains("c2VzYW1l"));
    set(&instance, old, b"no more");
    assert!(!folder.join(format!("{old}.base64")).exists());
    again(&mut instance);
    assert_eq!(
        (value(&instance, UUID), value(&instance, old)),
        ("sesame".into(), "no more".into())
    );

    // Another key opens nothing; the secrets are there, and a new value is one again.
    configure(&instance, 2, "");
    again(&mut instance);
    let refusal = instance.virsh_fails(&["secret-get-value", UUID]);
    assert!(refusal.contains("another key"), "{refusal}");
    set(&instance, old, b"new");
    assert_eq!(value(&instance, old), "new");
    // The right one again, without a new start.
    configure(&instance, 1, "");
    let reload = |instance: &Instance| {
        let pid = rustix::process::Pid::from_raw(instance.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    reload(&instance);
    wait_for("the key to be read again", || {
        instance
            .try_virsh(&["secret-get-value", UUID])
            .success
            .then_some(())
    });

    configure(&instance, 1, "encrypt_data = 0");
    again(&mut instance);
    let refusal = instance.virsh_fails(&["secret-get-value", UUID]);
    assert!(refusal.contains("encrypted"), "{refusal}");
    set(&instance, UUID, b"123");
    assert_eq!(
        fs::read_to_string(folder.join(format!("{UUID}.base64"))).unwrap(),
        "MTIz"
    );
    assert!(!sealed.exists());
}

/// Counts how often a part of a value, and of its form on disk, stands in the daemon's memory: with the secret there, and
/// after it is gone.
const SEARCH: &str = r#"
import base64, libvirt, os, re, sys, time
uri, pid, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
def found(*parts):
    count = 0
    with open('/proc/%s/mem' % pid, 'rb', 0) as memory:
        for line in open('/proc/%s/maps' % pid):
            start, end, access = re.match('([0-9a-f]+)-([0-9a-f]+) (\\S+)', line).groups()
            if access.startswith('rw'):
                memory.seek(int(start, 16))
                try:
                    content = memory.read(int(end, 16) - int(start, 16))
                except OSError:
                    continue
                count += sum(content.count(part) for part in parts)
    return count
value = base64.b64encode(os.urandom(size))[:size]
coded = base64.b64encode(value)
parts = [text[at:at + 20] for text in (value, coded) for at in range(0, size - 20, size // 7)]
conn = libvirt.open(uri)
secret = conn.secretDefineXML('<secret/>')
secret.setValue(value)
assert secret.value() == value
conn.secretDefineXML(secret.XMLDesc())
there = found(*parts)
secret.undefine()
# The last reply's memory is given back right after it is sent.
for _ in range(500):
    left = found(*parts)
    if left == 0:
        break
    time.sleep(0.02)
print(there > 0, left)
"#;

#[test]
fn no_value_stays_in_memory_when_its_secret_is_gone() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root may look into the daemon's memory");
        return;
    }
    let mut instance = start();
    for encrypted in [false, true] {
        if encrypted {
            configure(&instance, 7, "");
            again(&mut instance);
        }
        for size in ["100", "3000", "60000"] {
            let outcome = python(SEARCH, &[&instance.uri(), &instance.pid().to_string(), size]);
            assert!(outcome.success, "{}", outcome.stderr);
            assert_eq!(
                outcome.stdout.trim(),
                "True 0",
                "{size} bytes, encrypted: {encrypted}"
            );
        }
    }
}

#[test]
fn a_key_that_is_none_keeps_the_daemon_from_starting() {
    let mut instance = start();
    instance.kill();
    fs::write(instance.path("/etc/libvirt/secret.conf"), "encrypt_data = 1\n").unwrap();
    instance.spawn();
    wait_for("the reason", || {
        let log = fs::read_to_string(instance.log()).unwrap();
        log.contains("secret.conf: encrypt_data: there is no key")
            .then_some(())
    });
    assert_ne!(instance.stop(), Some(0));
}

#[test]
fn what_lies_wrong_on_disk_harms_nothing_else() {
    let mut instance = start();
    let folder = folder(&instance);
    define(&instance, &document("", UUID, ""));
    set(&instance, UUID, b"good");
    instance.kill();
    let stray = "00000000-0000-0000-0000-00000000000";
    fs::write(folder.join(format!("{stray}1.base64")), "MTIz").unwrap();
    fs::write(folder.join(format!("{UUID}.base64.new")), "MT").unwrap();
    fs::write(folder.join(format!("{stray}2.xml")), "<secret>").unwrap();
    fs::write(folder.join(format!("{stray}3.xml")), document("", UUID, "")).unwrap();
    let bad = format!("{stray}4");
    fs::write(folder.join(format!("{bad}.xml")), document("", &bad, "")).unwrap();
    fs::write(folder.join(format!("{bad}.base64")), "!!!").unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    instance.restart();
    let listed = instance.virsh(&["secret-list"]);
    assert_eq!(
        listed.lines().filter(|line| !line.trim().is_empty()).count(),
        2,
        "{listed}"
    );
    assert_eq!(instance.virsh(&["secret-get-value", UUID, "--plain"]), "good");
    let refusal = instance.virsh_fails(&["secret-get-value", &bad]);
    assert!(refusal.contains("cannot be read: it is not base64"), "{refusal}");
    let left = files(&folder);
    assert!(!left.contains(&format!("{stray}1.base64")), "{left:?}");
    assert!(!left.contains(&format!("{UUID}.base64.new")), "{left:?}");
    assert!(left.contains(&"notes.txt".to_owned()), "{left:?}");
}

#[test]
fn a_daemon_without_clients_ends_unless_it_keeps_ephemeral_secrets() {
    let ended = |instance: &Instance| {
        let state = fs::read_to_string(format!("/proc/{}/stat", instance.pid())).unwrap();
        state.contains(") Z ")
    };
    let set_timeout = |instance: &Instance| {
        let admin = instance.admin_uri();
        let mut command = Command::new("virt-admin");
        let outcome = Outcome::of(command.args(["-c", &admin, "daemon-timeout", "--timeout", "1"]));
        assert!(outcome.success, "{}", outcome.stderr);
    };
    let (mut keeper, mut other) = (start(), start());
    define(&keeper, &document("ephemeral='yes'", UUID, ""));
    define(&other, &document("", UUID, ""));
    set_timeout(&keeper);
    set_timeout(&other);
    // What makes this one end would have ended the first before.
    wait_for("a daemon with nothing to do to end", || {
        ended(&other).then_some(())
    });
    assert!(!ended(&keeper), "the secret is gone with the daemon");
    keeper.virsh(&["secret-undefine", UUID]);
    wait_for("the daemon to end", || ended(&keeper).then_some(()));
    assert_eq!((keeper.stop(), other.stop()), (Some(0), Some(0)));
}

#[test]
fn a_user_keeps_secrets_of_his_own() {
    let mut user = User::new();
    user.start("virtsecretd");
    let virsh = |arguments: &[&str]| user.virsh("secret:///session?mode=direct", arguments);
    assert!(virsh(&["uri"]).starts_with("secret:///session"));
    let file = user.file("secret.xml", &document("", UUID, ""));
    virsh(&["secret-define", file.to_str().unwrap()]);
    virsh(&["secret-set-value", UUID, "--base64", "MTIz"]);
    let folder = user.home().join(".config/libvirt/secrets");
    assert_eq!(files(&folder), [format!("{UUID}.base64"), format!("{UUID}.xml")]);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(virsh(&["secret-get-value", UUID]).trim(), "MTIz");
}

#[test]
fn the_proxy_leads_to_secrets() {
    let instance = Instance::start_all(&["virtsecretd", "virtproxyd"]);
    let proxy = instance.daemon("virtproxyd");
    let uri = proxy.uri_of("secret");
    let file = instance.file("secret.xml", &document("", UUID, ""));
    proxy.virsh_at(&uri, &["secret-define", &file]);
    proxy.virsh_at(&uri, &["secret-set-value", UUID, "--base64", "MTIz"]);
    assert_eq!(proxy.virsh_at(&uri, &["secret-get-value", UUID]).trim(), "MTIz");
    assert!(instance.virsh(&["secret-list"]).contains(UUID));
}
