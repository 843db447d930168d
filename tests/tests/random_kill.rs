//! The daemon is killed at random instants; nothing that was acknowledged may be lost, and no guest orphaned.

use end_to_end::{Instance, RandomKills, idle_domain, wait_for};
use std::collections::BTreeMap;

/// Defines, starts, destroys and undefines one domain.
const CHOOSE: &str = r"
STEPS = {'absent': ['defined'], 'defined': ['absent', 'running', 'defined'], 'running': ['defined']}
def choose(conn, state):
    want = random.choice(STEPS[state])
    if state == 'absent' or state == want:
        return want, lambda: conn.defineXML(sys.argv[5])
    elif want == 'absent':
        return want, lambda: conn.lookupByName(name).undefine()
    elif want == 'running':
        return want, lambda: conn.lookupByName(name).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    else:
        return want, lambda: conn.lookupByName(name).destroy()
";

/// A domain whose UUID follows from its name, so that it can be defined again.
fn document(name: &str) -> String {
    let number = name.bytes().next_back().unwrap_or(b'0');
    idle_domain(name).replace("<memory", &format!("<uuid>{number:032}</uuid><memory"))
}

/// The state of each domain as the daemon tells it.
fn told(instance: &Instance) -> BTreeMap<String, String> {
    let names = |filter: &str| instance.virsh(&["list", "--name", "--all", filter]);
    let mut states = BTreeMap::new();
    for name in names("--persistent").split_whitespace() {
        states.insert(name.to_owned(), "defined".to_owned());
    }
    for name in instance.virsh(&["list", "--name"]).split_whitespace() {
        states.insert(name.to_owned(), "running".to_owned());
    }
    states
}

#[test]
fn nothing_acknowledged_is_lost_over_many_kills() {
    let names = (0..4).map(|number| format!("vm{number}"));
    let work = RandomKills {
        kills: 200,
        instant: 60..460,
        subjects: names.map(|name| (name.clone(), vec![document(&name)])).collect(),
        choose: CHOOSE,
    };
    work.run(&mut Instance::start(), |instance| {
        let told = told(instance);
        let running = told.values().filter(|state| *state == "running").count();
        wait_for("guests that nobody knows to end", || {
            (instance.guests().len() == running).then_some(())
        });
        told
    });
}
