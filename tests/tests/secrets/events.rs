//! Events of secrets.

use super::{UUID, define, document, set, start};
use end_to_end::{python, wait_for};
use std::process::{Command, Stdio};

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
