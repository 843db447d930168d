//! Many guests at once, and a daemon that dies among them.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, python, stand_in_domain};

const GUESTS: usize = 100;

/// Creates guests from several threads, or ends them, and tells which lifecycle events came for each.
const SCRIPT: &str = r#"
import collections, concurrent.futures, sys, threading, libvirt, libvirt_qemu
uri, what, count, document = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
libvirt.virEventRegisterDefaultImpl()
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
conn = libvirt.open(uri)
wanted = libvirt.VIR_DOMAIN_EVENT_STARTED if what == "create" else libvirt.VIR_DOMAIN_EVENT_STOPPED
heard, all_heard = collections.Counter(), threading.Event()
def lifecycle(conn, dom, event, detail, opaque):
    if event == wanted:
        heard[dom.name()] += 1
        if len(heard) == count:
            all_heard.set()
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
names = [f"guest-{number}" for number in range(count)]
def create(name):
    conn.createXML(document.replace("NAME", name))
def end(name):
    dom = conn.lookupByName(name)
    assert '"running"' in libvirt_qemu.qemuMonitorCommand(dom, '{"execute":"query-status"}', 0), name
    dom.destroy()
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(create if what == "create" else end, names))
assert all_heard.wait(60), f"{len(heard)} of {count}"
assert set(heard.values()) == {1}, heard
active = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
assert len(active) == (count if what == "create" else 0), len(active)
assert len(conn.getAllDomainStats()) == len(active)
"#;

#[test]
fn a_hundred_guests_outlive_their_daemon_and_all_end() {
    let mut instance = Instance::start();
    let program = instance.stand_in("");
    let document = stand_in_domain("NAME", &program);
    let count = GUESTS.to_string();
    let run = |instance: &Instance, what: &str| {
        let outcome = python(SCRIPT, &[&instance.uri(), what, &count, &document]);
        assert!(outcome.success, "{what}: {}", outcome.stderr);
    };
    run(&instance, "create");
    assert_eq!(instance.guests().len(), GUESTS);
    instance.kill();
    instance.restart();
    run(&instance, "end");
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}
