//! Limits of a running guest: from its document, changed, kept over a daemon's end, and gone with the guest.

use crate::{Groups, left_groups, shown};
use end_to_end::{Instance, LoopDevice, idle_domain, mode, wait_for};

/// A daemon that can limit its guests; `None` where the host does not let it, which is told.
fn start() -> Option<Instance> {
    if mode() != "system" {
        eprintln!("NOT RUN: control groups take root");
        return None;
    }
    let instance = Instance::start();
    let log = std::fs::read_to_string(instance.log()).unwrap();
    if log.contains("guests cannot be limited") {
        eprintln!("NOT RUN: no control groups that could be written to");
        return None;
    }
    Some(instance)
}

fn define(instance: &Instance, tuning: &str) {
    let document = idle_domain("vm").replace("<os>", &format!("{tuning}<os>"));
    instance.define("vm", &document);
}

#[test]
fn processor_time_is_what_the_document_says() {
    let Some(mut instance) = start() else { return };
    define(
        &instance,
        "<iothreads>1</iothreads><cputune><shares>512</shares><period>100000</period><quota>50000</quota>\
         <global_period>200000</global_period><global_quota>150000</global_quota>\
         <emulator_period>100000</emulator_period><emulator_quota>40000</emulator_quota>\
         <iothread_period>50000</iothread_period><iothread_quota>20000</iothread_quota>\
         <vcpupin vcpu='0' cpuset='0'/><emulatorpin cpuset='0'/></cputune>",
    );
    instance.virsh(&["start", "vm", "--paused"]);
    let Some(groups) = Groups::of(&instance, "cpu") else {
        return;
    };
    let quota = |name: &str| groups.threads(name, "cpu.cfs_quota_us", "cpu.max");
    assert!(quota("vcpu0").starts_with("50000"));
    assert!(quota("emulator").starts_with("40000"));
    assert!(quota("iothread1").starts_with("20000"));
    assert!(groups.whole("cpu.cfs_quota_us", "cpu.max").starts_with("150000"));
    assert_eq!(groups.whole("cpu.shares", "cpu.weight"), "512");
    if let Some(sets) = Groups::of(&instance, "cpuset") {
        assert_eq!(sets.threads("vcpu0", "cpuset.cpus", "cpuset.cpus"), "0");
        assert_eq!(sets.threads("emulator", "cpuset.cpus", "cpuset.cpus"), "0");
    }
    let live = instance.virsh(&["schedinfo", "vm", "--live"]);
    for (name, value) in [
        ("cpu_shares", "512"),
        ("vcpu_quota", "50000"),
        ("emulator_quota", "40000"),
        ("global_period", "200000"),
        ("iothread_quota", "20000"),
    ] {
        assert_eq!(shown(&live, name), value, "{live}");
    }
    instance.virsh(&[
        "schedinfo",
        "vm",
        "--live",
        "--set",
        "cpu_shares=1000",
        "--set",
        "vcpu_quota=30000",
    ]);
    instance.virsh(&[
        "schedinfo",
        "vm",
        "--config",
        "--set",
        "cpu_shares=700",
        "--set",
        "emulator_quota=-1",
    ]);
    assert!(quota("vcpu0").starts_with("30000"));
    assert_eq!(groups.whole("cpu.shares", "cpu.weight"), "1000");
    let said = instance.virsh_fails(&["schedinfo", "vm", "--live", "--set", "vcpu_period=5"]);
    assert!(said.contains("out of range"), "{said}");
    // What was set holds without a daemon, and the next one knows it.
    instance.kill();
    assert!(quota("vcpu0").starts_with("30000"));
    instance.restart();
    let live = instance.virsh(&["schedinfo", "vm"]);
    assert_eq!(
        (shown(&live, "cpu_shares"), shown(&live, "vcpu_quota")),
        ("1000".into(), "30000".into())
    );
    assert_eq!(
        shown(&instance.virsh(&["schedinfo", "vm", "--config"]), "cpu_shares"),
        "700"
    );
    let document = instance.virsh(&["dumpxml", "vm"]);
    assert!(
        document.contains("<shares>1000</shares>") && document.contains("<quota>30000</quota>"),
        "{document}"
    );
    assert!(document.contains("<partition>/machine</partition>"), "{document}");
    instance.virsh(&["destroy", "vm"]);
    assert_eq!(left_groups(&instance), Vec::<std::path::PathBuf>::new());
}

#[test]
fn memory_is_limited_and_limits_are_changed() {
    let Some(instance) = start() else { return };
    define(
        &instance,
        "<memtune><hard_limit unit='MiB'>600</hard_limit><soft_limit unit='MiB'>500</soft_limit></memtune>\
         <numatune><memory mode='strict' nodeset='0'/></numatune>",
    );
    instance.virsh(&["start", "vm", "--paused"]);
    let Some(groups) = Groups::of(&instance, "memory") else {
        return;
    };
    let limit = || groups.whole("memory.limit_in_bytes", "memory.max");
    assert_eq!(limit(), (600_u64 << 20).to_string());
    let shown_now = instance.virsh(&["memtune", "vm"]);
    assert_eq!(shown(&shown_now, "hard_limit"), "614400", "{shown_now}");
    assert_eq!(shown(&shown_now, "swap_hard_limit"), "unlimited", "{shown_now}");
    instance.virsh(&[
        "memtune",
        "vm",
        "--live",
        "--config",
        "--hard-limit",
        "716800",
        "--swap-hard-limit",
        "819200",
    ]);
    assert_eq!(limit(), (700_u64 << 20).to_string());
    let said = instance.virsh_fails(&["memtune", "vm", "--live", "--hard-limit", "900000"]);
    assert!(said.contains("lower than or equal to swap_hard_limit"), "{said}");
    instance.virsh(&[
        "memtune",
        "vm",
        "--live",
        "--swap-hard-limit",
        "-1",
        "--hard-limit",
        "-1",
    ]);
    assert_eq!(
        shown(&instance.virsh(&["memtune", "vm"]), "hard_limit"),
        "unlimited"
    );
    assert_eq!(
        shown(&instance.virsh(&["memtune", "vm", "--config"]), "swap_hard_limit"),
        "819200"
    );
    if let Some(sets) = Groups::of(&instance, "cpuset") {
        assert_eq!(sets.threads("vcpu0", "cpuset.mems", "cpuset.mems"), "0");
        instance.virsh(&["numatune", "vm", "--live", "--nodeset", "0"]);
        let said = instance.virsh_fails(&["numatune", "vm", "--live", "--mode", "interleave"]);
        assert!(said.contains("can't change numatune mode"), "{said}");
        let said = instance.virsh_fails(&["numatune", "vm", "--live", "--nodeset", "63"]);
        assert!(said.contains("63"), "{said}");
    }
    instance.virsh(&["destroy", "vm"]);
    assert_eq!(left_groups(&instance), Vec::<std::path::PathBuf>::new());
}

#[test]
fn block_devices_of_the_host_are_limited() {
    let Some(instance) = start() else { return };
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 8 << 20) else {
        return;
    };
    let path = &disk.path;
    define(
        &instance,
        &format!(
            "<blkiotune><device><path>{path}</path><read_bytes_sec>1048576</read_bytes_sec>\
             <write_iops_sec>100</write_iops_sec></device></blkiotune>"
        ),
    );
    instance.virsh(&["start", "vm", "--paused"]);
    let Some(groups) = Groups::of(&instance, "blkio") else {
        return;
    };
    let limits = || groups.whole("blkio.throttle.read_bps_device", "io.max");
    assert!(limits().contains("1048576"), "{}", limits());
    let live = instance.virsh(&["blkiotune", "vm", "--live"]);
    assert_eq!(shown(&live, "device_read_bytes_sec"), format!("{path},1048576"));
    assert_eq!(shown(&live, "device_write_iops_sec"), format!("{path},100"));
    instance.virsh(&[
        "blkiotune",
        "vm",
        "--live",
        "--device-read-bytes-sec",
        &format!("{path},4194304"),
    ]);
    assert!(limits().contains("4194304"), "{}", limits());
    instance.virsh(&[
        "blkiotune",
        "vm",
        "--config",
        "--device-read-bytes-sec",
        &format!("{path},0"),
    ]);
    let config = instance.virsh(&["blkiotune", "vm", "--config"]);
    assert_eq!(shown(&config, "device_read_bytes_sec"), "");
    let said = instance.virsh_fails(&[
        "blkiotune",
        "vm",
        "--live",
        "--device-read-bytes-sec",
        "/dev/null,1",
    ]);
    assert!(said.contains("/dev/null"), "{said}");
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn a_guest_that_ends_while_nobody_looks_leaves_no_group() {
    let Some(mut instance) = start() else { return };
    define(&instance, "");
    instance.virsh(&["start", "vm", "--paused"]);
    if Groups::of(&instance, "cpu").is_none() {
        return;
    }
    assert_ne!(left_groups(&instance), Vec::<std::path::PathBuf>::new());
    instance.kill();
    let [pid] = instance.guests().try_into().unwrap();
    let guest = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(guest, rustix::process::Signal::KILL).unwrap();
    wait_for("the guest's end", || instance.guests().is_empty().then_some(()));
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "shut off");
    assert_eq!(left_groups(&instance), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_guest_sees_its_own_devices_and_no_others() {
    if mode() != "system" {
        eprintln!("NOT RUN: name spaces take root");
        return;
    }
    let instance = Instance::wrapped(&[], "namespaces = [ \"mount\" ]");
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 8 << 20) else {
        return;
    };
    let devices = format!(
        "<devices><disk type='block'><driver name='qemu' type='raw'/><source dev='{}'/><target dev='vda' bus='virtio'/></disk>",
        disk.path
    );
    instance.define("vm", &idle_domain("vm").replace("<devices>", &devices));
    instance.virsh(&["start", "vm"]);
    let [pid] = instance.guests().try_into().unwrap();
    let seen = std::fs::read_dir(format!("/proc/{pid}/root/dev")).unwrap();
    let mut seen: Vec<String> = seen
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    seen.retain(|name| name.starts_with("loop") || name == "null" || name == "vda" || name == "mem");
    seen.sort();
    assert_eq!(seen, [disk.name().to_owned(), "null".to_owned()]);
    // The host's is as it was.
    assert!(std::path::Path::new(&disk.path).exists());
    assert!(instance.virsh(&["ttyconsole", "vm"]).starts_with("/dev/pts/"));
    instance.virsh(&["destroy", "vm"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn a_guest_may_open_its_own_devices_and_no_others() {
    let Some(instance) = start() else { return };
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 8 << 20) else {
        return;
    };
    let Some(other) = LoopDevice::new(instance.root(), "other.img", 8 << 20) else {
        return;
    };
    let devices = format!(
        "<devices><disk type='block'><driver name='qemu' type='raw'/><source dev='{}'/><target dev='vda' bus='virtio'/></disk>",
        disk.path
    );
    instance.define("vm", &idle_domain("vm").replace("<devices>", &devices));
    instance.virsh(&["start", "vm", "--paused"]);
    let Some(groups) = Groups::of(&instance, "devices") else {
        return;
    };
    let allowed = groups.whole("devices.list", "devices.list");
    assert!(
        allowed.contains("c 1:3 rw") && !allowed.contains("a *:*"),
        "{allowed}"
    );
    let add = |path: &str| {
        let command = format!(
            r#"{{"execute":"blockdev-add","arguments":{{"driver":"host_device","node-name":"n","filename":"{path}"}}}}"#
        );
        instance.virsh(&["qemu-monitor-command", "vm", &command])
    };
    let said = add(&other.path);
    assert!(said.contains("Operation not permitted"), "{said}");
    instance.virsh(&["destroy", "vm"]);
}
