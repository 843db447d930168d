//! Threads of a running guest: processors plugged in and taken out, I/O threads, limits of disks.

use crate::{Groups, shown};
use end_to_end::{Instance, disk, idle_domain, tiny_guest, wait_for};

#[test]
fn processors_come_and_go_while_the_guest_runs() {
    let instance = Instance::start();
    let guest = tiny_guest(&instance, "vm").replace("<vcpu>1</vcpu>", "<vcpu current='1'>3</vcpu>");
    instance.define("vm", &guest);
    instance.virsh(&["start", "vm"]);
    wait_for("the guest", || {
        let seen = end_to_end::console(&instance.uri(), "vm", "echo up $((40+2))", "up 42");
        seen.contains("up 42").then_some(())
    });
    let count = |which: &str| {
        instance
            .virsh(&["vcpucount", "vm", "--live", which])
            .trim()
            .to_owned()
    };
    assert_eq!(count("--current"), "1");
    instance.virsh(&["setvcpus", "vm", "3", "--live"]);
    assert_eq!(count("--current"), "3");
    let info = instance.virsh(&["vcpuinfo", "vm"]);
    assert_eq!(info.matches("VCPU:").count(), 3, "{info}");
    if let Some(groups) = Groups::of(&instance, "cpu") {
        assert_ne!(groups.threads("vcpu2", "tasks", "cgroup.threads"), "");
    }
    let said = instance.virsh_fails(&["setvcpus", "vm", "4", "--live"]);
    assert!(said.contains("greater than max"), "{said}");
    wait_for("the guest's own processors", || {
        let online = end_to_end::console(
            &instance.uri(),
            "vm",
            "for c in /sys/devices/system/cpu/cpu[12]/online; do echo 1 > $c; done; echo seen $(cat /sys/devices/system/cpu/online)",
            "seen 0-2",
        );
        online.contains("seen 0-2").then_some(())
    });
    instance.virsh(&["setvcpus", "vm", "2", "--live"]);
    assert_eq!(count("--current"), "2");
    let document = instance.virsh(&["dumpxml", "vm"]);
    assert!(document.contains("current='2'>3</vcpu>"), "{document}");
    assert!(
        document.contains("<vcpu id='1' enabled='yes' hotpluggable='yes' order='2'/>"),
        "{document}"
    );
    let said = instance.virsh_fails(&["setvcpu", "vm", "0", "--disable", "--live"]);
    assert!(said.contains("can't be unplugged"), "{said}");
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn processors_of_a_definition_are_plugged_in_out_of_order() {
    let instance = Instance::start();
    let guest = idle_domain("vm").replace("<vcpu>1</vcpu>", "<vcpu current='1'>4</vcpu>");
    instance.define("vm", &guest);
    instance.virsh(&["setvcpu", "vm", "3", "--enable", "--config"]);
    let document = instance.virsh(&["dumpxml", "vm"]);
    assert!(
        document.contains("<vcpu id='3' enabled='yes' hotpluggable='yes'"),
        "{document}"
    );
    instance.virsh(&["start", "vm", "--paused"]);
    let cpus = instance.virsh(&["qemu-monitor-command", "vm", r#"{"execute":"query-cpus-fast"}"#]);
    assert!(cpus.contains("/machine/peripheral/vcpu3"), "{cpus}");
    assert_eq!(
        instance.virsh(&["vcpucount", "vm", "--live", "--current"]).trim(),
        "2"
    );
    instance.virsh(&["setvcpu", "vm", "1", "--enable", "--live"]);
    assert_eq!(
        instance.virsh(&["vcpucount", "vm", "--live", "--current"]).trim(),
        "3"
    );
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn io_threads_are_added_set_and_removed() {
    let instance = Instance::start();
    instance.define(
        "vm",
        &idle_domain("vm").replace("<os>", "<iothreads>1</iothreads><os>"),
    );
    instance.virsh(&["start", "vm", "--paused"]);
    instance.virsh(&["iothreadadd", "vm", "5", "--live", "--config"]);
    let info = instance.virsh(&["iothreadinfo", "vm"]);
    assert!(
        info.lines()
            .any(|line| line.split_whitespace().next() == Some("5")),
        "{info}"
    );
    let said = instance.virsh_fails(&["iothreadadd", "vm", "5", "--live"]);
    assert!(said.contains("already using iothread_id '5'"), "{said}");
    instance.virsh(&[
        "iothreadset",
        "vm",
        "5",
        "--live",
        "--poll-max-ns",
        "12345",
        "--thread-pool-max",
        "7",
    ]);
    let threads = instance.virsh(&["qemu-monitor-command", "vm", r#"{"execute":"query-iothreads"}"#]);
    assert!(threads.contains("12345"), "{threads}");
    instance.virsh(&["iothreadpin", "vm", "5", "0", "--live"]);
    let document = instance.virsh(&["dumpxml", "vm"]);
    assert!(
        document.contains("<poll max='12345'/>") && document.contains("<iothreadpin iothread='5'"),
        "{document}"
    );
    instance.virsh(&["iothreaddel", "vm", "5", "--live"]);
    let said = instance.virsh_fails(&["iothreaddel", "vm", "5", "--live"]);
    assert!(said.contains("cannot find IOThread '5'"), "{said}");
    assert!(
        instance
            .virsh(&["dumpxml", "vm", "--inactive"])
            .contains("<iothread id='5'")
    );
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn disks_are_limited_by_qemu() {
    let instance = Instance::start();
    let image = disk(&instance, "a.qcow2");
    let devices = format!(
        "<devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{image}'/>\
         <target dev='vda' bus='virtio'/></disk>"
    );
    instance.define("vm", &idle_domain("vm").replace("<devices>", &devices));
    instance.virsh(&["start", "vm", "--paused"]);
    instance.virsh(&[
        "blkdeviotune",
        "vm",
        "vda",
        "--live",
        "--config",
        "--total-bytes-sec",
        "1000000",
        "--total-bytes-sec-max",
        "2000000",
        "--total-bytes-sec-max-length",
        "5",
    ]);
    let block = instance.virsh(&["qemu-monitor-command", "vm", r#"{"execute":"query-block"}"#]);
    assert!(
        block.contains("\"bps\":1000000") && block.contains("\"bps_max\":2000000"),
        "{block}"
    );
    for which in ["--live", "--config"] {
        let limits = instance.virsh(&["blkdeviotune", "vm", "vda", which]);
        assert_eq!(shown(&limits, "total_bytes_sec"), "1000000", "{limits}");
        assert_eq!(shown(&limits, "total_bytes_sec_max_length"), "5", "{limits}");
    }
    instance.virsh(&["blkdeviotune", "vm", "vda", "--live", "--read-iops-sec", "50"]);
    let live = instance.virsh(&["blkdeviotune", "vm", "vda", "--live"]);
    assert_eq!(
        (shown(&live, "read_iops_sec"), shown(&live, "total_bytes_sec")),
        ("50".into(), "1000000".into())
    );
    let said = instance.virsh_fails(&[
        "blkdeviotune",
        "vm",
        "vda",
        "--live",
        "--read-iops-sec",
        "5",
        "--total-iops-sec",
        "5",
    ]);
    assert!(said.contains("cannot be set at the same time"), "{said}");
    let said = instance.virsh_fails(&["blkdeviotune", "vm", "vdz", "--live"]);
    assert!(said.contains("vdz"), "{said}");
    instance.virsh(&["destroy", "vm"]);
}
