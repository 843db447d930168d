//! Stock clients drive every call that is served, and what they hear makes sense.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, disk, guest_with_agent, python, wait_for};
use std::collections::BTreeSet;
use std::path::Path;

/// Served for clients that are older than any Debian still has, for other daemons, or for what virsh knows itself.
const BEYOND_STOCK_CLIENTS: &[&str] = &[
    "connect_domain_event_register",
    "connect_domain_event_deregister",
    "connect_domain_event_register_any",
    "connect_domain_event_deregister_any",
    "connect_get_uri",
    "connect_set_identity",
    "auth_polkit",
    "auth_sasl_init",
    "auth_sasl_start",
    "auth_sasl_step",
];

/// What stock virsh asks of a guest that runs Linux with QEMU's agent, and a part of what it must hear.
const RUNNING: &[(&str, &str)] = &[
    ("list --all --title", "running"),
    ("dominfo vm", "Autostart Once: disable"),
    ("domcontrol vm", "ok"),
    ("domid vm", "1"),
    ("domuuid vm", "-"),
    ("domname 1", "vm"),
    ("domname {uuid}", "vm"),
    ("domstate vm --reason", "running (booted)"),
    ("dumpxml vm --migratable", "<domain type='qemu'>"),
    ("domxml-to-native qemu-argv --domain vm", "guest=vm"),
    ("dumpxml vm --security-info", "id='1'"),
    ("domblklist vm --details", "vda"),
    ("domblkinfo vm --all", "67108864"),
    ("domblkstat vm vda", "vda rd_req"),
    ("domiflist vm", "user"),
    ("dommemstat vm", "rss"),
    ("dommemstat vm --period 2 --live", ""),
    ("domstats vm", "vcpu.current=2"),
    ("cpu-stats vm --total", "cpu_time"),
    ("domjobinfo vm", "None"),
    ("domdisplay vm", "vnc://"),
    ("vncdisplay vm", "127.0.0.1:"),
    ("ttyconsole vm", "/dev/pts/"),
    ("vcpuinfo vm --pretty", "running"),
    ("vcpucount vm", "live           4"),
    ("vcpupin vm 0 0 --live", ""),
    ("vcpupin vm 0 0 --config", ""),
    ("vcpupin vm --live", " 0   0\n"),
    ("vcpupin vm --config", " 0   0\n"),
    ("emulatorpin vm 0 --live", ""),
    ("emulatorpin vm 0 --config", ""),
    ("emulatorpin vm --live", "0"),
    ("iothreadpin vm 1 0 --live", ""),
    ("iothreadpin vm 1 0 --config", ""),
    ("iothreadinfo vm", " 1   0\n"),
    ("setmem vm 160M --live", ""),
    ("setmem vm 150M --config", ""),
    ("setmaxmem vm 256M --config", ""),
    ("setvcpus vm 3 --config", ""),
    ("setvcpus vm 8 --config --maximum", ""),
    ("vcpucount vm", "config         8"),
    ("memtune vm --config", "hard_limit     : unlimited"),
    ("blkiotune vm --config", "weight"),
    ("numatune vm --config", "numa_mode      : strict"),
    ("schedinfo vm --config", "cpu_shares"),
    ("memtune vm --hard-limit 4G --config", ""),
    ("blkiotune vm --weight 500 --config", ""),
    ("numatune vm --mode preferred --nodeset 0 --config", ""),
    ("schedinfo vm --set cpu_shares=2048 --config", "2048"),
    ("iothreadadd vm 7 --live", ""),
    ("iothreadset vm 7 --poll-max-ns 4096 --live", ""),
    ("iothreaddel vm 7 --live", ""),
    ("blkdeviotune vm vda --total-iops-sec 1000 --live", ""),
    ("blkdeviotune vm vda --live", "total_iops_sec : 1000"),
    ("perf vm --config", ""),
    ("perf vm --disable cmt --config", ""),
    ("domiftune vm {mac} --config", "inbound.average: 0"),
    ("domiftune vm {mac} --inbound 100 --config", ""),
    ("send-key vm KEY_LEFTCTRL KEY_C", ""),
    ("send-key vm --codeset usb 0x04 --holdtime 100", ""),
    ("inject-nmi vm", ""),
    ("desc vm --title words --live --config", ""),
    ("desc vm --title", "words"),
    ("metadata vm urn:b --key b --set <y/> --live --config", ""),
    ("metadata vm urn:b", "<y/>"),
    ("metadata vm urn:b --remove --live --config", ""),
    ("autostart vm", ""),
    ("autostart vm --once", ""),
    ("dominfo vm", "Autostart Once: enable"),
    ("autostart vm --once --disable", ""),
    ("qemu-monitor-command vm --hmp info status", "VM status: running"),
    (
        r#"qemu-monitor-command vm --pretty {"execute":"query-status"}"#,
        "\"running\": true",
    ),
    (
        r#"qemu-monitor-command vm {"execute":"nonsense"}"#,
        "CommandNotFound",
    ),
    (
        r#"qemu-monitor-command vm --pass-fds 0 {"execute":"getfd","arguments":{"fdname":"a"}}"#,
        "return",
    ),
    (r#"qemu-agent-command vm {"execute":"guest-ping"}"#, "return"),
    ("guest-agent-timeout vm --timeout 30", ""),
    ("guestinfo vm --os --hostname --timezone", "os.kernel-release"),
    ("guestvcpus vm", "vcpus          : 0-1"),
    ("guestvcpus vm --cpulist 1 --disable", ""),
    ("vcpucount vm --guest", "1"),
    ("setvcpus vm 2 --guest", ""),
    ("guestvcpus vm", "online         : 0-1"),
    ("domfsinfo vm", ""),
    ("domfsfreeze vm", ""),
    ("domfsthaw vm", ""),
    ("domfstrim vm", ""),
    ("domhostname vm --source agent", ""),
    ("domifaddr vm", ""),
    ("domifaddr vm --source arp", ""),
    ("domifaddr vm --source agent --full", "lo"),
    ("domtime vm", "Time: "),
];

/// What it asks of the host.
const HOST: &[(&str, &str)] = &[
    ("version --daemon", "QEMU"),
    ("hostname", ""),
    ("maxvcpus", ""),
    ("nodeinfo", "x86_64"),
    ("nodecpumap", "CPUs present"),
    ("nodecpustats", "user"),
    ("nodememstats", "total"),
    ("node-memory-tune", ""),
    ("freecell", "Total"),
    ("freepages --all", "4KiB"),
    ("allocpages 2M 0", ""),
    ("capabilities", "<capabilities>"),
    ("domcapabilities", "<domainCapabilities>"),
    ("cpu-models x86_64", "qemu64"),
    ("cpu-baseline {cpu}", "<model fallback="),
    (
        "hypervisor-cpu-baseline {cpu} --virttype qemu",
        "<model fallback=",
    ),
];

/// What hosts and guests differ in.
const MAY_BE_REFUSED: &[&str] = &[
    "sysinfo",
    "cpu-compare {cpu}",
    "hypervisor-cpu-compare {cpu} --virttype qemu",
    "domtime vm --now",
    "set-user-password vm root secret",
    "memtune vm --live",
    "blkiotune vm --live",
    "schedinfo vm --live",
];

/// What stock virsh is refused, and the words it is refused with.
const REFUSED: &[(&str, &str)] = &[
    ("vcpupin vm 9 0", "out of range"),
    (
        "setmem vm 500M --config",
        "cannot set memory higher than max memory",
    ),
    (
        "setmaxmem vm 300M --live",
        "cannot resize the maximum memory on an active domain",
    ),
    ("send-key vm NOKEY", "invalid keycode"),
    ("screenshot vm /dev/null --screen 9", "no such screen ID"),
    ("guestvcpus vm --cpulist 7 --enable", "missing vCPUs '7'"),
    ("guestvcpus vm --cpulist 0 --disable", "not offlinable"),
    ("setvcpus vm 9 --guest", "greater than"),
    ("vcpucount shut --guest", "domain is not running"),
    ("domhostname vm --source lease", "no hostname found"),
    (
        r#"qemu-agent-command vm {"execute":"nonsense"}"#,
        "guest agent command failed",
    ),
    ("dompmwakeup vm", "not suspended"),
    ("domrename vm other", "cannot rename active domain"),
    ("domifstat vm vnet0", "vnet0"),
    ("domstate nobody", "failed to get domain"),
];

/// Of the guest's card.
const MAC: &str = "52:54:00:00:00:77";

/// What only the Python client can ask, or only as other calls than virsh does.
const PYTHON: &str = r#"
import libvirt, os, socket, sys, threading
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(sys.argv[1])
heard = threading.Event()
number = conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *a: heard.set(), None)
def loop():
    while True:
        libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
dom = conn.lookupByName('vm')
assert conn.listDomainsID() == [dom.ID()] and conn.numOfDomains() == 1
assert conn.listDefinedDomains() == ['shut'] and conn.numOfDefinedDomains() == 1
assert conn.isSecure() and conn.getMaxVcpus('qemu') > 0
assert conn.getType() == 'QEMU' and len(conn.getCellsFreeMemory(0, 1)) == 1
assert dom.maxMemory() == 196608 and dom.maxVcpus() == 4 and dom.OSType() == 'hvm'
assert dom.isUpdated() in (0, 1) and dom.isActive() and dom.isPersistent()
assert dom.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE
assert dom.securityLabelList() is not None and len(dom.securityLabel()) == 2
assert dom.blockPeek('vdb', 0, 4) == b'disk'
assert len(dom.memoryPeek(0, 16, libvirt.VIR_MEMORY_PHYSICAL)) == 16
assert dom.blockStatsFlags('vda') and dom.blockStats('vda')
dom.setMemory(180000)
conn.setMemoryParameters(conn.getMemoryParameters() and {'shm_sleep_millisecs': conn.getMemoryParameters()['shm_sleep_millisecs']})
ours, theirs = socket.socketpair()
dom.openGraphics(0, theirs.fileno(), libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
assert ours.recv(3) == b'RFB'
graphics = socket.socket(fileno=dom.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))
assert graphics.recv(3) == b'RFB'
for connect in (
    lambda stream: dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE),
    lambda stream: dom.openChannel('org.qemu.guest_agent.0', stream, libvirt.VIR_DOMAIN_CHANNEL_FORCE),
):
    stream = conn.newStream()
    connect(stream)
    stream.abort()
with open('/dev/null', 'rb') as given:
    dom.FDAssociate('given', [given.fileno()], 0)
dom.pinVcpu(0, (True,) * conn.getInfo()[2])
dom.setVcpu('2', True, libvirt.VIR_DOMAIN_AFFECT_LIVE)
dom.setVcpus(4)
assert dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE) == 4
shut = conn.lookupByName('shut')
shut.setMaxMemory(65536)
shut.setSchedulerParameters({'cpu_shares': 512})
again = conn.defineXML(shut.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
assert heard.wait(60)
again.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
again.destroy()
again = conn.defineXMLFlags(again.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
assert again.schedulerParameters()['cpu_shares'] == 512
again.create()
again.destroy()
again.undefine()
made = conn.createXML(sys.argv[2], libvirt.VIR_DOMAIN_START_PAUSED)
made.destroyFlags(0)
dom.shutdown()
conn.domainEventDeregisterAny(number)
"#;

/// The calls that a daemon's log tells of.
fn seen(log: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let names = text.lines().filter_map(|line| line.split_once("procedure=\""));
    names
        .filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The calls that virtqemud serves, by the project's own page.
fn served() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/support.md");
    let text = std::fs::read_to_string(page).unwrap();
    let own = text
        .split("\n## ")
        .filter(|section| section.starts_with("virtqemud,"));
    let rows = own
        .flat_map(str::lines)
        .filter_map(|line| line.strip_suffix(" | yes |"));
    rows.map(|row| row.trim_start_matches("| ").to_owned()).collect()
}

#[test]
fn every_call_that_is_served_is_driven_by_a_stock_client() {
    let instance = Instance::start();
    let log = instance.root().join("calls");
    instance.virt_admin(&[
        "daemon-log-outputs",
        "--outputs",
        &format!("1:file:{}", log.display()),
    ]);
    instance.virt_admin(&["daemon-log-filters", "--filters", "1:rpc"]);

    let image = disk(&instance, "disk.qcow2");
    let raw = instance.file("raw.img", &"disk".repeat(1024));
    let document = guest_with_agent("vm")
        .replace("<vcpu>1</vcpu>", "<vcpu current='2'>4</vcpu><iothreads>2</iothreads>")
        .replace(
            "</devices>",
            &format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/>\
                 <target dev='vda' bus='virtio'/></disk>\
                 <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{raw}'/>\
                 <target dev='vdb' bus='virtio'/></disk><interface type='user'><mac address='{MAC}'/><model type='virtio'/></interface>\
                 <graphics type='vnc'/><video><model type='vga'/></video><memballoon model='virtio'/></devices>"
            ),
        );
    instance.define("vm", &document);
    instance.define("shut", &end_to_end::idle_domain("shut"));
    instance.virsh(&["start", "vm"]);
    wait_for("the agent to answer", || {
        let ping = ["qemu-agent-command", "vm", r#"{"execute":"guest-ping"}"#];
        instance.try_virsh(&ping).success.then_some(())
    });
    let uuid = instance.virsh(&["domuuid", "vm"]);
    let cpu = instance.file("cpu.xml", "<cpu><arch>x86_64</arch><model>qemu64</model></cpu>");
    let words = |command: &str| -> Vec<String> {
        let command = command
            .replace("{uuid}", uuid.trim())
            .replace("{cpu}", &cpu)
            .replace("{mac}", MAC);
        command.split(' ').map(str::to_owned).collect()
    };
    let run = |command: &str| -> Outcome {
        let words = words(command);
        instance.try_virsh(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut odd = Vec::new();
    for (command, expected) in HOST.iter().chain(RUNNING) {
        let outcome = run(command);
        if !outcome.success || !outcome.stdout.contains(expected) {
            odd.push((command, outcome));
        }
    }
    for (command, expected) in REFUSED {
        let outcome = run(command);
        if outcome.success || !outcome.stderr.contains(expected) {
            odd.push((command, outcome));
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
    // What they say depends on host and guest.
    for command in MAY_BE_REFUSED {
        run(command);
    }

    let picture = instance.root().join("screen");
    instance.virsh(&["screenshot", "vm", picture.to_str().unwrap()]);
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    instance.virsh(&["suspend", "vm"]);
    instance.virsh(&["resume", "vm"]);
    instance.virsh(&["reset", "vm"]);
    instance.virsh(&["reboot", "vm", "--mode", "acpi"]);
    instance.virsh(&["domrename", "shut", "renamed"]);
    instance.virsh(&["domrename", "renamed", "shut"]);
    for events in [["event", "--all"].as_slice(), &["qemu-monitor-event"]] {
        let outcome = instance.try_virsh(&[events, &["--timeout", "1"]].concat());
        assert!(outcome.stdout.contains("events received"), "{outcome:?}");
    }
    let transient = end_to_end::idle_domain("made");
    let outcome = python(PYTHON, &[&instance.uri(), &transient]);
    assert!(outcome.success, "{}", outcome.stderr);
    instance.virsh(&["shutdown", "vm", "--mode", "acpi"]);
    instance.virsh(&["destroy", "vm", "--graceful"]);
    instance.virsh(&["undefine", "vm", "--nvram"]);

    let seen = seen(&log);
    let missed: Vec<String> = served()
        .into_iter()
        .filter(|call| !seen.contains(call) && !BEYOND_STOCK_CLIENTS.contains(&call.as_str()))
        .collect();
    assert!(
        missed.is_empty(),
        "served, but no client asked for it: {missed:?}"
    );
}
