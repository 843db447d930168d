//! Limits of guests where systemd makes their groups, in version 2.

use crate::guests::Guest;
use crate::host::{daemon, property, run, systemctl, try_run, virsh, wait_for};
use end_to_end::idle_domain;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path);
    text.unwrap_or_else(|err| panic!("{}: {err}", path.display()))
        .trim()
        .to_owned()
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_is_held_to_its_limits_in_its_scope() {
    let qemu = daemon("virtqemud");
    qemu.restart();
    let tuning = "<iothreads>1</iothreads>\
        <memtune><hard_limit unit='MiB'>600</hard_limit><swap_hard_limit unit='MiB'>700</swap_hard_limit></memtune>\
        <cputune><shares>300</shares><period>100000</period><quota>50000</quota><global_quota>90000</global_quota>\
        <emulator_quota>40000</emulator_quota><iothread_quota>30000</iothread_quota><vcpupin vcpu='0' cpuset='1'/>\
        <vcpusched vcpus='0' scheduler='batch'/></cputune><numatune><memory mode='strict' nodeset='0'/></numatune>";
    let document = idle_domain("limited").replace("<os>", &format!("{tuning}<os>"));
    let guest = Guest::from("limited", &document);
    let emulator = PathBuf::from(format!("/sys/fs/cgroup{}", guest.control_group()));
    let whole = emulator.parent().unwrap();
    let scope = whole.parent().unwrap();
    assert!(
        whole.ends_with("libvirt") && scope.extension().is_some_and(|end| end == "scope"),
        "{}",
        emulator.display()
    );
    assert_eq!(read(&whole.join("memory.max")), (600_u64 << 20).to_string());
    assert_eq!(read(&whole.join("memory.swap.max")), (100_u64 << 20).to_string());
    assert_eq!(read(&whole.join("cpu.max")), "90000 100000");
    assert_eq!(read(&whole.join("vcpu0/cpu.max")), "50000 100000");
    assert_eq!(read(&whole.join("vcpu0/cpuset.cpus")), "1");
    assert_eq!(read(&whole.join("vcpu0/cpuset.mems")), "0");
    assert_eq!(read(&whole.join("iothread1/cpu.max")), "30000 100000");
    assert_eq!(read(&emulator.join("cpu.max")), "40000 100000");
    assert_eq!(read(&scope.join("cpu.weight")), "300");
    let unit = scope.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(property(&unit, "CPUWeight"), "300");
    let thread = read(&whole.join("vcpu0/cgroup.threads"));
    assert!(run("chrt", &["-p", &thread]).contains("SCHED_BATCH"));

    virsh(&[
        "schedinfo",
        "limited",
        "--live",
        "--set",
        "cpu_shares=400",
        "--set",
        "vcpu_quota=60000",
    ]);
    virsh(&[
        "memtune",
        "limited",
        "--live",
        "--hard-limit",
        "716800",
        "--swap-hard-limit",
        "-1",
    ]);
    assert_eq!(property(&unit, "CPUWeight"), "400");
    assert_eq!(read(&scope.join("cpu.weight")), "400");
    // systemd keeps what it was asked for, and leaves alone what is the daemon's.
    systemctl(&["daemon-reload"]);
    systemctl(&["restart", &qemu.service()]);
    guest.lives();
    assert_eq!(read(&scope.join("cpu.weight")), "400");
    assert_eq!(read(&whole.join("vcpu0/cpu.max")), "60000 100000");
    assert_eq!(read(&whole.join("memory.max")), (700_u64 << 20).to_string());
    let live = virsh(&["schedinfo", "limited"]);
    assert!(
        live.contains("cpu_shares     : 400") && live.contains("vcpu_quota     : 60000"),
        "{live}"
    );
    let said = try_run(
        "virsh",
        &[
            "-c",
            "qemu:///system",
            "schedinfo",
            "limited",
            "--live",
            "--set",
            "cpu_shares=20000",
        ],
    );
    assert!(said.stderr.contains("[1, 10000]"), "{}", said.stderr);
    drop(guest);
    wait_for("the scope to be gone", || (!scope.exists()).then_some(()));
}
