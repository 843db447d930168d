//! The daemon is killed at random instants; nothing that was acknowledged may be lost, and no guest orphaned.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Sequence, idle_domain, wait_for};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often it is killed.
const KILLS: u32 = 200;

/// How many domains are worked on at the same time.
const DOMAINS: u32 = 4;

/// Works on one domain until it is told to stop, and writes each acknowledged state down before it goes on.
///
/// A call that fails because the daemon is gone leaves two states possible: the one before and the one after.
const WORKER: &str = r#"
import libvirt, random, sys
libvirt.registerErrorHandler(lambda *_: None, None)
uri, name, xml, book, seed = sys.argv[1:6]
random.seed(int(seed))
state = open(book).read().split()[0] if __import__('os').path.exists(book) else 'absent'
def write(*states):
    with open(book + '.new', 'w') as out:
        out.write(' '.join(states))
    __import__('os').replace(book + '.new', book)
STEPS = {'absent': ['defined'], 'defined': ['absent', 'running', 'defined'], 'running': ['defined']}
try:
    conn = libvirt.open(uri)
    while True:
        want = random.choice(STEPS[state])
        write(state, want)
        if state == 'absent' or (state == want):
            conn.defineXML(xml)
        elif want == 'absent':
            conn.lookupByName(name).undefine()
        elif want == 'running':
            conn.lookupByName(name).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        else:
            conn.lookupByName(name).destroy()
        state = want
        write(state)
except libvirt.libvirtError as err:
    gone = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_NO_CONNECT)
    if err.get_error_code() not in gone:
        sys.exit('%s wanted from %s: %s' % (want, state, err))
"#;

/// A domain whose UUID follows from its name, so that it can be defined again.
fn document(name: &str) -> String {
    let number = name.bytes().next_back().unwrap_or(b'0');
    idle_domain(name).replace("<memory", &format!("<uuid>{number:032}</uuid><memory"))
}

/// The state of each domain as the daemon tells it.
fn told(instance: &Instance) -> BTreeMap<String, &'static str> {
    let names = |filter: &str| instance.virsh(&["list", "--name", "--all", filter]);
    let mut states: BTreeMap<String, &'static str> = BTreeMap::new();
    for name in names("--persistent").split_whitespace() {
        states.insert(name.to_owned(), "defined");
    }
    for name in instance.virsh(&["list", "--name"]).split_whitespace() {
        states.insert(name.to_owned(), "running");
    }
    states
}

#[test]
fn nothing_acknowledged_is_lost_over_many_kills() {
    let mut sequence = Sequence::new();
    let seed = sequence.seed();
    let mut instance = Instance::start();
    let books: Vec<(String, String)> = (0..DOMAINS)
        .map(|number| {
            let name = format!("vm{number}");
            let book = instance.root().join(format!("{name}.book")).display().to_string();
            (name, book)
        })
        .collect();
    for kill in 0..KILLS {
        let workers: Vec<_> = books
            .iter()
            .map(|(name, book)| {
                let document = document(name);
                let own = sequence.next(1 << 30).to_string();
                Command::new("/usr/bin/python3")
                    .args(["-c", WORKER, &instance.uri(), name, &document, book, &own])
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        // The instant is the point of the test, not a wait for anything.
        std::thread::sleep(Duration::from_millis(60 + sequence.next(400)));
        instance.kill();
        for worker in workers {
            let output = worker.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "seed {seed}, kill {kill}: {said}");
        }
        instance.restart();
        let told = told(&instance);
        for (name, book) in &books {
            let Ok(text) = std::fs::read_to_string(book) else {
                continue;
            };
            let possible: Vec<&str> = text.split_whitespace().collect();
            let is = told.get(name).copied().unwrap_or("absent");
            assert!(
                possible.contains(&is),
                "seed {seed}, kill {kill}: {name} is {is}, acknowledged was {possible:?}"
            );
            std::fs::write(book, is).unwrap();
        }
        let running = told.values().filter(|state| **state == "running").count();
        wait_for("guests that nobody knows to end", || {
            (instance.guests().len() == running).then_some(())
        });
    }
}
