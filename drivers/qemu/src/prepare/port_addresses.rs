//! Ports: of serial and parallel devices, of virtio-serial channels and consoles, of USB hubs.

use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::address::{CcidAddress, UsbAddress, UsbPort, VirtioSerialAddress};
use model::domain::devices::chardev::{ChannelTarget, ConsoleTargetType, SerialTargetType};
use model::domain::devices::controller::{ControllerKind, ControllerType, UsbModel};
use model::domain::devices::disk::DiskBus;
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::input::InputBus;
use model::domain::devices::sound::SoundModel;
use model::domain::devices::{Address, DeviceInfo, Devices, Hub, Serial};
use std::collections::{BTreeSet, VecDeque};

/// Gives a port to every device that needs one. What is missing of controllers and hubs for that is added.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    virtio_serial(&mut domain.devices)?;
    smartcards(&mut domain.devices);
    usb(&mut domain.devices)
}

/// Readers without a place get the next free slot of the first controller.
fn smartcards(devices: &mut Devices) {
    let mut taken: BTreeSet<(u32, u32)> = BTreeSet::new();
    for reader in &devices.smartcards {
        if let Some(Address::Ccid(at)) = reader.info.address.as_ref() {
            taken.insert((at.controller, at.slot));
        }
    }
    for reader in devices
        .smartcards
        .iter_mut()
        .filter(|reader| reader.info.address.is_none())
    {
        let slot = (0..).find(|slot| !taken.contains(&(0, *slot))).unwrap_or(0);
        taken.insert((0, slot));
        reader.info.address = Some(Address::Ccid(CcidAddress { controller: 0, slot }));
    }
}

/// Channels get a port; consoles take what QEMU gives them. Port 0 of the first controller belongs to the console that is
/// a whole device.
fn virtio_serial(devices: &mut Devices) -> Result<()> {
    /// Ports of a controller that names no number.
    const PORTS: u32 = 31;
    /// The most that QEMU makes.
    const MOST: u32 = 511;
    let mut taken = BTreeSet::new();
    let consoles = devices.consoles.iter().filter(|console| {
        console.target.as_ref().and_then(|target| target.kind) == Some(ConsoleTargetType::Virtio)
    });
    let consoles = consoles.map(|console| &console.info);
    let channels = devices
        .channels
        .iter()
        .filter(|channel| matches!(channel.target, ChannelTarget::Virtio { .. }));
    let mut wanting = 0;
    for (info, is_channel) in consoles
        .map(|info| (info, false))
        .chain(channels.map(|channel| (&channel.info, true)))
    {
        match info.address.as_ref() {
            Some(Address::VirtioSerial(at)) if at.port != 0 => {
                let free = taken.insert((at.controller, at.port));
                if !free {
                    let text = format!(
                        "virtio serial port {} on controller {} is already occupied",
                        at.port, at.controller
                    );
                    return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
                }
            }
            Some(Address::VirtioSerial(_)) | None if is_channel => wanting += 1,
            _ => {}
        }
    }
    let free = |devices: &Devices| -> Vec<(u32, u32)> {
        let controllers = devices.controllers.iter().filter_map(|one| match one.kind {
            ControllerKind::VirtioSerial { ports, .. } => {
                Some((one.index.unwrap_or(0), ports.unwrap_or(PORTS).min(MOST)))
            }
            _ => None,
        });
        let mut controllers: Vec<_> = controllers.collect();
        controllers.sort_unstable();
        let all = controllers
            .into_iter()
            .flat_map(|(controller, ports)| (1..ports).map(move |port| (controller, port)));
        all.filter(|place| !taken.contains(place)).collect()
    };
    let mut places = free(devices);
    while places.len() < wanting {
        let next = devices
            .controllers_of(ControllerType::VirtioSerial)
            .filter_map(|one| one.index)
            .max()
            .map_or(0, |last| last.saturating_add(1));
        super::controllers::add(devices, ControllerType::VirtioSerial, next);
        places = free(devices);
    }
    let channels = devices
        .channels
        .iter_mut()
        .filter(|channel| matches!(channel.target, ChannelTarget::Virtio { .. }));
    let mut places = places.into_iter();
    for channel in channels {
        let open = match channel.info.address.as_ref() {
            None => true,
            Some(Address::VirtioSerial(at)) => at.port == 0,
            Some(_) => false,
        };
        if open && let Some((controller, port)) = places.next() {
            channel.info.address = Some(Address::VirtioSerial(VirtioSerialAddress {
                controller,
                bus: 0,
                port,
            }));
        }
    }
    Ok(())
}

/// How many ports the first USB controller has.
fn usb_ports(model: Option<UsbModel>, ports: Option<u32>) -> u32 {
    match model {
        None | Some(UsbModel::Piix3Uhci | UsbModel::Piix4Uhci | UsbModel::Vt82c686bUhci) => 2,
        Some(UsbModel::Ich9Ehci1 | UsbModel::Ehci) => 6,
        Some(UsbModel::PciOhci) => 3,
        Some(UsbModel::NecXhci | UsbModel::QemuXhci) => ports.unwrap_or(4),
        Some(UsbModel::Qusb1 | UsbModel::Qusb2) => ports.unwrap_or(8).min(15),
        _ => 2,
    }
}

/// Ports of a hub as QEMU makes it.
const HUB_PORTS: u32 = 8;

/// The ports of a controller, or of a hub behind one.
struct UsbPorts {
    bus: u32,
    /// The way from the controller to the hub.
    path: Vec<u32>,
    count: u32,
}

impl UsbPorts {
    fn all(&self) -> impl Iterator<Item = (u32, Vec<u32>)> {
        (1..=self.count).map(|port| {
            let mut path = self.path.clone();
            path.push(port);
            (self.bus, path)
        })
    }
}

fn usb_place(info: &DeviceInfo) -> Option<(u32, Vec<u32>)> {
    match info.address.as_ref() {
        Some(Address::Usb(UsbAddress {
            bus,
            port: Some(UsbPort(path)),
        })) => Some((*bus, path.clone())),
        _ => None,
    }
}

/// Every USB device but hubs.
fn usb_devices(devices: &mut Devices) -> Vec<&mut DeviceInfo> {
    let mut infos: Vec<&mut DeviceInfo> = Vec::new();
    infos.extend(
        devices
            .hostdevs
            .iter_mut()
            .filter(|hostdev| matches!(hostdev.kind, HostdevKind::Usb { .. }))
            .map(|hostdev| &mut hostdev.info),
    );
    infos.extend(
        devices
            .interfaces
            .iter_mut()
            .filter(|interface| interface.model_name() == Some("usb-net"))
            .map(|interface| &mut interface.info),
    );
    infos.extend(
        devices
            .controllers
            .iter_mut()
            .filter(|controller| controller.bus() == ControllerType::Ccid)
            .map(|controller| &mut controller.info),
    );
    infos.extend(
        devices
            .disks
            .iter_mut()
            .filter(|disk| disk.target.bus == Some(DiskBus::Usb))
            .map(|disk| &mut disk.info),
    );
    infos.extend(
        devices
            .inputs
            .iter_mut()
            .filter(|input| input.bus == Some(InputBus::Usb))
            .map(|input| &mut input.info),
    );
    infos.extend(devices.redirdevs.iter_mut().map(|redirdev| &mut redirdev.info));
    infos.extend(
        devices
            .sounds
            .iter_mut()
            .filter(|sound| sound.model == SoundModel::Usb)
            .map(|sound| &mut sound.info),
    );
    let is_usb = |serial: &&mut Serial| {
        serial.target.as_ref().and_then(|target| target.kind) == Some(SerialTargetType::Usb)
    };
    infos.extend(
        devices
            .serials
            .iter_mut()
            .filter(is_usb)
            .map(|serial| &mut serial.info),
    );
    infos
}

fn usb(devices: &mut Devices) -> Result<()> {
    let mut ports: Vec<UsbPorts> = Vec::new();
    for controller in &devices.controllers {
        if let ControllerKind::Usb { model, ports: count } = controller.kind {
            let companion = matches!(
                model,
                Some(UsbModel::Ich9Uhci1 | UsbModel::Ich9Uhci2 | UsbModel::Ich9Uhci3)
            );
            if model != Some(UsbModel::None) && !companion {
                ports.push(UsbPorts {
                    bus: controller.index.unwrap_or(0),
                    path: Vec::new(),
                    count: usb_ports(model, count),
                });
            }
        }
    }
    let mut taken = BTreeSet::new();
    let mut hubs: Vec<(u32, Vec<u32>)> = devices
        .hubs
        .iter()
        .filter_map(|hub| usb_place(&hub.info))
        .collect();
    // A hub comes after the one that it is plugged into.
    hubs.sort_by_key(|(bus, path)| (*bus, path.len(), path.clone()));
    for (bus, path) in hubs {
        take_usb(&ports, &mut taken, bus, &path)?;
        push_hub(&mut ports, bus, path);
    }
    let wanting = |info: &DeviceInfo| match info.address.as_ref() {
        None => true,
        Some(Address::Usb(at)) => at.port.is_none(),
        Some(_) => false,
    };
    let mut open = 0;
    for info in usb_devices(devices) {
        if let Some((bus, path)) = usb_place(info) {
            take_usb(&ports, &mut taken, bus, &path)?;
        }
        open += usize::from(wanting(info));
    }
    let unplaced = devices.hubs.iter().filter(|hub| wanting(&hub.info)).count();
    let all = ports.iter().flat_map(UsbPorts::all);
    // Each hub takes one port and brings its own.
    let gain = HUB_PORTS as usize - 1;
    let room = all
        .filter(|place| !taken.contains(place))
        .count()
        .saturating_add(unplaced * gain);
    if room < open && room > 0 {
        // With a port to spare.
        let hubs = (open - room + 1).div_ceil(gain);
        devices.hubs.extend(std::iter::repeat_with(Hub::usb).take(hubs));
    }
    for at in 0..devices.hubs.len() {
        let Some(hub) = devices.hubs.get_mut(at).filter(|hub| wanting(&hub.info)) else {
            continue;
        };
        let (bus, path) = usb_port(&mut hub.info, &ports, &mut taken)?;
        push_hub(&mut ports, bus, path);
    }
    let mut free: VecDeque<_> = ports
        .iter()
        .flat_map(UsbPorts::all)
        .filter(|place| !taken.contains(place))
        .collect();
    for info in usb_devices(devices).into_iter().filter(|info| wanting(info)) {
        let bus = wanted_bus(info);
        let at = free.iter().position(|(of, _)| bus.is_none_or(|bus| bus == *of));
        let (bus, path) = at.and_then(|at| free.remove(at)).ok_or_else(no_port)?;
        plug(info, bus, path);
    }
    Ok(())
}

/// Adds a hub's ports where a search finds them: behind the ports of what it is plugged into.
fn push_hub(ports: &mut Vec<UsbPorts>, bus: u32, path: Vec<u32>) {
    // Nothing is plugged in deeper than this.
    let count = if path.len() < UsbPort::MAX_DEPTH {
        HUB_PORTS
    } else {
        0
    };
    ports.push(UsbPorts { bus, path, count });
    ports.sort_by(|one, other| (one.bus, &one.path).cmp(&(other.bus, &other.path)));
}

/// Takes the port that a document gives.
fn take_usb(ports: &[UsbPorts], taken: &mut BTreeSet<(u32, Vec<u32>)>, bus: u32, path: &[u32]) -> Result<()> {
    let refused = |text: String| Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
    let named = || path.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    let Some((last, way)) = path.split_last() else {
        return Ok(());
    };
    if ports.iter().all(|one| one.bus != bus) {
        return refused(format!(
            "USB address bus='{bus}' port='{}': there is no such bus",
            named()
        ));
    }
    let Some(hub) = ports.iter().find(|one| one.bus == bus && one.path == way) else {
        return refused(format!(
            "USB address bus='{bus}' port='{}': there is no hub on the way to it",
            named()
        ));
    };
    if *last == 0 || *last > hub.count {
        return refused(format!(
            "USB address bus='{bus}' port='{}': ports go from 1 to {} there",
            named(),
            hub.count
        ));
    }
    if !taken.insert((bus, path.to_vec())) {
        return refused(format!(
            "USB address bus='{bus}' port='{}' is used twice",
            named()
        ));
    }
    Ok(())
}

/// The bus that a device's address names.
fn wanted_bus(info: &DeviceInfo) -> Option<u32> {
    match info.address.as_ref() {
        Some(Address::Usb(at)) => Some(at.bus),
        _ => None,
    }
}

fn no_port() -> Error {
    Error::new(
        Code::XmlError,
        ErrorDomain::Domain,
        "no USB port is free for a device; add a USB hub or controller",
    )
}

fn plug(info: &mut DeviceInfo, bus: u32, path: Vec<u32>) {
    info.address = Some(Address::Usb(UsbAddress {
        bus,
        port: Some(UsbPort(path)),
    }));
}

/// Gives a hub the first free port, of its bus where it names one.
fn usb_port(
    info: &mut DeviceInfo,
    ports: &[UsbPorts],
    taken: &mut BTreeSet<(u32, Vec<u32>)>,
) -> Result<(u32, Vec<u32>)> {
    let wanted = wanted_bus(info);
    let place = ports
        .iter()
        .filter(|ports| wanted.is_none_or(|wanted| wanted == ports.bus))
        .flat_map(UsbPorts::all)
        .find(|place| !taken.contains(place))
        .ok_or_else(no_port)?;
    taken.insert(place.clone());
    plug(info, place.0, place.1.clone());
    Ok(place)
}
