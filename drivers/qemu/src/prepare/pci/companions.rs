//! USB 2 controllers of ICH9: up to four controllers with one index, which are functions of one slot.

use super::bus::Buses;
use error::Result;
use model::domain::devices::address::PciAddress;
use model::domain::devices::controller::{ControllerKind, UsbModel};
use model::domain::devices::{Address, Controller, DeviceKind, Devices};

/// The function that a model has in its slot; `None` for one that stands alone.
fn function(controller: &Controller) -> Option<u8> {
    let ControllerKind::Usb { model, .. } = controller.kind else {
        return None;
    };
    match model? {
        UsbModel::Ich9Uhci1 => Some(0),
        UsbModel::Ich9Uhci2 => Some(1),
        UsbModel::Ich9Uhci3 => Some(2),
        UsbModel::Ich9Ehci1 => Some(7),
        _ => None,
    }
}

/// Whether a device is one of such a group.
pub(super) fn is_member(devices: &Devices, kind: DeviceKind, at: usize) -> bool {
    kind == DeviceKind::Controller && devices.controllers.get(at).and_then(function).is_some()
}

fn place(controller: &Controller) -> Option<PciAddress> {
    controller.info.pci().copied()
}

/// Whether another controller's slot is this one's too: of the same group, placed already or standing before it.
pub(super) fn follows(devices: &Devices, at: usize) -> bool {
    let Some(own) = devices.controllers.get(at) else {
        return false;
    };
    function(own).is_some()
        && devices
            .controllers
            .iter()
            .enumerate()
            .filter(|(other, one)| *other != at && one.index == own.index && function(one).is_some())
            .any(|(other, one)| other < at || place(one).is_some())
}

/// Gives the rest of every group a place in the slot where one of it is.
pub(super) fn gather(devices: &mut Devices, buses: &mut Buses) -> Result<()> {
    for at in 0..devices.controllers.len() {
        let Some((index, from)) = devices
            .controllers
            .get(at)
            .filter(|one| function(one).is_some())
            .and_then(|one| Some((one.index, place(one)?)))
        else {
            continue;
        };
        spread(devices, buses, index, from)?;
    }
    Ok(())
}

/// On a board that has them, the first two groups are where ICH9 has its own.
pub(super) fn on_board(devices: &mut Devices, buses: &mut Buses) -> Result<()> {
    for at in 0..devices.controllers.len() {
        let open = devices
            .controllers
            .get(at)
            .is_some_and(|one| function(one).is_some() && place(one).is_none());
        if !open || follows(devices, at) {
            continue;
        }
        let index = devices.controllers.get(at).and_then(|one| one.index);
        if let Some(slot) = [0x1d, 0x1a].into_iter().find(|slot| buses.is_slot_free(0, *slot)) {
            spread(devices, buses, index, PciAddress::new(0, 0, slot, 0))?;
        }
    }
    Ok(())
}

/// Gives the controllers of a group that have no place the functions of a slot.
pub(super) fn spread(
    devices: &mut Devices,
    buses: &mut Buses,
    index: Option<u32>,
    slot: PciAddress,
) -> Result<()> {
    for one in devices.controllers.iter_mut().filter(|one| one.index == index) {
        let (Some(function), None) = (function(one), place(one)) else {
            continue;
        };
        let mut own = PciAddress::new(slot.domain, slot.bus, slot.slot, function);
        if function == 0 {
            own.multifunction = Some(xml::OnOff::On);
        }
        if !buses.is_free(own) {
            continue;
        }
        buses.take(own)?;
        one.info.address = Some(Address::Pci(own));
    }
    Ok(())
}
