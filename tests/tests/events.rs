//! Events as the stock Python client hears them.

use end_to_end::{Instance, idle_domain, python};

/// Starts and destroys a domain a hundred times, and says what it heard of it.
const FOLLOW: &str = r#"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
heard, cycles = [], int(sys.argv[2])
conn = libvirt.open(sys.argv[1])
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
other = libvirt.open(sys.argv[1])
dom = other.lookupByName('vm')
for _ in range(cycles):
    dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    dom.destroy()
done.wait(60)
for one in heard:
    print(*one)
"#;

#[test]
fn each_event_comes_once_and_in_order_over_a_hundred_cycles() {
    const CYCLES: usize = 100;
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let outcome = python(FOLLOW, &[&instance.uri(), &CYCLES.to_string()]);
    assert!(outcome.success, "{}", outcome.stderr);
    let heard: Vec<&str> = outcome.stdout.lines().collect();
    // Started booted, suspended paused, shut down by the host, stopped because destroyed.
    let cycle = ["vm 2 0", "vm 3 0", "vm 6 2", "vm 5 1"];
    let expected: Vec<&str> = cycle.iter().copied().cycle().take(CYCLES * cycle.len()).collect();
    assert_eq!(heard.len(), expected.len(), "{heard:?}");
    for (number, (heard, expected)) in heard.iter().zip(&expected).enumerate() {
        assert_eq!(heard, expected, "event {number}");
    }
}

/// Follows definitions, with callbacks of two connections and one that is taken back.
const DEFINITIONS: &str = r#"
import libvirt, sys, time
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(sys.argv[1])
heard = []
def note(tag):
    return lambda conn, dom, event, detail, opaque: heard.append('%s %s %d %d' % (tag, dom.name(), event, detail))
gone = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, note('gone'), None)
conn.domainEventDeregisterAny(gone)
every = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, note('all'), None)
xml = sys.argv[2]
dom = conn.defineXML(xml)
only = conn.domainEventRegisterAny(dom, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, note('one'), None)
conn.defineXML(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
conn.defineXML(xml.replace('>vm<', '>other<'))
dom.undefine()
end = time.time() + 60
while len(heard) < 6 and time.time() < end:
    libvirt.virEventRunDefaultImpl()
print('\n'.join(heard))
"#;

#[test]
fn a_callback_hears_what_it_was_registered_for() {
    let instance = Instance::start();
    let outcome = python(DEFINITIONS, &[&instance.uri(), &idle_domain("vm")]);
    assert!(outcome.success, "{}", outcome.stderr);
    let heard: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        heard,
        [
            "all vm 0 0",
            "all vm 0 1",
            "one vm 0 1",
            "all other 0 0",
            "all vm 1 0",
            "one vm 1 0"
        ],
        "{}",
        outcome.stderr
    );
}
