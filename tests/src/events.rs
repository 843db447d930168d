//! Events as the stock Python client hears them.

use crate::python;

/// Starts and destroys a domain again and again, in turn over the connection that listens and over another one, and says
/// what it heard of it.
const FOLLOW: &str = r"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
uri, name, cycles = sys.argv[1], sys.argv[2], int(sys.argv[3])
heard = []
conn = libvirt.open(uri)
conn.setKeepAlive(1, 5)
done = threading.Event()
def lifecycle(conn, dom, event, detail, opaque):
    heard.append((dom.name(), event, detail))
    if len(heard) >= cycles * 4:
        done.set()
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
doms = [conn.lookupByName(name), libvirt.open(uri).lookupByName(name)]
for cycle in range(cycles):
    dom = doms[cycle % 2]
    dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    dom.destroy()
done.wait(60)
for one in heard:
    print(*one)
";

/// Starts the domain paused and destroys it so many times; each event of its life must be heard once, and in order.
///
/// # Panics
/// When they are not.
pub fn hear_lives(uri: &str, name: &str, cycles: usize) {
    let outcome = python(FOLLOW, &[uri, name, &cycles.to_string()]);
    assert!(outcome.success, "{}", outcome.stderr);
    // Started booted, suspended paused, shut down by the host, stopped because destroyed.
    let cycle = ["2 0", "3 0", "6 2", "5 1"].map(|event| format!("{name} {event}"));
    let expected: Vec<&String> = cycle.iter().cycle().take(cycles * cycle.len()).collect();
    let heard: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(heard.len(), expected.len(), "{heard:?}");
    for (number, (heard, expected)) in heard.iter().zip(expected).enumerate() {
        assert_eq!(heard, expected, "event {number}");
    }
}
