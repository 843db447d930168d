//! Limits that cannot be held.

use end_to_end::{Instance, idle_domain};

#[test]
fn without_control_groups_only_guests_that_want_limits_are_refused() {
    let instance = Instance::wrapped(&[], "cgroup_controllers = [ ]");
    instance.define("free", &idle_domain("free"));
    instance.virsh(&["start", "free", "--paused"]);
    let said = instance.virsh_fails(&["schedinfo", "free", "--live"]);
    assert!(
        said.contains("not mounted") || said.contains("session mode"),
        "{said}"
    );
    instance.virsh(&["destroy", "free"]);
    for tuning in [
        "<cputune><shares>100</shares></cputune>",
        "<memtune><hard_limit>1000000</hard_limit></memtune>",
        "<blkiotune><weight>500</weight></blkiotune>",
    ] {
        instance.define("vm", &idle_domain("vm").replace("<os>", &format!("{tuning}<os>")));
        let said = instance.virsh_fails(&["start", "vm"]);
        assert!(said.contains("is not available"), "{said}");
        instance.virsh(&["undefine", "vm"]);
    }
}

#[test]
fn odd_parameters_are_refused_by_name() {
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let script = "import libvirt, sys\n\
        c = libvirt.open(sys.argv[1]); d = c.lookupByName('vm')\n\
        for call in [lambda: d.setBlkioParameters({'device_weight': 'x'}, 2),\n\
                     lambda: d.setNumaParameters({'numa_nodeset': 'x'}, 2),\n\
                     lambda: d.setSchedulerParametersFlags({'vcpu_period': 3}, 2),\n\
                     lambda: d.setMemoryParameters({'hard_limit': 9000, 'swap_hard_limit': 8000}, 2)]:\n\
        \x20   try:\n        call(); print('no error')\n\
        \x20   except libvirt.libvirtError as e: print(e.get_error_code())\n";
    let said = end_to_end::python(&script.replace("\\x20", " "), &[&instance.uri()]);
    if end_to_end::mode() == "system" {
        assert_eq!(
            said.stdout.split_whitespace().collect::<Vec<_>>(),
            ["8"; 4],
            "{}",
            said.stderr
        );
    } else {
        assert!(!said.stdout.contains("no error"), "{}", said.stdout);
    }
}

#[test]
fn a_place_that_nobody_advises_is_refused() {
    let advised = ["/usr/bin/numad", "/usr/sbin/numad"]
        .iter()
        .any(|path| std::path::Path::new(path).exists());
    let instance = Instance::start();
    instance.define(
        "vm",
        &idle_domain("vm").replace("<vcpu>", "<vcpu placement='auto'>"),
    );
    if advised {
        instance.virsh(&["start", "vm", "--paused"]);
        instance.virsh(&["destroy", "vm"]);
    } else {
        let said = instance.virsh_fails(&["start", "vm"]);
        assert!(said.contains("numad is not available on this host"), "{said}");
    }
}
