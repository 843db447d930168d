//! Virtual functions of a network card, handed out by a network to guests and taken back from them. The card is emulated, and so
//! is the IOMMU, but what the kernel does with them is real: its drivers, VFIO and sysfs.

use crate::guests::Guest;
use crate::host::{daemon, property, run, systemctl, try_run, virsh, wait_for};
use end_to_end::idle_domain;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NETWORK: &str = "functions";

/// How many functions the card is given; the network's pool is these.
const FUNCTIONS: usize = 2;

/// The driver of the host's that functions have when nobody else has them.
const DRIVER: &str = "igbvf";

/// What QEMU's card calls a virtual function, as QEMU tells devices.
const FUNCTION_ID: &str = r#""device":4298"#;

fn network(arguments: &[&str]) -> String {
    let uri = ["-q", "-c", "network:///system"];
    run("virsh", &[&uri, arguments].concat())
}

/// The card, with functions, and the network that hands them out; both as they were when the value goes.
struct Card {
    link: String,
}

impl Card {
    fn start() -> Self {
        daemon("virtqemud");
        let links = fs::read_dir("/sys/class/net").unwrap().flatten();
        let mut names = links.map(|link| link.file_name().into_string().unwrap());
        let link = names
            .find(|name| Path::new(&format!("/sys/class/net/{name}/device/sriov_totalvfs")).exists())
            .unwrap_or_else(|| panic!("no card with virtual functions"));
        let card = Self { link };
        run("ip", &["link", "set", &card.link, "up"]);
        card.make(FUNCTIONS);
        for function in card.functions() {
            wait_for("a driver for each function", || {
                (driver(&function).as_deref() == Some(DRIVER)).then_some(())
            });
        }
        let document = format!(
            "<network><name>{NETWORK}</name><forward mode='hostdev' managed='yes'><pf dev='{}'/></forward></network>",
            card.link
        );
        let file = "/run/tested-functions.xml";
        fs::write(file, document).unwrap();
        network(&["net-define", file]);
        network(&["net-start", NETWORK]);
        card
    }

    fn make(&self, count: usize) {
        let file = format!("/sys/class/net/{}/device/sriov_numvfs", self.link);
        fs::write(file, count.to_string()).unwrap();
    }

    /// The functions' addresses.
    fn functions(&self) -> Vec<String> {
        let place = |number: usize| format!("/sys/class/net/{}/device/virtfn{number}", self.link);
        let addresses = (0..FUNCTIONS).map(|number| fs::read_link(place(number)).unwrap());
        addresses
            .map(|to| to.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    /// What the card has told a function.
    fn told(&self, number: usize) -> String {
        let all = run("ip", &["link", "show", &self.link]);
        let start = format!("vf {number} ");
        let line = all.lines().find(|line| line.trim_start().starts_with(&start));
        line.unwrap_or_else(|| panic!("{all}")).trim().to_owned()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        for arguments in [["net-destroy", NETWORK], ["net-undefine", NETWORK]] {
            let _ = try_run(
                "virsh",
                &[&["-q", "-c", "network:///system"][..], &arguments].concat(),
            );
        }
        let file = format!("/sys/class/net/{}/device/sriov_numvfs", self.link);
        let _ = fs::write(file, "0");
    }
}

/// The driver that has a PCI function.
fn driver(address: &str) -> Option<String> {
    let link = fs::read_link(format!("/sys/bus/pci/devices/{address}/driver")).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// The node by which VFIO gives a function to a process.
fn node(address: &str) -> String {
    let group = fs::read_link(format!("/sys/bus/pci/devices/{address}/iommu_group")).unwrap();
    format!("/dev/vfio/{}", group.file_name().unwrap().to_str().unwrap())
}

fn document(name: &str, devices: &str) -> String {
    idle_domain(name)
        .replace("machine='pc'", "machine='q35'")
        .replace("<devices>", &format!("<devices>{devices}"))
}

fn interface(mac: &str, more: &str) -> String {
    format!("<interface type='network'><mac address='{mac}'/><source network='{NETWORK}'/>{more}</interface>")
}

/// A passed-through PCI function.
fn hostdev(address: &str, managed: &str) -> String {
    let (place, function) = address.split_once('.').unwrap();
    let parts: Vec<&str> = place.split(':').collect();
    let [domain, bus, slot] = parts.as_slice() else {
        panic!("{address}")
    };
    format!(
        "<hostdev mode='subsystem' type='pci' managed='{managed}'><source><address domain='0x{domain}' bus='0x{bus}' \
         slot='0x{slot}' function='0x{function}'/></source></hostdev>"
    )
}

/// The function that a running guest's document names.
fn function_of(guest: &str, functions: &[String]) -> (usize, String) {
    let xml = virsh(&["dumpxml", guest]);
    assert!(xml.contains("<interface type='hostdev' managed='yes'>"), "{xml}");
    assert!(xml.contains("<driver name='vfio'/>"), "{xml}");
    assert!(xml.contains("<alias name='hostdev0'/>"), "{xml}");
    let named = functions.iter().enumerate().find(|(_, address)| {
        let (place, function) = address.split_once('.').unwrap();
        let parts: Vec<&str> = place.split(':').collect();
        let [domain, bus, slot] = parts.as_slice() else {
            panic!("{address}")
        };
        xml.contains(&format!(
            "<address type='pci' domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/>"
        ))
    });
    let (number, address) = named.unwrap_or_else(|| panic!("{functions:?} {xml}"));
    (number, address.clone())
}

/// Starting that guest is refused with these words.
fn refused(name: &str, document: &str, words: &str) {
    let file = format!("/tmp/{name}.xml");
    fs::write(&file, document).unwrap();
    let outcome = try_run("virsh", &["-q", "-c", "qemu:///system", "create", &file]);
    assert!(!outcome.success);
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    assert!(!Path::new(&format!("/run/libvirt/qemu/{name}.xml")).exists());
}

/// What is told of a function that is the host's again is what was told, but for its address: one that nobody has chosen is made up
/// by the card's driver when it takes a function up.
fn is_as_before(now: &str, before: &str, guests: &str) {
    let rest = |told: &str| -> Vec<String> {
        let mut words = told.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let link = words.iter().position(|word| word == "link/ether").unwrap();
        words.remove(link + 1);
        words
    };
    assert!(!now.contains(guests), "{now}");
    assert_eq!(rest(now), rest(before));
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn functions_of_a_card_go_to_guests_and_back() {
    let card = Card::start();
    let functions = card.functions();
    let before: Vec<String> = (0..FUNCTIONS).map(|number| card.told(number)).collect();
    let qemu = daemon("virtqemud");

    let first = Guest::from("first", &document("first", &interface("52:54:00:aa:00:01", "")));
    let (number, address) = function_of("first", &functions);
    assert_eq!(driver(&address).as_deref(), Some("vfio-pci"));
    assert!(
        card.told(number).contains("52:54:00:aa:00:01"),
        "{}",
        card.told(number)
    );
    // QEMU has it, may hold the guest's memory and opened a node that is its user's.
    let devices = virsh(&["qemu-monitor-command", "first", r#"{"execute":"query-pci"}"#]);
    assert!(devices.contains(FUNCTION_ID), "{devices}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", first.pid)).unwrap();
    let locked = limits
        .lines()
        .find(|line| line.starts_with("Max locked memory"))
        .unwrap();
    let bytes = ((32 << 20) + (1_u64 << 30)).to_string();
    assert!(locked.split_whitespace().any(|word| word == bytes), "{locked}");
    let process = fs::metadata(format!("/proc/{}", first.pid)).unwrap();
    assert_eq!(fs::metadata(node(&address)).unwrap().uid(), process.uid());

    let tagged = interface("52:54:00:aa:00:02", "<vlan><tag id='42'/></vlan>");
    let second = Guest::from("second", &document("second", &tagged));
    let (other_number, other) = function_of("second", &functions);
    assert_ne!(other, address);
    assert_eq!(driver(&other).as_deref(), Some("vfio-pci"));
    let told = card.told(other_number);
    assert!(
        told.contains("52:54:00:aa:00:02") && told.contains("vlan 42"),
        "{told}"
    );

    refused(
        "third",
        &document("third", &interface("52:54:00:aa:00:03", "")),
        "none are available",
    );
    let by_hand = hostdev(&address, "yes");
    refused(
        "fourth",
        &document("fourth", &by_hand),
        &format!("PCI device {address} is in use by driver QEMU, domain first"),
    );

    // The daemon is killed and knows everything again.
    let pid = qemu.pid();
    systemctl(&["kill", "--kill-who=main", "--signal=KILL", &qemu.service()]);
    wait_for("systemd to start it anew", || {
        (qemu.is_active() && qemu.pid() != pid).then_some(())
    });
    first.lives();
    refused(
        "fourth",
        &document("fourth", &by_hand),
        &format!("PCI device {address} is in use by driver QEMU, domain first"),
    );
    assert_eq!(
        network(&["net-port-list", NETWORK])
            .lines()
            .filter(|line| line.contains('-'))
            .count(),
        2
    );
    drop(first);
    assert_eq!(driver(&address).as_deref(), Some(DRIVER));
    is_as_before(&card.told(number), &before[number], "52:54:00:aa:00:01");

    // One ends while no daemon is there: the next one gives back what it had.
    let service = qemu.service();
    let sockets = qemu.sockets.iter().map(|socket| socket.unit.as_str());
    let units: Vec<&str> = sockets.chain([service.as_str()]).collect();
    systemctl(&[&["stop"], units.as_slice()].concat());
    run("kill", &["-KILL", &second.pid.to_string()]);
    wait_for("QEMU to be gone", || {
        (!Path::new(&format!("/proc/{}", second.pid)).exists()).then_some(())
    });
    assert_eq!(driver(&other).as_deref(), Some("vfio-pci"));
    systemctl(&[&["start"], units.as_slice()].concat());
    wait_for("the function to be the host's", || {
        (driver(&other).as_deref() == Some(DRIVER)).then_some(())
    });
    is_as_before(
        &card.told(other_number),
        &before[other_number],
        "52:54:00:aa:00:02",
    );
    drop(second);
    wait_for("no ports to be left", || {
        let ports = network(&["net-port-list", NETWORK]);
        (!ports.contains('-')).then_some(())
    });
    assert_eq!(property(&qemu.service(), "ActiveState"), "active");

    // And one is the next guest's again.
    let third = Guest::from("third", &document("third", &interface("52:54:00:aa:00:03", "")));
    let (number, address) = function_of("third", &functions);
    assert!(card.told(number).contains("52:54:00:aa:00:03"));
    drop(third);
    assert_eq!(driver(&address).as_deref(), Some(DRIVER));
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_function_that_is_not_managed_has_to_be_prepared() {
    let card = Card::start();
    let functions = card.functions();
    let address = &functions[0];
    let device = hostdev(address, "no");
    let document = document("prepared", &device);
    refused(
        "prepared",
        &document,
        &format!("Unmanaged PCI device {address} must be manually detached from the host"),
    );
    assert_eq!(driver(address).as_deref(), Some(DRIVER));
    run("modprobe", &["vfio-pci"]);
    let write = |file: &str, text: &str| fs::write(format!("/sys/bus/pci/{file}"), text).unwrap();
    write(&format!("devices/{address}/driver_override"), "vfio-pci");
    write(&format!("devices/{address}/driver/unbind"), address);
    write("drivers_probe", address);
    let guest = Guest::from("prepared", &document);
    guest.lives();
    drop(guest);
    // It stays prepared.
    assert_eq!(driver(address).as_deref(), Some("vfio-pci"));
    write(&format!("devices/{address}/driver_override"), "\n");
    write(&format!("devices/{address}/driver/unbind"), address);
    write("drivers_probe", address);
    assert_eq!(driver(address).as_deref(), Some(DRIVER));
}
