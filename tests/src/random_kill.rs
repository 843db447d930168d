//! A daemon that is killed at random instants, and what must be left of the work of its clients.

use crate::{Instance, Sequence};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What clients do all the while, and for how long.
#[derive(Debug)]
pub struct RandomKills<'w> {
    /// How often the daemon is killed.
    pub kills: u32,
    /// How many milliseconds after all clients are connected.
    pub instant: Range<u64>,
    /// What is worked on, each by a client of its own: its name, and what that client is told besides
    /// (`sys.argv[5]` and so on).
    pub subjects: Vec<(String, Vec<String>)>,
    /// Python: `choose(conn, state)` gives the next state of the subject `name` and what leads there. The first state is
    /// `absent`, where [`RandomKills::begin_with`] has said nothing else.
    pub choose: &'w str,
}

/// How many calls of which kind were cut short, and may have been done or not.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    makings: u32,
    removals: u32,
    changes: u32,
}

impl Tally {
    /// Adds what a client left in its book.
    fn add(&mut self, states: &[&str]) {
        match *states {
            ["absent", _] => self.makings += 1,
            [_, "absent"] => self.removals += 1,
            [_, _] => self.changes += 1,
            _ => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kills,
            makings,
            removals,
            changes,
        } = self;
        let calls = makings + removals + changes;
        write!(
            f,
            "{kills} kills cut {calls} calls short: {makings} that make something, {removals} that remove it, {changes} that change it"
        )
    }
}

/// Before [`RandomKills::choose`].
const BEGIN: &str = r"
import libvirt, os, random, sys
libvirt.registerErrorHandler(lambda *_: None, None)
uri, name, book, seed = sys.argv[1:5]
random.seed(int(seed))
state = open(book).read().split()[0] if os.path.exists(book) else 'absent'
def write(*states):
    with open(book + '.new', 'w') as out:
        out.write(' '.join(states))
    os.replace(book + '.new', book)
";

/// After it: works until the daemon is gone, and writes each acknowledged state down before it goes on. A call that fails
/// because the daemon is gone leaves two states possible: the one before and the one after.
const WORK: &str = r"
try:
    conn = libvirt.open(uri)
    print(flush=True)
    while True:
        want, act = choose(conn, state)
        write(state, want)
        act()
        state = want
        write(state)
except libvirt.libvirtError as err:
    gone = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_NO_CONNECT)
    if err.get_error_code() not in gone:
        sys.exit('%s wanted from %s: %s' % (want, state, err))
";

/// Where the client of a subject writes down its state.
fn book(instance: &Instance, name: &str) -> PathBuf {
    instance.root().join(format!("{name}.book"))
}

impl RandomKills<'_> {
    /// Says in which state a subject is before the first kill.
    ///
    /// # Panics
    /// When that cannot be written down.
    pub fn begin_with(instance: &Instance, name: &str, state: &str) {
        fs::write(book(instance, name), state).expect("the book");
    }

    /// Kills the instance's daemon again and again. After each kill `told` says the state of every subject that is not
    /// absent, as the next daemon tells it, and may judge the rest itself. Says at its end how many calls were cut short.
    ///
    /// # Panics
    /// When a state was acknowledged and is not the one that is told, a client fails though the daemon is there, or most kills met
    /// no call.
    pub fn run(&self, instance: &mut Instance, told: impl Fn(&Instance) -> BTreeMap<String, String>) {
        let mut sequence = Sequence::new();
        let seed = sequence.seed();
        let script = [BEGIN, self.choose, WORK].concat();
        let mut tally = Tally::default();
        for kill in 0..self.kills {
            let mut clients: Vec<_> = self
                .subjects
                .iter()
                .map(|(name, more)| {
                    Command::new("/usr/bin/python3")
                        .args(["-c", &script, &instance.uri(), name])
                        .arg(book(instance, name))
                        .arg(sequence.next(1 << 30).to_string())
                        .args(more)
                        .stdout(Stdio::piped())
                        .stderr(Stdio::piped())
                        .spawn()
                        .expect("the stock Python client")
                })
                .collect();
            for client in &mut clients {
                // One that cannot connect says nothing, and why it ended is heard below.
                let mut connected = [0];
                let said = client.stdout.as_mut().expect("a pipe").read(&mut connected);
                said.expect("a client's word");
            }
            // The instant is the point of the test, not a wait for anything.
            let Range { start, end } = self.instant;
            std::thread::sleep(Duration::from_millis(start + sequence.next(end - start)));
            instance.kill();
            for client in clients {
                let output = client.wait_with_output().expect("a client's end");
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "seed {seed}, kill {kill}: {said}");
            }
            instance.restart();
            let told = told(instance);
            for (name, _) in &self.subjects {
                let book = book(instance, name);
                let Ok(text) = fs::read_to_string(&book) else {
                    continue;
                };
                let possible: Vec<&str> = text.split_whitespace().collect();
                tally.add(&possible);
                let is = told.get(name).map_or("absent", String::as_str);
                assert!(
                    possible.contains(&is),
                    "seed {seed}, kill {kill}: {name} is {is}, acknowledged was {possible:?}"
                );
                fs::write(book, is).expect("the book");
            }
            tally.kills += 1;
        }
        // Also where words of tests that pass are kept back.
        let _ = writeln!(std::io::stderr(), "{tally}");
        let met = tally.makings + tally.removals + tally.changes;
        assert!(2 * met >= tally.kills, "{tally}");
    }
}
