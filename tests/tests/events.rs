//! Events as the stock Python client hears them.

use end_to_end::{Instance, hear_lives, idle_domain, python};

#[test]
fn each_event_comes_once_and_in_order_over_a_hundred_cycles() {
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    hear_lives(&instance.uri(), "vm", 100);
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
