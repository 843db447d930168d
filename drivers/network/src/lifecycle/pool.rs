//! Networks that are pools of the host's cards: what is in them, and who gets which.

use crate::failure::{impossible, refused};
use crate::network::Network;
use error::{Code, Result};
use model::domain::devices::address::PciAddress;
use model::network::{
    Forward, ForwardInterface, ForwardMode, ForwardPci, Nat, NatPorts, Network as Document, VirtualPortType,
};
use std::fs;
use std::path::Path;

/// Where the kernel shows the host's links.
const LINKS: &str = "/sys/class/net";

/// Where it shows the host's devices.
const DEVICES: &str = "/sys/bus/pci/devices";

/// The ports that guests' packets leave with where the document names none.
const NAT_PORTS: NatPorts = NatPorts {
    start: 1024,
    end: 65535,
};

/// Says in a document that is going to be active what it leaves open: the ports of its NAT, the cards of its pool.
///
/// # Errors
/// [`Code::InternalError`] for a card without virtual functions.
pub(super) fn fill(document: &mut Document) -> Result<()> {
    let name = document.name.clone();
    let Some(forward) = &mut document.forward else {
        return Ok(());
    };
    if forward.mode == ForwardMode::Nat {
        let nat: &mut Nat = forward.nat.get_or_insert_default();
        nat.port.get_or_insert(NAT_PORTS);
        return Ok(());
    }
    let Some(card) = forward.pf.as_ref().map(|pf| pf.dev.clone()) else {
        return Ok(());
    };
    if !(forward.interfaces.is_empty() && forward.addresses.is_empty()) {
        return Ok(());
    }
    let functions = virtual_functions(Path::new(LINKS), &card);
    if functions.is_empty() {
        let text = format!("network '{name}': there are no virtual functions on the card '{card}'");
        return Err(refused(Code::InternalError, text));
    }
    for function in functions {
        if forward.mode == ForwardMode::Hostdev {
            forward.addresses.push(ForwardPci {
                address: function.address,
                connections: None,
            });
        } else if let Some(dev) = function.link {
            forward.interfaces.push(ForwardInterface {
                dev,
                connections: None,
            });
        }
    }
    Ok(())
}

/// Refuses a new document whose pool has devices that are no virtual functions: a guest that is given a whole card can change what
/// others get.
///
/// # Errors
/// [`Code::ConfigUnsupported`], naming the device.
pub(super) fn check(document: &Document) -> Result<()> {
    check_at(Path::new(DEVICES), document)
}

fn check_at(devices: &Path, document: &Document) -> Result<()> {
    let Some(forward) = &document.forward else {
        return Ok(());
    };
    for device in &forward.addresses {
        let place = devices.join(device.address.to_string());
        if !place.join("physfn").exists() {
            return Err(impossible(format!(
                "device '{}' in network '{}' is not an SR-IOV Virtual Function",
                place.display(),
                document.name
            )));
        }
    }
    Ok(())
}

/// A virtual function of a card.
#[derive(Debug, PartialEq, Eq)]
struct VirtualFunction {
    address: PciAddress,
    /// Its link, where a driver of the host's has it.
    link: Option<String>,
}

/// The virtual functions of a card, in their order.
fn virtual_functions(links: &Path, card: &str) -> Vec<VirtualFunction> {
    let device = links.join(card).join("device");
    let numbers = (0..u16::MAX).map(|number| device.join(format!("virtfn{number}")));
    let found = numbers.map_while(|link| fs::canonicalize(link).ok());
    found
        .filter_map(|folder| {
            let address = address(folder.file_name()?.to_str()?)?;
            let mut inside = fs::read_dir(folder.join("net")).into_iter().flatten().flatten();
            let link = inside
                .next()
                .and_then(|entry| entry.file_name().into_string().ok());
            Some(VirtualFunction { address, link })
        })
        .collect()
}

/// `0000:03:10.1` as an address.
fn address(text: &str) -> Option<PciAddress> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (slot, function) = rest.split_once('.')?;
    Some(PciAddress {
        domain: u32::from_str_radix(domain, 16).ok()?,
        bus: u8::from_str_radix(bus, 16).ok()?,
        slot: u8::from_str_radix(slot, 16).ok()?,
        function: u8::from_str_radix(function, 16).ok()?,
        ..PciAddress::default()
    })
}

fn none_left(network: &Network, why: &str) -> error::Error {
    refused(Code::InternalError, format!("network '{}' {why}", network.name))
}

/// The interface that the next guest gets a macvtap on.
///
/// # Errors
/// [`Code::InternalError`] when all are taken, or there are none.
pub(super) fn interface(
    network: &Network,
    forward: &Forward,
    profile: Option<VirtualPortType>,
) -> Result<String> {
    // A macvtap that passes everything through has its interface alone, and so has one whose switch wants that.
    let alone = forward.mode == ForwardMode::Passthrough
        || (forward.mode == ForwardMode::Private && profile == Some(VirtualPortType::Ieee8021Qbh));
    let users = |interface: &&ForwardInterface| network.ports.on_interface(&interface.dev);
    let all = forward.interfaces.iter();
    let chosen = if alone {
        all.clone().find(|interface| users(interface) == 0)
    } else {
        all.min_by_key(users)
    };
    match chosen {
        Some(interface) => Ok(interface.dev.clone()),
        None if alone && !forward.interfaces.is_empty() => Err(none_left(
            network,
            "requires exclusive access to interfaces, but none are available",
        )),
        None => Err(none_left(
            network,
            "uses a direct mode, but has no forward dev and no interface pool",
        )),
    }
}

/// The device that the next guest gets.
///
/// # Errors
/// [`Code::InternalError`] when all are taken.
pub(super) fn device(network: &Network, forward: &Forward) -> Result<PciAddress> {
    let mut free = forward.addresses.iter();
    let free = free.find(|device| network.ports.with_device(device) == 0);
    free.map(|device| device.address).ok_or_else(|| {
        none_left(
            network,
            "requires exclusive access to interfaces, but none are available",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Port, State};
    use model::network::{HostPci, NetworkPort as PortDocument, Plug};
    use std::os::unix::fs::symlink;

    #[test]
    fn virtual_functions_are_found_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let (links, bus) = (dir.path().join("net"), dir.path().join("bus"));
        let device = links.join("eth9/device");
        fs::create_dir_all(&device).unwrap();
        for (number, place, link) in [(0, "0000:03:10.0", Some("eth9v0")), (1, "0001:03:1f.7", None)] {
            let folder = bus.join(place);
            fs::create_dir_all(&folder).unwrap();
            if let Some(link) = link {
                fs::create_dir_all(folder.join("net").join(link)).unwrap();
            }
            symlink(&folder, device.join(format!("virtfn{number}"))).unwrap();
        }
        let found = virtual_functions(&links, "eth9");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].link.as_deref(), Some("eth9v0"));
        let second = found[1].address;
        assert_eq!(
            (second.domain, second.bus, second.slot, second.function),
            (1, 3, 0x1f, 7)
        );
        assert!(virtual_functions(&links, "nowhere").is_empty());
    }

    /// A pool of two devices.
    fn pool() -> Document {
        let device = |slot| format!("<address type='pci' domain='0' bus='3' slot='{slot}' function='0'/>");
        let text = format!(
            "<network><name>pool</name><forward mode='hostdev' managed='yes'>{}{}</forward></network>",
            device(1),
            device(2)
        );
        Document::from_xml(&text).unwrap()
    }

    #[test]
    fn only_virtual_functions_are_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |devices: &Path| check_at(devices, &pool()).unwrap_err();
        fs::create_dir_all(dir.path().join("0000:03:01.0/physfn")).unwrap();
        assert_eq!(refused(dir.path()).code(), Code::ConfigUnsupported);
        assert!(refused(dir.path()).to_string().contains("0000:03:02.0"));
        fs::create_dir_all(dir.path().join("0000:03:02.0/physfn")).unwrap();
        check_at(dir.path(), &pool()).unwrap();
    }

    #[test]
    fn no_device_is_handed_out_twice() {
        let document = pool();
        let network = Network::new(uuid::Uuid::new_v4(), State::new(document.clone()));
        let forward = document.forward.as_ref().unwrap();
        let port = |address| {
            let text = format!(
                "<networkport><uuid>{}</uuid><owner><name>g</name><uuid>{}</uuid></owner><mac address='52:54:00:00:00:01'/>\
                 </networkport>",
                uuid::Uuid::new_v4(),
                uuid::Uuid::new_v4()
            );
            let mut document = PortDocument::from_xml(&text).unwrap();
            document.plug = Some(Plug::HostdevPci {
                managed: None,
                driver: None,
                address: HostPci(address),
            });
            Port {
                uuid: document.uuid.unwrap(),
                document: std::sync::Arc::new(document),
            }
        };
        let first = device(&network, forward).unwrap();
        network.ports.put(port(first));
        let second = device(&network, forward).unwrap();
        assert_ne!(first.slot, second.slot);
        let given_back = port(second);
        network.ports.put(given_back.clone());
        let none = device(&network, forward).unwrap_err();
        assert!(none.to_string().contains("none are available"), "{none}");
        network.ports.remove(given_back.uuid);
        assert_eq!(device(&network, forward).unwrap().slot, second.slot);
    }
}
