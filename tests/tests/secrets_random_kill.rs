//! The daemon is killed at random instants while secrets are defined, set and undefined; nothing that was acknowledged
//! may be lost.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Sequence, python};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often it is killed.
const KILLS: u32 = 60;

/// How many secrets are worked on at the same time.
const SECRETS: u32 = 4;

/// Works on one secret until the daemon is gone, and writes each acknowledged state down before it goes on: `absent`,
/// `unset`, or the value. A call that fails because the daemon is gone leaves two states possible.
const WORKER: &str = r#"
import libvirt, os, random, sys
libvirt.registerErrorHandler(lambda *_: None, None)
uri, uuid, book, seed = sys.argv[1:5]
random.seed(int(seed))
state = open(book).read().split()[0] if os.path.exists(book) else 'absent'
def write(*states):
    with open(book + '.new', 'w') as out:
        out.write(' '.join(states))
    os.replace(book + '.new', book)
xml = '<secret><uuid>%s</uuid><description>%%d</description></secret>' % uuid
try:
    conn = libvirt.open(uri)
    while True:
        step = 'define' if state == 'absent' else random.choice(['define', 'set', 'set', 'undefine'])
        want = {'define': 'unset' if state == 'absent' else state, 'undefine': 'absent',
                'set': 'v' + str(random.getrandbits(60)) * random.choice([1, 50])}[step]
        write(state, want)
        if step == 'define':
            conn.secretDefineXML(xml % random.getrandbits(20))
        elif step == 'set':
            conn.secretLookupByUUIDString(uuid).setValue(want.encode())
        else:
            conn.secretLookupByUUIDString(uuid).undefine()
        state = want
        write(state)
except libvirt.libvirtError as err:
    gone = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_NO_CONNECT)
    if err.get_error_code() not in gone:
        sys.exit('%s wanted from %s: %s' % (want, state, err))
"#;

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
    let mut sequence = Sequence::new();
    let seed = sequence.seed();
    let books: Vec<(String, String)> = (0..SECRETS)
        .map(|number| {
            let book = instance.root().join(format!("{number}.book"));
            (
                format!("00000000-0000-0000-0000-{number:012}"),
                book.display().to_string(),
            )
        })
        .collect();
    for kill in 0..KILLS {
        let workers: Vec<_> = books
            .iter()
            .map(|(uuid, book)| {
                let own = sequence.next(1 << 30).to_string();
                Command::new("/usr/bin/python3")
                    .args(["-c", WORKER, &instance.uri(), uuid, book, &own])
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        // The instant is the point of the test, not a wait for anything.
        std::thread::sleep(Duration::from_millis(100 + sequence.next(300)));
        instance.kill();
        for worker in workers {
            let output = worker.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "seed {seed}, kill {kill}: {said}");
        }
        instance.restart();
        let mut arguments = vec![instance.uri()];
        arguments.extend(books.iter().map(|(uuid, _)| uuid.clone()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let told = python(TELL, &arguments);
        assert!(told.success, "{}", told.stderr);
        for ((uuid, book), is) in books.iter().zip(told.stdout.lines()) {
            let Ok(text) = std::fs::read_to_string(book) else {
                continue;
            };
            let possible: Vec<&str> = text.split_whitespace().collect();
            assert!(
                possible.contains(&is),
                "seed {seed}, kill {kill}: {uuid} is {is}, acknowledged was {possible:?}"
            );
            std::fs::write(book, is).unwrap();
        }
    }
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
