//! Secrets under stock clients.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod events;
mod keeping;

use end_to_end::{Instance, Outcome, User, python, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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
