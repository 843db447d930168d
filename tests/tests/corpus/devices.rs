//! The devices of a live document against those that QEMU tells of.

use crate::held::text_of;
use roxmltree::Node;
use serde_json::Value;
use std::collections::BTreeMap;

type Address = (u64, u64, u64);

fn devices<'a, 'i>(root: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    let all = root.children().filter(|node| node.has_tag_name("devices"));
    all.flat_map(|devices| devices.children().filter(Node::is_element))
}

fn child<'a, 'i>(node: Node<'a, 'i>, tag: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(tag))
}

fn alias<'a>(device: Node<'a, '_>) -> Option<&'a str> {
    child(device, "alias")?.attribute("name")
}

/// Where on PCI a document has a device, by the number of its bus in the document.
fn address(device: Node<'_, '_>) -> Option<Address> {
    let address = child(device, "address").filter(|address| address.attribute("type") == Some("pci"))?;
    // Without a slot it only says that the device is on PCI.
    address.attribute("slot")?;
    let figure = |name: &str| {
        let text = address.attribute(name).unwrap_or("0");
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    };
    Some((figure("bus")?, figure("slot")?, figure("function")?))
}

/// Every device on PCI is where the document says. What is behind bridges QEMU tells only once the firmware has numbered them:
/// such a device is asked itself.
pub(crate) fn pci(
    root: Node<'_, '_>,
    answer: &Value,
    property: &dyn Fn(&str, &str) -> Option<String>,
) -> Vec<String> {
    let mut found = BTreeMap::new();
    for bus in answer.as_array().into_iter().flatten() {
        collect(&bus["devices"], &mut found);
    }
    let mut wrong = Vec::new();
    for device in devices(root) {
        let (Some(alias), Some((bus, slot, function))) = (alias(device), address(device)) else {
            continue;
        };
        // Companions have no name in QEMU, and their controller's in the document.
        if child(device, "master").is_some_and(|master| master.has_attribute("startport"))
            || is_built_in(device)
        {
            continue;
        }
        let seen = found.get(alias).copied();
        let at = match seen {
            Some(at) => Some(at),
            None => property(alias, "addr").as_deref().and_then(place),
        };
        match at {
            None => wrong.push(format!("{alias} is not on PCI")),
            Some(at) if at != (slot, function) => {
                wrong.push(format!("{alias} is in slot {at:?}, not {slot}.{function}"));
            }
            Some(_) if seen.is_some() => {}
            Some(_) => {
                let parent = property(alias, "parent_bus").unwrap_or_default();
                let bus = [format!("pci.{bus}"), format!("pcie.{bus}")];
                if !bus.iter().any(|bus| parent.ends_with(&format!("/{bus}"))) {
                    wrong.push(format!("{alias} is on '{parent}', not on {}", bus[0]));
                }
            }
        }
    }
    wrong
}

/// A slot and function as QEMU tells them, in one number.
fn place(text: &str) -> Option<(u64, u64)> {
    let both: u64 = text.parse().ok()?;
    Some((both >> 3, both & 7))
}

fn collect(devices: &Value, found: &mut BTreeMap<String, (u64, u64)>) {
    for device in devices.as_array().into_iter().flatten() {
        let figure = |name: &str| device[name].as_u64().unwrap_or_default();
        if let Some(id) = device["qdev_id"].as_str().filter(|id| !id.is_empty()) {
            found.insert(id.to_owned(), (figure("slot"), figure("function")));
        }
        collect(&device["pci_bridge"]["devices"], found);
    }
}

/// Whether the machine has the device by itself, so that nobody named it.
fn is_built_in(device: Node<'_, '_>) -> bool {
    let at = address(device);
    let kind = device.attribute("type").unwrap_or_default();
    let model = device.attribute("model").unwrap_or_default();
    match device.tag_name().name() {
        "controller" => {
            matches!(model, "pci-root" | "pcie-root")
                || (kind == "ide" && at == Some((0, 1, 1)))
                || (kind == "sata" && at == Some((0, 0x1f, 2)))
                || (kind == "usb" && at == Some((0, 1, 2)))
        }
        "video" => child(device, "model").and_then(|model| model.attribute("type")) == Some("none"),
        _ => false,
    }
}

/// Every device that has a name of its own in QEMU is there under it.
pub(crate) fn present(root: Node<'_, '_>, answer: &Value) -> Vec<String> {
    let there: Vec<&str> = answer
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let named = [
        "disk",
        "interface",
        "sound",
        "rng",
        "watchdog",
        "memballoon",
        "redirdev",
        "hub",
        "input",
        "video",
        "shmem",
        "tpm",
        "vsock",
        "crypto",
        "iommu",
        "panic",
        "filesystem",
        "smartcard",
        "memory",
        "channel",
    ];
    devices(root)
        .filter(|device| named.contains(&device.tag_name().name()))
        .filter(|device| !is_of_the_machine(*device))
        .filter_map(|device| alias(device))
        .filter(|alias| !there.contains(alias))
        .map(|alias| format!("QEMU has no device '{alias}'"))
        .collect()
}

/// Whether the machine's own part or a switch of it stands for the device.
fn is_of_the_machine(device: Node<'_, '_>) -> bool {
    let model = device.attribute("model").unwrap_or_default();
    let bus = device.attribute("bus").unwrap_or_default();
    let target = |name: &str| child(device, "target").and_then(|target| target.attribute(name));
    match device.tag_name().name() {
        "disk" => target("bus") == Some("sd"),
        "input" => bus == "ps2" || device.attribute("type") == Some("evdev"),
        "watchdog" => model == "itco",
        "panic" => matches!(model, "hyperv" | "isa"),
        "memballoon" => model == "none",
        "video" => child(device, "model").and_then(|model| model.attribute("type")) == Some("none"),
        "channel" => target("type") == Some("guestfwd"),
        "memory" => model == "sgx-epc",
        "sound" => model == "pcspk",
        "iommu" => model == "smmuv3",
        _ => false,
    }
}

/// Every disk has its drive, opened from its source.
pub(crate) fn disks(root: Node<'_, '_>, drives: &Value, nodes: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let drives: Vec<&Value> = drives.as_array().into_iter().flatten().collect();
    let nodes: Vec<&Value> = nodes.as_array().into_iter().flatten().collect();
    for disk in devices(root).filter(|device| device.has_tag_name("disk")) {
        let Some(alias) = alias(disk) else { continue };
        let drive = drives.iter().find(|drive| {
            let name = drive["qdev"].as_str().unwrap_or_default();
            name.split('/').any(|part| part == alias)
        });
        let Some(drive) = drive else {
            if !is_of_the_machine(disk) {
                wrong.push(format!("disk '{alias}' has no drive"));
            }
            continue;
        };
        let source = child(disk, "source");
        let path = source.and_then(|source| source.attribute("file").or(source.attribute("dev")));
        match path {
            Some(path)
                if !nodes
                    .iter()
                    .any(|node| node["file"].as_str().is_some_and(|file| opens(file, path))) =>
            {
                wrong.push(format!("nothing is opened from '{path}' of '{alias}'"));
            }
            None if source.is_none() && drive["inserted"].is_object() => {
                wrong.push(format!("'{alias}' is not empty"));
            }
            _ => {}
        }
        let read_only = child(disk, "readonly").is_some() || disk.attribute("device") == Some("cdrom");
        if drive["inserted"]["ro"]
            .as_bool()
            .is_some_and(|ro| ro != read_only)
        {
            wrong.push(format!(
                "'{alias}' may {}be written to",
                if read_only { "" } else { "not " }
            ));
        }
    }
    wrong
}

/// Whether the name that QEMU has for what it opened is of that file; slices and filters wrap it.
fn opens(name: &str, path: &str) -> bool {
    name == path || name.contains(&format!("\"{}\"", path.replace('"', "\\\"")))
}

/// Every character device has its backend, of its kind.
pub(crate) fn chardevs(root: Node<'_, '_>, answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let all: Vec<(&str, &str)> = answer
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some((one["label"].as_str()?, one["filename"].as_str()?)))
        .collect();
    for device in devices(root) {
        if !["serial", "parallel", "channel", "console"].contains(&device.tag_name().name()) {
            continue;
        }
        let Some(alias) = alias(device) else { continue };
        let label = format!("char{alias}");
        let Some((_, file)) = all.iter().find(|(one, _)| *one == label) else {
            wrong.push(format!("QEMU has no backend '{label}'"));
            continue;
        };
        let kind = device.attribute("type").unwrap_or_default();
        let source = child(device, "source");
        let expected = match kind {
            "pty" => format!(
                "pty:{}",
                source
                    .and_then(|source| source.attribute("path"))
                    .unwrap_or_default()
            ),
            "unix" => "unix:".to_owned(),
            "tcp" => String::new(),
            "udp" => "udp".to_owned(),
            "pipe" | "dev" | "file" => kind.replace("dev", "serial"),
            other => other.to_owned(),
        };
        let stopped = file.starts_with("disconnected:");
        if !stopped && !file.starts_with(&expected) {
            wrong.push(format!("'{label}' is {file}, not {expected}"));
        }
    }
    wrong
}

/// There are as many I/O threads as are asked for.
pub(crate) fn threads(root: Node<'_, '_>, answer: &Value) -> Vec<String> {
    let expected: usize = text_of(root, "iothreads")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let found = answer.as_array().map_or(0, Vec::len);
    let same = expected == found;
    (!same)
        .then(|| format!("{found} I/O threads, not {expected}"))
        .into_iter()
        .collect()
}

/// The addresses that the document gives are those of the guest.
pub(crate) fn kept(given: Node<'_, '_>, live: Node<'_, '_>) -> Vec<String> {
    let mut left: Vec<(&str, Address)> = devices(live)
        .filter_map(|device| Some((device.tag_name().name(), address(device)?)))
        .collect();
    let mut wrong = Vec::new();
    for device in devices(given) {
        let Some(at) = address(device) else { continue };
        let own = (device.tag_name().name(), at);
        match left.iter().position(|one| *one == own) {
            Some(place) => drop(left.remove(place)),
            None => wrong.push(format!("no {} at {at:?} as the document says", own.0)),
        }
    }
    wrong
}
