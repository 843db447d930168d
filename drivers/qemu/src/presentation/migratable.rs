//! The document as another host needs it, which may run an older libvirt.
//!
//! Devices that every libvirt adds by itself are left out, since an older one may not know them as devices; so is what
//! the start chose for this host.

use model::domain::Domain;
use model::domain::devices::audio::AudioType;
use model::domain::devices::controller::{ControllerKind, ControllerType, PciModel, UsbModel};
use model::domain::devices::input::{InputBus, InputType};
use model::domain::devices::watchdog::{WatchdogAction, WatchdogModel};
use model::domain::devices::{Controller, Devices};

/// Takes from a live document what its start chose. `origin` is the document it was started from; devices do not come
/// and go while a guest runs, so those of the origin are the guest's.
pub(super) fn without_choices(live: &mut Domain, origin: Domain) {
    live.id = None;
    live.cpu = origin.cpu;
    live.devices = origin.devices;
    live.seclabels = origin.seclabels;
}

/// Leaves out the devices that come by themselves.
pub(super) fn without_implicit(domain: &mut Domain) {
    let q35 = domain.is_q35();
    let devices = &mut domain.devices;
    if !q35 {
        only_of(devices, ControllerType::Usb, |controller| {
            matches!(
                controller.kind,
                ControllerKind::Usb {
                    model: Some(UsbModel::Piix3Uhci),
                    ..
                }
            )
        });
        only_of(devices, ControllerType::Pci, |controller| {
            let is_root =
                matches!(&controller.kind, ControllerKind::Pci(pci) if pci.model == Some(PciModel::PciRoot));
            is_root && controller.pci_hole64.is_none()
        });
    }
    devices
        .inputs
        .retain(|input| !(input.kind == InputType::Keyboard && input.bus == Some(InputBus::Ps2)));
    if let [only] = devices.audios.as_slice()
        && only.kind == AudioType::None
        && only.id == 1
    {
        devices.audios.clear();
    }
    devices.watchdogs.retain(|watchdog| {
        watchdog.model != WatchdogModel::Itco || watchdog.action != Some(WatchdogAction::Reset)
    });
}

/// Leaves out the only controller of a kind, if it is the one that comes by itself.
fn only_of(devices: &mut Devices, kind: ControllerType, implicit: impl Fn(&Controller) -> bool) {
    let of_kind = devices.controllers_of(kind).count();
    if of_kind == 1 {
        devices.controllers.retain(|controller| {
            controller.bus() != kind || controller.index != Some(0) || !implicit(controller)
        });
    }
}
