//! Values on disk, encrypted and not, and in memory.

use super::{UUID, again, define, document, files, folder, mode, set, start};
use end_to_end::{Instance, python, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
