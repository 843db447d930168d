//! What a network card's element leaves open, and what it says in vain.

use super::machine::{Board, Machine};
use model::Mac;
use model::domain::devices::interface::{
    BackendType, InterfaceDriver, InterfaceDriverName, InterfaceKind, InterfaceMac, InterfaceModel,
};
use model::domain::devices::{Devices, Interface};
use xml::YesNo;

/// Completes all cards.
pub(super) fn complete(devices: &mut Devices, machine: &Machine) {
    for interface in &mut devices.interfaces {
        one(interface, machine);
    }
}

/// The card of a board whose document names none.
fn default_model(board: Board) -> &'static str {
    match board {
        Board::ArmVirt => "virtio",
        Board::Versatile => "smc91c111",
        Board::Realview | Board::Arm => "lan9118",
        _ => "rtl8139",
    }
}

fn one(interface: &mut Interface, machine: &Machine) {
    let mac = interface.mac.get_or_insert_with(InterfaceMac::default);
    // An address of nothing is none.
    mac.address.take_if(|address| address.octets() == [0; 6]);
    mac.address.get_or_insert_with(random_mac);
    let passt = interface.backend.as_ref().and_then(|backend| backend.kind) == Some(BackendType::Passt);
    // A passed-through card is what it is.
    if !matches!(interface.kind, InterfaceKind::Hostdev { .. }) {
        let vhost_user = matches!(interface.kind, InterfaceKind::VhostUser { .. });
        let default = if vhost_user && passt {
            "virtio"
        } else {
            default_model(machine.board)
        };
        interface.model.get_or_insert_with(|| InterfaceModel {
            kind: default.to_owned(),
        });
    }
    if let Some(vlan) = &mut interface.vlan {
        vlan.trunk = vlan.is_trunk().then_some(YesNo::Yes);
    }
    if let InterfaceKind::Network { source } = &mut interface.kind {
        // The port is a run's.
        source.portid = None;
    }
    if let Some(driver) = interface.driver.as_mut() {
        if matches!(interface.kind, InterfaceKind::Hostdev { .. }) {
            driver.queues = None;
        }
        // One queue is what every card has.
        driver.queues.take_if(|queues| *queues <= 1);
    }
    if !interface.is_virtio() {
        interface
            .driver
            .take_if(|driver| driver.name != Some(InterfaceDriverName::Vfio));
        if let Some(backend) = interface.backend.as_mut() {
            backend.vhost = None;
        }
    }
    interface
        .driver
        .take_if(|driver| *driver == InterfaceDriver::default());
    if matches!(
        interface.kind,
        InterfaceKind::Hostdev { .. } | InterfaceKind::VhostUser { .. }
    ) {
        // Its packets never pass the host.
        interface.filter_ref = None;
    }
    coalescing(interface);
}

/// A limit of no frames is none.
fn coalescing(interface: &mut Interface) {
    let frames = |interface: &Interface| {
        let rx = interface.coalesce.as_ref()?.rx.as_ref()?;
        rx.frames.as_ref()?.max.filter(|max| *max > 0)
    };
    if frames(interface).is_none() {
        interface.coalesce = None;
    }
}

/// An address of QEMU's own range, with the rest at random.
fn random_mac() -> Mac {
    let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    Mac::qemu([a, b, c])
}
