//! Guests behind passt, in a network of the test's own.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use end_to_end::{Instance, idle_domain, wait_for};
use std::process::Command;

/// An instance in a network of its own with an address and a default route on `out0`, where that can be had.
fn instance() -> Option<Instance> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: a network of its own needs root");
        return None;
    }
    let instance = Instance::start_in_own_network();
    for command in [
        "ip link set lo up",
        "ip link add out0 type veth peer name far0",
        "ip link set out0 up",
        "ip link set far0 up",
        "ip addr add 192.0.2.2/24 dev out0",
        "ip route add default via 192.0.2.1",
    ] {
        instance.in_network(&command.split(' ').collect::<Vec<_>>());
    }
    Some(instance)
}

fn domain(name: &str, interface: &str) -> String {
    idle_domain(name).replace("<serial type='pty'/>", interface)
}

fn passt(options: &str) -> String {
    format!("<interface type='user'>{options}<model type='virtio'/><backend type='passt'/></interface>")
}

/// The arguments of a program that serves one of the instance's guests.
fn arguments(instance: &Instance, program: &str) -> Option<String> {
    instance.guests().into_iter().find_map(|pid| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let first = arguments.split(' ').next()?;
        first.ends_with(program).then_some(arguments)
    })
}

#[test]
fn passt_forwards_what_the_document_says_and_goes_with_the_guest() {
    let Some(mut instance) = instance() else { return };
    let log = instance.root().join("passt.log").display().to_string();
    let interface = passt(
        "<source dev='out0'/><ip family='ipv4' address='172.17.5.4' prefix='24'/>\
         <portForward proto='tcp'><range start='2022' to='22'/><range start='3000' end='3003'/>\
         <range start='3001' end='3002' exclude='yes'/></portForward>\
         <portForward proto='udp' address='127.0.0.1' dev='lo'><range start='5000' to='6000'/></portForward>",
    )
    .replace("'passt'/>", &format!("'passt' logFile='{log}'/>"));
    instance.define("behind", &domain("behind", &interface));
    instance.virsh(&["start", "behind"]);
    let arguments = arguments(&instance, "passt").unwrap();
    for part in [
        "--one-off ",
        "--interface out0 ",
        "--address 172.17.5.4 --netmask 24 ",
    ] {
        assert!(arguments.contains(part), "{part}: {arguments}");
    }
    let listening = instance.in_network(&["ss", "-Hltun"]);
    let listens = |port: &str| listening.split_whitespace().any(|word| word.ends_with(port));
    for port in [":2022", ":3000", ":3003"] {
        assert!(listens(port), "{port}: {listening}");
    }
    assert!(!listens(":3001") && !listens(":3002"), "{listening}");
    assert!(listening.contains("127.0.0.1%lo:5000"), "{listening}");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    let live = instance.virsh(&["dumpxml", "behind"]);
    assert!(live.contains("<backend type='passt' logFile="), "{live}");

    instance.kill();
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "behind"]).trim(), "running");
    instance.virsh(&["destroy", "behind"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
    assert_eq!(instance.in_network(&["ss", "-Hltun"]).trim(), "");
}

#[test]
fn passt_of_a_guest_that_ended_unseen_has_ended_too() {
    let Some(mut instance) = instance() else { return };
    let file = instance.file("unseen.xml", &domain("unseen", &passt("")));
    instance.virsh(&["create", &file]);
    let pid = std::fs::read_to_string(instance.path("/run/libvirt/qemu/unseen.pid")).unwrap();
    instance.kill();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    instance.restart();
    // It may still be ending when it is found.
    wait_for("the guest to go", || {
        let names = instance.virsh(&["list", "--all", "--name"]);
        names.trim().is_empty().then_some(())
    });
    wait_for("passt to go", || instance.left_overs().is_empty().then_some(()));
}

#[test]
fn what_passt_complains_about_reaches_the_client() {
    let Some(instance) = instance() else { return };
    let create = |name: &str, interface: &str| {
        let file = instance.file(&format!("{name}.xml"), &domain(name, interface));
        instance.virsh_fails(&["create", &file])
    };
    let said = create("deviceless", &passt("<source dev='nowhere0'/>"));
    assert!(
        said.contains("passt failed") && said.contains("nowhere0"),
        "{said}"
    );
    let said = create(
        "backwards",
        &passt("<portForward proto='tcp'><range start='90' end='80'/></portForward>"),
    );
    assert!(said.contains("passt failed") && said.contains("90-80"), "{said}");
    let said = create(
        "elsewhere",
        &passt("<portForward proto='tcp' address='nonsense'/>"),
    );
    assert!(said.contains("XML error") && said.contains("nonsense"), "{said}");
    let said = create(
        "twice",
        &passt("<ip address='10.0.0.1'/><ip address='10.0.0.2'/>"),
    );
    assert!(said.contains("unsupported configuration"), "{said}");
    let plain = "<interface type='user'><portForward proto='tcp'/></interface>";
    assert!(create("plain", plain).contains("<portForward>"));
    // A start that fails behind it leaves no passt.
    let disk = "<disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vda'/></disk>";
    create("diskless", &format!("{}{disk}", passt("")));
    wait_for("everything to go", || {
        instance.left_overs().is_empty().then_some(())
    });
}

#[test]
fn passt_that_shares_the_guests_memory() {
    let Some(instance) = instance() else { return };
    let interface = "<interface type='vhostuser'><source dev='out0'/><model type='virtio'/>\
                     <backend type='passt'/></interface>";
    let alone = instance.file("alone.xml", &domain("alone", interface));
    let said = instance.virsh_fails(&["create", &alone]);
    assert!(said.contains("shared memory"), "{said}");
    let backing = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><vcpu>";
    let document = domain("sharing", interface).replace("<vcpu>", backing);
    let file = instance.file("sharing.xml", &document);
    let help = Command::new("passt").arg("--help").output().unwrap();
    let help = [help.stdout, help.stderr].concat();
    if String::from_utf8_lossy(&help).contains("--vhost-user") {
        instance.virsh(&["create", &file]);
        assert!(arguments(&instance, "passt").unwrap().contains("--vhost-user"));
        instance.virsh(&["destroy", "sharing"]);
    } else {
        let said = instance.virsh_fails(&["create", &file]);
        assert!(
            said.contains("--vhost-user") && said.contains("not supported"),
            "{said}"
        );
    }
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}
