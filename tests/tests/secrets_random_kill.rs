//! The daemon is killed at random instants while secrets are defined, set and undefined; nothing that was acknowledged
//! may be lost.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, RandomKills, python};

/// Defines, sets and undefines one secret: it is `absent`, `unset`, or its value.
const CHOOSE: &str = r"
xml = '<secret><uuid>%s</uuid><description>%%d</description></secret>' % name
def choose(conn, state):
    step = 'define' if state == 'absent' else random.choice(['define', 'set', 'set', 'undefine'])
    want = {'define': 'unset' if state == 'absent' else state, 'undefine': 'absent',
            'set': 'v' + str(random.getrandbits(60)) * random.choice([1, 50])}[step]
    if step == 'define':
        return want, lambda: conn.secretDefineXML(xml % random.getrandbits(20))
    elif step == 'set':
        return want, lambda: conn.secretLookupByUUIDString(name).setValue(want.encode())
    else:
        return want, lambda: conn.secretLookupByUUIDString(name).undefine()
";

/// Says the state of each secret.
const TELL: &str = r#"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
for uuid in sys.argv[2:]:
    try:
        secret = conn.secretLookupByUUIDString(uuid)
        print(secret.value().decode())
    except libvirt.libvirtError as err:
        text = err.get_error_message()
        print('unset' if 'does not have a value' in text else 'absent' if 'no secret' in text else text)
"#;

fn over_many_kills(mut instance: Instance) {
    let uuids: Vec<_> = (0..4)
        .map(|number| format!("00000000-0000-0000-0000-{number:012}"))
        .collect();
    let work = RandomKills {
        kills: 60,
        instant: 100..400,
        subjects: uuids.iter().map(|uuid| (uuid.clone(), Vec::new())).collect(),
        choose: CHOOSE,
    };
    work.run(&mut instance, |instance| {
        let uri = instance.uri();
        let arguments: Vec<&str> = std::iter::once(&uri).chain(&uuids).map(String::as_str).collect();
        let told = python(TELL, &arguments);
        assert!(told.success, "{}", told.stderr);
        let states = told.stdout.lines().map(str::to_owned);
        uuids.iter().cloned().zip(states).collect()
    });
}

#[test]
fn no_value_is_lost() {
    over_many_kills(Instance::start_all(&["virtsecretd"]));
}

#[test]
fn no_encrypted_value_is_lost() {
    let mut instance = Instance::empty();
    let key = instance.file("key", &"k".repeat(32));
    std::fs::create_dir_all(instance.path("/etc/libvirt")).unwrap();
    let text = format!("secrets_encryption_key = \"{key}\"\n");
    std::fs::write(instance.path("/etc/libvirt/secret.conf"), text).unwrap();
    instance.add("virtsecretd");
    over_many_kills(instance);
}
