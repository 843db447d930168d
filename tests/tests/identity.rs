//! On whose behalf daemons act: who may say so, and what arrives where calls are served.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Daemon, Instance, Outcome, python};
use rustix::process::geteuid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user "nobody", who is on every host and owns nothing.
const NOBODY: u32 = 65534;

/// A host whose daemons anybody may use.
fn host(daemons: &[&str]) -> Instance {
    let mut instance = Instance::empty();
    fs::set_permissions(instance.root(), fs::Permissions::from_mode(0o755)).unwrap();
    for daemon in daemons {
        let config = instance.path(&format!("/etc/libvirt/{daemon}.conf"));
        fs::write(config, "unix_sock_rw_perms = \"0777\"\nauth_unix_rw = \"none\"\n").unwrap();
        instance.add(daemon);
    }
    instance
}

/// Whether this test can be another user; says so if not.
#[expect(clippy::print_stderr, reason = "who reads the test's output should know")]
fn can_be_nobody() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("not shown: only root can be another user");
    }
    root
}

fn as_nobody(command: &mut Command) -> Outcome {
    Outcome::of(command.uid(NOBODY).gid(NOBODY).env("HOME", "/").current_dir("/"))
}

fn secrets(uri: &str) -> Command {
    let mut virsh = Command::new("virsh");
    virsh.args(["-q", "-c", uri, "secret-list"]).env("LC_ALL", "C");
    virsh
}

/// What a daemon said of those on whose behalf it was called.
fn callers(daemon: &Daemon) -> Vec<String> {
    let said = fs::read_to_string(daemon.log()).unwrap();
    said.lines()
        .filter(|line| line.contains("speaks for another"))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn a_daemon_knows_the_client_behind_the_proxy() {
    let instance = host(&["virtsecretd", "virtproxyd"]);
    let proxy = instance.daemon("virtproxyd");
    let uri = proxy.uri_of("secret");
    let own = Outcome::of(&mut secrets(&uri));
    assert!(own.success, "{}", own.stderr);
    let heard = callers(instance.daemon("virtsecretd"));
    let [first] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert!(
        first.contains(&format!("uid: {}", geteuid().as_raw())) && first.contains("system: false"),
        "{first}"
    );
    // The client's process, which is not the proxy's.
    assert!(
        first.contains("pid: Some(") && !first.contains(&format!("pid: Some({})", proxy.pid())),
        "{first}"
    );
    if can_be_nobody() {
        for uri in [uri.clone(), format!("{uri}-ro")] {
            let nobody = as_nobody(&mut secrets(&uri));
            assert!(nobody.success, "{}", nobody.stderr);
            let heard = callers(instance.daemon("virtsecretd"));
            assert!(
                heard.last().unwrap().contains("uid: 65534, gid: 65534"),
                "{heard:?}"
            );
        }
    }
}

#[test]
fn a_daemon_knows_the_client_behind_two_others() {
    let instance = host(&["virtsecretd", "virtqemud", "virtproxyd"]);
    let count = "import libvirt, sys; print(libvirt.open(sys.argv[1]).numOfSecrets())";
    for (hops, daemon) in [(1, "virtqemud"), (2, "virtproxyd")] {
        let uri = instance.daemon(daemon).uri_of("qemu");
        let pid_and_count = format!("import os; print(os.getpid())\n{count}");
        let mut client = Command::new("/usr/bin/python3");
        client.args(["-c", &pid_and_count, &uri]);
        let (uid, outcome) = if can_be_nobody() {
            (NOBODY, as_nobody(&mut client))
        } else {
            (geteuid().as_raw(), Outcome::of(&mut client))
        };
        assert!(outcome.success, "{}", outcome.stderr);
        let (pid, count) = outcome.stdout.trim().split_once('\n').unwrap();
        assert_eq!(count, "0");
        let heard = callers(instance.daemon("virtsecretd"));
        let expected = format!("uid: {uid}, gid: ");
        let last = heard.last().unwrap();
        assert!(
            last.contains(&expected) && last.contains(&format!("pid: Some({pid})")),
            "{hops}: {heard:?}"
        );
        assert!(last.contains("start_time: Some("), "{last}");
    }
    // virtqemud heard of it from the proxy.
    assert_eq!(callers(instance.daemon("virtqemud")).len(), 1);
}

/// Says that it is somebody else, with each of some sets of fields, and tells how that is answered.
const CLAIM: &str = r"
import libvirt, sys
libvirt.registerErrorHandler(lambda _, error: None, None)
conn = libvirt.open(sys.argv[1])
for fields in (
    {'user-name': 'root', 'unix-user-id': 0, 'group-name': 'root', 'unix-group-id': 0, 'process-id': 1, 'process-time': 1},
    {'sasl-user-name': 'fred@EXAMPLE', 'x509-distinguished-name': 'CN=fred', 'selinux-context': 'a:b:c'},
    {'unix-group-id': 0},
    {'user-name': 'no such user'},
):
    try:
        conn.setIdentity(fields, 0)
        print('ok')
    except libvirt.libvirtError as error:
        print(error.get_error_code())
try:
    conn.setIdentity({'user-name': 'root'}, 1)
    print('ok')
except libvirt.libvirtError as error:
    print(error.get_error_code())
print(conn.numOfSecrets())
";

#[test]
fn only_daemons_speak_for_others() {
    const INVALID_ARG: &str = "8";
    let instance = host(&["virtsecretd", "virtproxyd"]);
    let daemon = instance.daemon("virtsecretd");
    let told = python(CLAIM, &[&daemon.uri()]);
    assert!(told.success, "{}", told.stderr);
    let expected = ["ok", "ok", INVALID_ARG, INVALID_ARG, INVALID_ARG, "0"];
    assert_eq!(told.stdout.lines().collect::<Vec<_>>(), expected);
    let heard = callers(daemon);
    assert!(
        heard.len() == 2 && heard.last().unwrap().contains("fred@EXAMPLE"),
        "{heard:?}"
    );

    // Behind the proxy nobody does: it knows who its client is.
    const NO_SUPPORT: &str = "3";
    let told = python(CLAIM, &[&instance.daemon("virtproxyd").uri_of("secret")]);
    assert!(told.success, "{}", told.stderr);
    let expected = [NO_SUPPORT, NO_SUPPORT, NO_SUPPORT, NO_SUPPORT, NO_SUPPORT, "0"];
    assert_eq!(told.stdout.lines().collect::<Vec<_>>(), expected);

    if can_be_nobody() {
        const ACCESS_DENIED: &str = "88";
        let before = callers(daemon).len();
        let told = as_nobody(Command::new("/usr/bin/python3").args(["-c", CLAIM, &daemon.uri()]));
        assert!(told.success, "{}", told.stderr);
        let expected = [
            ACCESS_DENIED,
            ACCESS_DENIED,
            ACCESS_DENIED,
            ACCESS_DENIED,
            INVALID_ARG,
            "0",
        ];
        assert_eq!(told.stdout.lines().collect::<Vec<_>>(), expected);
        assert_eq!(callers(daemon).len(), before);
    }
}

/// Shows a token, and tells how that is answered and what the private secret is.
const SHOW: &str = r"
import libvirt, sys
libvirt.registerErrorHandler(lambda _, error: None, None)
conn = libvirt.open(sys.argv[1])
def tried(work):
    try:
        print(work())
    except libvirt.libvirtError as error:
        print(error.get_error_code())
tried(lambda: conn.setIdentity({'system.token': sys.argv[2], 'unix-user-id': 0, 'unix-group-id': 0}, 0))
tried(lambda: conn.secretLookupByUUIDString(sys.argv[3]).value())
";

#[test]
fn whoever_has_the_system_token_is_one_of_the_daemons() {
    const UUID: &str = "11111111-2222-3333-4444-555555555555";
    const INVALID_SECRET: &str = "65";
    const ACCESS_DENIED: &str = "88";
    let instance = host(&["virtsecretd"]);
    let daemon = instance.daemon("virtsecretd");
    let secret = instance.file(
        "secret.xml",
        &format!("<secret private='yes'><uuid>{UUID}</uuid></secret>"),
    );
    daemon.virsh(&["secret-define", &secret]);
    daemon.virsh(&["secret-set-value", UUID, "--base64", "aGVsbG8="]);
    let show = |token: &str| {
        let mut client = Command::new("/usr/bin/python3");
        client.args(["-c", SHOW, &daemon.uri(), token, UUID]);
        let outcome = if can_be_nobody() {
            as_nobody(&mut client)
        } else {
            Outcome::of(&mut client)
        };
        assert!(outcome.success, "{}", outcome.stderr);
        let lines: Vec<_> = outcome.stdout.lines().map(ToOwned::to_owned).collect();
        lines
    };
    // There is one from here on.
    assert_eq!(show(&"0".repeat(32)), [ACCESS_DENIED, INVALID_SECRET]);
    let token = fs::read_to_string(instance.path("/run/libvirt/common/system.token")).unwrap();
    assert_eq!(show(&token[..31]), [ACCESS_DENIED, INVALID_SECRET]);
    assert_eq!(show(&token), ["0", "b'hello'"]);
    let said = fs::read_to_string(daemon.log()).unwrap();
    assert!(!said.contains(&token), "the log holds the token");
}

#[test]
fn the_admin_still_sees_who_is_connected() {
    const HOLD: &str = r"
import libvirt, sys, subprocess
conn = libvirt.open(sys.argv[1])
conn.setIdentity({'unix-user-id': 12345, 'unix-group-id': 12345}, 0)
def admin(*command):
    return subprocess.run(('virt-admin', '-q', '-c', sys.argv[2]) + command, capture_output=True, text=True).stdout
for client in admin('srv-clients-list', 'virtsecretd').splitlines():
    if client.split():
        print(admin('client-info', 'virtsecretd', client.split()[0]))
";
    let instance = host(&["virtsecretd"]);
    let daemon = instance.daemon("virtsecretd");
    let told = python(HOLD, &[&daemon.uri(), &daemon.admin_uri()]);
    assert!(told.success, "{}", told.stderr);
    assert!(
        told.stdout.contains("unix_user_id") && !told.stdout.contains("12345"),
        "{}",
        told.stdout
    );
}
