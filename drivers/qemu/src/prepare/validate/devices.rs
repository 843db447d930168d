//! Devices that need or exclude something else.

use super::super::machine::{Board, Machine};
use super::{unsupported, wrong};
use error::Result;
use model::domain::Domain;
use model::domain::devices::chardev::SerialTargetType;
use model::domain::devices::controller::{ControllerKind, ControllerType, UsbModel};
use model::domain::devices::input::InputBus;
use model::domain::devices::iommu::IommuModel;
use model::domain::devices::video::VideoType;
use model::domain::devices::{Address, Graphics};
use model::domain::features::Switch;
use std::collections::BTreeSet;

/// The most ports of an xHCI controller.
const XHCI_PORTS: u32 = 15;

/// The lowest vsock address that a guest can have: those below stand for the loopback and the host.
const FIRST_GUEST_CID: u32 = 3;

/// Checks all kinds.
pub(super) fn check(domain: &Domain, machine: &Machine) -> Result<()> {
    usb(domain)?;
    controllers(domain)?;
    board(domain, machine)?;
    screens(domain)?;
    others(domain)
}

fn usb(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    let models: Vec<(Option<UsbModel>, Option<u32>, Option<u32>)> = devices
        .controllers
        .iter()
        .filter_map(|controller| match controller.kind {
            ControllerKind::Usb { model, ports } => Some((model, ports, controller.index)),
            _ => None,
        })
        .collect();
    if models.iter().any(|(model, ..)| *model == Some(UsbModel::None)) {
        if models.len() > 1 {
            return Err(unsupported(
                "<controller type='usb' model='none'> excludes other USB controllers",
            ));
        }
        if !devices.hubs.is_empty() {
            return Err(unsupported("<hub>: USB is switched off for this domain"));
        }
    }
    for (model, ports, index) in &models {
        if matches!(model, Some(UsbModel::NecXhci | UsbModel::QemuXhci))
            && ports.is_some_and(|ports| ports > XHCI_PORTS)
        {
            return Err(unsupported(format!(
                "<controller type='usb'>: an xHCI controller has at most {XHCI_PORTS} ports"
            )));
        }
        let companion = matches!(
            model,
            Some(UsbModel::Ich9Uhci1 | UsbModel::Ich9Uhci2 | UsbModel::Ich9Uhci3)
        );
        let led = |of: &Option<u32>| {
            models
                .iter()
                .any(|(model, _, index)| *model == Some(UsbModel::Ich9Ehci1) && index == of)
        };
        if companion && index.is_some() && !led(index) {
            return Err(wrong(
                "<controller type='usb'>: a companion needs a controller of model 'ich9-ehci1' with its index",
            ));
        }
    }
    Ok(())
}

fn controllers(domain: &Domain) -> Result<()> {
    for controller in &domain.devices.controllers {
        let threaded = controller
            .driver
            .as_ref()
            .is_some_and(|driver| driver.iothread.is_some());
        if threaded && controller.bus() != ControllerType::Scsi {
            return Err(wrong(format!(
                "<controller type='{}'>: only virtio SCSI controllers are served by an I/O thread",
                controller.bus()
            )));
        }
    }
    Ok(())
}

fn board(domain: &Domain, machine: &Machine) -> Result<()> {
    let features = domain.features.as_deref();
    if let Some(iommu) = &domain.devices.iommu {
        match iommu.model {
            IommuModel::Intel if machine.board != Board::Q35 => {
                return Err(unsupported("<iommu model='intel'> needs the machine type 'q35'"));
            }
            IommuModel::Virtio if !features.is_some_and(|features| features.acpi) => {
                return Err(unsupported("<iommu model='virtio'> needs <acpi/>"));
            }
            _ => {}
        }
    }
    let off = |switch: Option<Switch>| switch.is_some_and(|switch| !switch.is_on());
    if features.is_some_and(|features| off(features.ps2))
        && domain
            .devices
            .inputs
            .iter()
            .any(|input| input.bus == Some(InputBus::Ps2))
    {
        return Err(unsupported(
            "<input bus='ps2'>: the feature <ps2> is switched off",
        ));
    }
    let reserved = features
        .and_then(|features| features.smm.as_ref())
        .is_some_and(|smm| smm.tseg.is_some());
    if reserved && machine.board != Board::Q35 {
        return Err(unsupported("<smm>: <tseg> needs the machine type 'q35'"));
    }
    for serial in &domain.devices.serials {
        let kind = serial.target.as_ref().and_then(|target| target.kind);
        if let Some(kind @ (SerialTargetType::SpaprVio | SerialTargetType::System | SerialTargetType::Sclp)) =
            kind
        {
            return Err(unsupported(format!(
                "<serial><target type='{kind}'> is a port of another architecture"
            )));
        }
    }
    Ok(())
}

fn screens(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    let headless = devices
        .graphics
        .iter()
        .any(|server| matches!(server, Graphics::EglHeadless { .. }));
    let shown = devices
        .graphics
        .iter()
        .any(|server| matches!(server, Graphics::Vnc(_) | Graphics::Spice(_)));
    if headless && !shown && devices.graphics.len() > 1 {
        return Err(unsupported(
            "<graphics type='egl-headless'> goes with a server of type 'vnc' or 'spice' only",
        ));
    }
    let kind = |video: &model::domain::devices::Video| video.model.as_ref().map(|model| model.kind);
    if devices.videos.len() > 1
        && devices
            .videos
            .iter()
            .any(|video| kind(video) == Some(VideoType::None))
    {
        return Err(unsupported("<video>: type 'none' excludes other screens"));
    }
    let ramfb = devices
        .videos
        .iter()
        .find(|video| kind(video) == Some(VideoType::Ramfb));
    if ramfb.is_some_and(|video| matches!(video.info.address, Some(Address::Pci(_)))) {
        return Err(unsupported("<video>: type 'ramfb' has no address"));
    }
    Ok(())
}

fn others(domain: &Domain) -> Result<()> {
    for interface in &domain.devices.interfaces {
        let driver = interface.driver.as_ref();
        for (name, size) in [
            ("rx_queue_size", driver.and_then(|driver| driver.rx_queue_size)),
            ("tx_queue_size", driver.and_then(|driver| driver.tx_queue_size)),
        ] {
            if size.is_some_and(|size| !size.is_power_of_two()) {
                return Err(unsupported(format!(
                    "<interface>: {name} has to be a power of two"
                )));
            }
        }
    }
    let cid = domain.devices.vsock.as_ref().and_then(|vsock| vsock.cid.as_ref());
    if cid
        .and_then(|cid| cid.address)
        .is_some_and(|address| address < FIRST_GUEST_CID)
    {
        return Err(unsupported(format!(
            "<vsock>: addresses of guests begin with {FIRST_GUEST_CID}"
        )));
    }
    for shmem in &domain.devices.shmems {
        if shmem.msi.is_some() && shmem.server.is_none() {
            return Err(wrong(format!(
                "<shmem name='{}'>: <msi> needs a <server>",
                shmem.name
            )));
        }
    }
    let mut models = BTreeSet::new();
    for label in &domain.seclabels {
        let model = label.model.as_deref();
        if domain.seclabels.len() > 1 && model.is_none() {
            return Err(wrong("<seclabel>: with more than one each names its model"));
        }
        if !models.insert(model) {
            return Err(wrong(format!(
                "<seclabel model='{}'> is there twice",
                model.unwrap_or_default()
            )));
        }
    }
    Ok(())
}
