//! Ports: of serial and parallel devices, of virtio-serial channels and consoles, of USB hubs.

use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::address::{UsbAddress, UsbPort, VirtioSerialAddress};
use model::domain::devices::chardev::{ChannelTarget, ConsoleTargetType};
use model::domain::devices::controller::{ControllerKind, UsbModel};
use model::domain::devices::disk::DiskBus;
use model::domain::devices::input::InputBus;
use model::domain::devices::{Address, DeviceInfo, Devices};
use std::collections::BTreeSet;

/// Gives a port to every device that needs one.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    virtio_serial(&mut domain.devices)?;
    usb(&mut domain.devices)
}

/// Port 0 of the first controller belongs to the console that is a whole device.
fn virtio_serial(devices: &mut Devices) -> Result<()> {
    /// Ports of a controller that names no number.
    const PORTS: u32 = 31;
    let controllers: Vec<(u32, u32)> = devices
        .controllers
        .iter()
        .filter_map(|controller| match controller.kind {
            ControllerKind::VirtioSerial { ports, .. } => {
                Some((controller.index.unwrap_or(0), ports.unwrap_or(PORTS)))
            }
            _ => None,
        })
        .collect();
    let mut taken = BTreeSet::new();
    let consoles = devices.consoles.iter_mut().filter(|console| {
        console.target.as_ref().and_then(|target| target.kind) == Some(ConsoleTargetType::Virtio)
    });
    let channels = devices
        .channels
        .iter_mut()
        .filter(|channel| matches!(channel.target, ChannelTarget::Virtio { .. }));
    let mut consoles: Vec<&mut DeviceInfo> = consoles.map(|console| &mut console.info).collect();
    let mut channels: Vec<&mut DeviceInfo> = channels.map(|channel| &mut channel.info).collect();
    for info in consoles.iter().chain(channels.iter()) {
        if let Some(Address::VirtioSerial(at)) = info.address.as_ref()
            && at.port != 0
            && !taken.insert((at.controller, at.port))
        {
            let text = format!(
                "virtio serial port {} on controller {} is already occupied",
                at.port, at.controller
            );
            return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
        }
    }
    let mut next = |first: u32| -> Option<VirtioSerialAddress> {
        let (controller, port) = controllers.iter().find_map(|(controller, ports)| {
            let first = if *controller == 0 { first } else { first.min(1) };
            (first..*ports)
                .find(|port| !taken.contains(&(*controller, *port)))
                .map(|port| (*controller, port))
        })?;
        taken.insert((controller, port));
        Some(VirtioSerialAddress {
            controller,
            bus: 0,
            port,
        })
    };
    let full = || {
        Error::new(
            Code::XmlError,
            ErrorDomain::Domain,
            "<channel>: no virtio-serial port is free",
        )
    };
    for (first, infos) in [(0, &mut consoles), (1, &mut channels)] {
        for info in infos.iter_mut() {
            let open = match info.address.as_ref() {
                None => true,
                Some(Address::VirtioSerial(at)) => at.port == 0 && first == 1,
                Some(_) => false,
            };
            if open {
                info.address = Some(Address::VirtioSerial(next(first).ok_or_else(full)?));
            }
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
        Some(UsbModel::Qusb1 | UsbModel::Qusb2) => ports.unwrap_or(8),
        _ => 2,
    }
}

fn usb(devices: &mut Devices) -> Result<()> {
    let mut buses: Vec<(u32, u32)> = Vec::new();
    for controller in &devices.controllers {
        if let ControllerKind::Usb { model, ports } = controller.kind {
            let companion = matches!(
                model,
                Some(UsbModel::Ich9Uhci1 | UsbModel::Ich9Uhci2 | UsbModel::Ich9Uhci3)
            );
            if model != Some(UsbModel::None) && !companion {
                buses.push((controller.index.unwrap_or(0), usb_ports(model, ports)));
            }
        }
    }
    let mut infos: Vec<&mut DeviceInfo> = Vec::new();
    infos.extend(devices.hubs.iter_mut().map(|hub| &mut hub.info));
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
    let mut taken: BTreeSet<(u32, u32)> = BTreeSet::new();
    for info in &infos {
        if let Some(Address::Usb(UsbAddress {
            bus,
            port: Some(UsbPort(path)),
        })) = info.address.as_ref()
            && let [port] = path.as_slice()
        {
            taken.insert((*bus, *port));
        }
    }
    for info in infos {
        let wanted = match info.address.as_ref() {
            None => None,
            Some(Address::Usb(at)) if at.port.is_none() => Some(at.bus),
            Some(_) => continue,
        };
        let free = buses
            .iter()
            .filter(|(bus, _)| wanted.is_none_or(|wanted| wanted == *bus))
            .find_map(|(bus, ports)| {
                (1..=*ports)
                    .find(|port| !taken.contains(&(*bus, *port)))
                    .map(|port| (*bus, port))
            });
        let (bus, port) = free.ok_or_else(|| {
            Error::new(
                Code::XmlError,
                ErrorDomain::Domain,
                "no USB port is free for a device; add a USB hub or controller",
            )
        })?;
        taken.insert((bus, port));
        info.address = Some(Address::Usb(UsbAddress {
            bus,
            port: Some(UsbPort(vec![port])),
        }));
    }
    Ok(())
}
