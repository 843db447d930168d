//! Places on PCI: which devices need one, on which bus they may be, and who gets which.
//!
//! ```text
//!  buses from <controller type='pci'> ─ take what the document gives ─ places the board fixes
//!     ─ new root ports and bridges, as many as are needed ─ the rest, in libvirt's order
//! ```

mod bus;
mod companions;
mod need;

use super::machine::{Board, Machine};
use bus::{Bus, Buses};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::address::PciAddress;
use model::domain::devices::controller::{
    ControllerKind, PciController, PciControllerModel, PciModel, PciModelName, PciTarget, UsbModel,
};
use model::domain::devices::{Address, Controller, DeviceKind, Devices};
use need::Slot;

/// Gives every PCI device its place.
pub(super) fn assign(domain: &mut Domain, machine: &Machine) -> Result<()> {
    if machine.board.first_bus().is_none() {
        return without_buses(domain, machine);
    }
    if machine.board == Board::ArmVirt {
        virtio_mmio(domain, machine);
    }
    let devices = &mut domain.devices;
    let mut buses = Buses::of(devices)?;
    name_buses(devices, &mut buses, machine)?;
    take_given(devices, &mut buses)?;
    companions::gather(devices, &mut buses)?;
    match machine.board {
        Board::I440fx => fixed_i440fx(devices, &mut buses)?,
        Board::Q35 => fixed_q35(devices, &mut buses)?,
        // The first slot is the bridge's own.
        _ => buses.reserve_slot(0, 0),
    }
    grow(devices, &mut buses, machine)?;
    place_bridges(devices, &mut buses)?;
    for (kind, index) in need::in_order(devices) {
        let Some(slot) = need::of(devices, kind, index, machine) else {
            continue;
        };
        let place = buses.free(slot).ok_or_else(|| {
            Error::new(
                Code::InternalError,
                ErrorDomain::Qemu,
                format!("no PCI place is left for a device ({kind:?} {index})"),
            )
        })?;
        if companions::is_member(devices, kind, index) {
            let group = devices.controllers.get(index).and_then(|one| one.index);
            companions::spread(devices, &mut buses, group, place)?;
            continue;
        }
        buses.take(place)?;
        set(devices, kind, index, place);
    }
    Ok(())
}

/// Who puts one virtio device of a `virt` machine into its memory means all of them.
fn virtio_mmio(domain: &mut Domain, machine: &Machine) {
    let mut wanted = false;
    domain
        .devices
        .for_each_info(|_, _, info| wanted |= info.address == Some(Address::VirtioMmio));
    if wanted {
        all_virtio_mmio(&mut domain.devices, machine);
    }
}

fn all_virtio_mmio(devices: &mut Devices, machine: &Machine) {
    for (kind, index) in need::in_order(devices) {
        let open = need::of(devices, kind, index, machine).is_some();
        if open && need::is_virtio(devices, kind, index) {
            set_address(devices, kind, index, Address::VirtioMmio);
        }
    }
}

/// A board with ISA alone has no place for what needs PCI; others find virtio devices elsewhere.
fn without_buses(domain: &mut Domain, machine: &Machine) -> Result<()> {
    let name = domain.os.r#type.machine.as_deref().unwrap_or_default();
    if name.starts_with("vexpress-") {
        // Its virtio devices are memory that the board's description tells of.
        all_virtio_mmio(&mut domain.devices, machine);
        return Ok(());
    }
    let isa = domain.os.r#type.machine.as_deref() == Some("isapc");
    let needs =
        |(kind, index): &(DeviceKind, usize)| need::of(&domain.devices, *kind, *index, machine).is_some();
    if isa && need::in_order(&domain.devices).iter().any(needs) {
        return Err(Error::new(
            Code::XmlError,
            ErrorDomain::Domain,
            "the machine type 'isapc' has no PCI bus for a device that needs one",
        ));
    }
    Ok(())
}

/// Adds the bridges of buses that an address names and no controller makes.
fn name_buses(devices: &mut Devices, buses: &mut Buses, machine: &Machine) -> Result<()> {
    let mut highest = 0;
    devices.for_each_info(|kind, _, info| {
        if let Some(place) = info.pci().filter(|_| kind != DeviceKind::Console) {
            highest = highest.max(place.bus);
        }
    });
    let model = if machine.board.is_express() {
        PciModel::PcieRootPort
    } else {
        PciModel::PciBridge
    };
    while buses.model(highest).is_none() {
        add(devices, buses, model)?;
    }
    Ok(())
}

fn set(devices: &mut Devices, kind: DeviceKind, index: usize, place: PciAddress) {
    set_address(devices, kind, index, Address::Pci(place));
}

fn set_address(devices: &mut Devices, kind: DeviceKind, index: usize, address: Address) {
    if let Some(info) = devices.info_mut(kind, index) {
        info.address = Some(address);
    }
}

fn given(devices: &Devices, kind: DeviceKind, index: usize) -> bool {
    let info = devices.info(kind, index);
    info.is_some_and(|info| info.pci().is_some_and(PciAddress::is_assigned))
}

/// Marks the places that the document gives.
fn take_given(devices: &Devices, buses: &mut Buses) -> Result<()> {
    let mut outcome = Ok(());
    devices.for_each_info(|kind, _, info| {
        // A console that is a serial port by another name repeats that port's address.
        if let Some(place) = info.pci().filter(|place| place.is_assigned())
            && kind != DeviceKind::Console
            && outcome.is_ok()
        {
            outcome = buses.take(*place);
        }
    });
    outcome?;
    for controller in &devices.controllers {
        let ControllerKind::Pci(pci) = &controller.kind else {
            continue;
        };
        let (Some(model), Some(place)) = (pci.model, controller.info.pci()) else {
            continue;
        };
        fits(model, *place, buses)?;
        if model == PciModel::PcieRootPort && place.bus == 0 && place.multifunction != Some(xml::OnOff::Off) {
            buses.share(place.slot);
        }
    }
    Ok(())
}

/// Whether a bridge may be on the bus where the document puts it.
fn fits(model: PciModel, place: PciAddress, buses: &Buses) -> Result<()> {
    let below: &[PciModel] = match model {
        PciModel::PciExpanderBus => &[PciModel::PciRoot],
        PciModel::PcieExpanderBus => &[PciModel::PcieRoot],
        PciModel::DmiToPciBridge | PciModel::PcieRootPort => &[PciModel::PcieRoot, PciModel::PcieExpanderBus],
        PciModel::PcieSwitchDownstreamPort => &[PciModel::PcieSwitchUpstreamPort],
        _ => return Ok(()),
    };
    if buses.model(place.bus).is_some_and(|bus| below.contains(&bus)) {
        return Ok(());
    }
    Err(Error::new(
        Code::XmlError,
        ErrorDomain::Domain,
        format!(
            "Invalid PCI address {place}: bus {} does not take a {model}",
            place.bus
        ),
    ))
}

/// The functions of the south bridge of `pc`, and the screen's slot.
fn fixed_i440fx(devices: &mut Devices, buses: &mut Buses) -> Result<()> {
    buses.reserve_slot(0, 0);
    for at in 0..devices.controllers.len() {
        let Some(controller) = devices.controllers.get(at) else {
            continue;
        };
        let function = match controller.kind {
            ControllerKind::Ide { .. } if controller.index == Some(0) => 1,
            ControllerKind::Usb {
                model: Some(UsbModel::Piix3Uhci),
                ..
            } if controller.index == Some(0) => 2,
            _ => continue,
        };
        let place = PciAddress::new(0, 0, 1, function);
        if given(devices, DeviceKind::Controller, at) {
            continue;
        }
        buses.take(place)?;
        set(devices, DeviceKind::Controller, at, place);
    }
    buses.reserve_slot(0, 1);
    primary_video(devices, buses, 2)
}

/// What the q35 board has at places of its own.
fn fixed_q35(devices: &mut Devices, buses: &mut Buses) -> Result<()> {
    buses.reserve_slot(0, 0);
    for at in 0..devices.controllers.len() {
        let Some(controller) = devices.controllers.get(at) else {
            continue;
        };
        if given(devices, DeviceKind::Controller, at) {
            continue;
        }
        let index = controller.index.unwrap_or(0);
        let place = match &controller.kind {
            ControllerKind::Sata if index == 0 => PciAddress::new(0, 0, 0x1f, 2),
            ControllerKind::Pci(pci) if pci.model == Some(PciModel::DmiToPciBridge) => {
                PciAddress::new(0, 0, 0x1e, 0)
            }
            _ => continue,
        };
        if !buses.is_free(place) {
            continue;
        }
        buses.take(place)?;
        set(devices, DeviceKind::Controller, at, place);
    }
    companions::on_board(devices, buses)?;
    buses.reserve_slot(0, 0x1f);
    let ich9 = devices
        .sounds
        .iter()
        .position(|sound| sound.model == model::domain::devices::sound::SoundModel::Ich9);
    if let Some(at) = ich9
        && !given(devices, DeviceKind::Sound, at)
    {
        let place = PciAddress::new(0, 0, 0x1b, 0);
        if buses.is_free(place) {
            buses.take(place)?;
            set(devices, DeviceKind::Sound, at, place);
        }
    }
    primary_video(devices, buses, 1)
}

/// Firmware looks for the first screen where every machine has had it.
fn primary_video(devices: &mut Devices, buses: &mut Buses, slot: u8) -> Result<()> {
    if devices.videos.is_empty() || given(devices, DeviceKind::Video, 0) || !need::is_pci_video(devices, 0) {
        return Ok(());
    }
    let place = PciAddress::new(0, 0, slot, 0);
    if buses.is_free(place) {
        buses.take(place)?;
        set(devices, DeviceKind::Video, 0, place);
    }
    Ok(())
}

/// Adds root ports and bridges until everybody has a place.
fn grow(devices: &mut Devices, buses: &mut Buses, machine: &Machine) -> Result<()> {
    let wanted: Vec<Slot> = need::in_order(devices)
        .into_iter()
        .filter_map(|(kind, index)| need::of(devices, kind, index, machine))
        .collect();
    let mut conventional = wanted.iter().filter(|slot| **slot == Slot::Conventional).count();
    if !machine.board.is_express() {
        // Bridges that are named but have no place yet take one too.
        conventional += unplaced_bridges(devices);
        while buses.free_conventional() < conventional {
            add(devices, buses, PciModel::PciBridge)?;
            conventional += 1;
        }
        return Ok(());
    }
    let own_ports = buses.has_ports();
    let ports_before = buses.free_ports();
    let mut used = 0;
    // Buses are made as devices ask for them, in their order, and QEMU makes them in the order of their numbers.
    for slot in wanted {
        match slot {
            Slot::Root => {}
            Slot::Express => {
                if buses.free_ports() == used {
                    add(devices, buses, PciModel::PcieRootPort)?;
                }
                used += 1;
            }
            Slot::Conventional => {
                if !buses.has_conventional() {
                    // The bridge sits in a port.
                    if buses.free_ports() == used {
                        add(devices, buses, PciModel::PcieRootPort)?;
                    }
                    add(devices, buses, PciModel::PcieToPciBridge)?;
                    used += 1;
                }
                while buses.free_conventional() < conventional {
                    add(devices, buses, PciModel::PciBridge)?;
                    conventional += 1;
                }
            }
        }
    }
    if buses.free_ports() > ports_before && !own_ports {
        // One port for a device that is plugged in later.
        add(devices, buses, PciModel::PcieRootPort)?;
    }
    Ok(())
}

fn unplaced_bridges(devices: &Devices) -> usize {
    let bridge = |controller: &&Controller| {
        matches!(&controller.kind, ControllerKind::Pci(pci) if pci.model == Some(PciModel::PciBridge))
            && !controller.info.pci().is_some_and(PciAddress::is_assigned)
    };
    devices.controllers.iter().filter(bridge).count()
}

fn add(devices: &mut Devices, buses: &mut Buses, model: PciModel) -> Result<()> {
    let index = buses.next_index()?;
    let kind = ControllerKind::Pci(PciController {
        model: Some(model),
        device: None,
        target: None,
    });
    devices.controllers.push(Controller::new(kind, u32::from(index)));
    buses.push(Bus::new(index, model));
    Ok(())
}

/// Places root ports and bridges, and fills in what follows from their places.
fn place_bridges(devices: &mut Devices, buses: &mut Buses) -> Result<()> {
    for at in 0..devices.controllers.len() {
        let Some(controller) = devices.controllers.get(at) else {
            continue;
        };
        let ControllerKind::Pci(pci) = &controller.kind else {
            continue;
        };
        let Some(model) = pci.model else { continue };
        if !given(devices, DeviceKind::Controller, at) {
            let place = match model {
                PciModel::PciRoot | PciModel::PcieRoot => None,
                PciModel::PcieRootPort => Some(buses.free_function()),
                PciModel::PciExpanderBus | PciModel::PcieExpanderBus | PciModel::DmiToPciBridge => {
                    Some(buses.free_on_root())
                }
                PciModel::PcieToPciBridge | PciModel::PcieSwitchUpstreamPort => {
                    Some(buses.free(Slot::Express))
                }
                PciModel::PcieSwitchDownstreamPort => Some(buses.free_below_upstream()),
                PciModel::PciBridge => Some(buses.free_for_bridge()),
            };
            if let Some(place) = place {
                let place = place.ok_or_else(|| {
                    Error::new(
                        Code::InternalError,
                        ErrorDomain::Qemu,
                        format!("no PCI place is left for a {model}"),
                    )
                })?;
                buses.take(place)?;
                set(devices, DeviceKind::Controller, at, place);
            }
        }
        if let Some(controller) = devices.controllers.get_mut(at) {
            options(controller, model);
        }
    }
    multifunction(devices);
    Ok(())
}

/// The device and the numbers of a bridge, where the document leaves them open.
fn options(controller: &mut Controller, model: PciModel) {
    let index = controller.index.unwrap_or(0);
    let place = controller.info.pci().copied();
    let ControllerKind::Pci(pci) = &mut controller.kind else {
        return;
    };
    let name = match model {
        PciModel::PciRoot | PciModel::PcieRoot => return,
        PciModel::PciBridge => PciModelName::PciBridge,
        PciModel::DmiToPciBridge => PciModelName::I82801b11Bridge,
        PciModel::PcieToPciBridge => PciModelName::PciePciBridge,
        PciModel::PcieRootPort => PciModelName::PcieRootPort,
        PciModel::PcieSwitchUpstreamPort => PciModelName::X3130Upstream,
        PciModel::PcieSwitchDownstreamPort => PciModelName::Xio3130Downstream,
        PciModel::PciExpanderBus => PciModelName::Pxb,
        PciModel::PcieExpanderBus => PciModelName::PxbPcie,
    };
    pci.device.get_or_insert(PciControllerModel { name });
    match model {
        PciModel::PciBridge => {
            pci.target
                .get_or_insert_with(PciTarget::default)
                .chassis_nr
                .get_or_insert(index);
        }
        PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => {
            let target = pci.target.get_or_insert_with(PciTarget::default);
            target.chassis.get_or_insert(index);
            if let Some(place) = place {
                // A switch has one port a slot, the machine eight.
                let port = if model == PciModel::PcieRootPort {
                    (u32::from(place.slot) << 3) | u32::from(place.function)
                } else {
                    u32::from(place.slot)
                };
                target.port.get_or_insert(xml::Hex(port));
            }
        }
        PciModel::PciExpanderBus | PciModel::PcieExpanderBus => {
            // Below the buses that the firmware numbers by itself.
            pci.target
                .get_or_insert_with(PciTarget::default)
                .bus_nr
                .get_or_insert(256 - index.saturating_mul(2));
        }
        _ => {}
    }
}

/// A slot with several functions says so on its first.
fn multifunction(devices: &mut Devices) {
    let mut others: Vec<(u32, u8, u8)> = Vec::new();
    devices.for_each_info(|_, _, info| {
        if let Some(place) = info.pci().filter(|place| place.function != 0) {
            others.push((place.domain, place.bus, place.slot));
        }
    });
    devices.for_each_info_mut(|_, _, info| {
        if let Some(Address::Pci(place)) = info.address.as_mut()
            && place.function == 0
            && place.multifunction.is_none()
            && others.contains(&(place.domain, place.bus, place.slot))
        {
            place.multifunction = Some(xml::OnOff::On);
        }
    });
}
