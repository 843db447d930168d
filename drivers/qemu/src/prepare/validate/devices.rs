//! Devices that need or exclude something else.

use super::super::machine::{Board, Machine};
use super::{internal, unsupported, wrong, wrong_detail};
use error::Result;
use model::domain::Domain;
use model::domain::devices::chardev::{ProtocolType, Reconnect, SerialTargetType, SourceMode};
use model::domain::devices::controller::{ControllerKind, ControllerType, UsbModel};
use model::domain::devices::disk::DiskBus;
use model::domain::devices::graphics::{Gl, Listen};
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::input::InputBus;
use model::domain::devices::iommu::IommuModel;
use model::domain::devices::rng::RngBackend;
use model::domain::devices::smartcard::SmartcardKind;
use model::domain::devices::tpm::TpmVersion;
use model::domain::devices::video::VideoType;
use model::domain::devices::watchdog::PanicModel;
use model::domain::devices::{Address, CharSource, Graphics};
use model::domain::features::Switch;
use std::collections::BTreeSet;
use xml::YesNo;

/// The most ports of an xHCI controller.
const XHCI_PORTS: u32 = 15;

/// The lowest vsock address that a guest can have: those below stand for the loopback and the host.
const FIRST_GUEST_CID: u32 = 3;

/// Checks all kinds.
pub(super) fn check(domain: &Domain, machine: &Machine) -> Result<()> {
    usb(domain)?;
    controllers(domain)?;
    board(domain, machine)?;
    foreign(domain, machine)?;
    screens(domain)?;
    character_devices(domain)?;
    others(domain)
}

/// Features of machines of other architectures.
fn foreign(domain: &Domain, machine: &Machine) -> Result<()> {
    let Some(features) = domain.features.as_deref() else {
        return Ok(());
    };
    let given = [
        ("hpt", features.hpt.is_some()),
        ("htm", features.htm.is_some()),
        ("nested-hv", features.nested_hv.is_some()),
        ("ccf-assist", features.ccf_assist.is_some()),
        ("cfpc", features.cfpc.is_some()),
        ("sbbc", features.sbbc.is_some()),
        ("ibs", features.ibs.is_some()),
        ("ras", features.ras.is_some() && machine.board != Board::ArmVirt),
        ("gic", features.gic.is_some() && machine.board != Board::ArmVirt),
        ("vmport", features.vmport.is_some() && machine.board.is_arm()),
        ("smm", features.smm.is_some() && machine.board.is_arm()),
        ("ps2", features.ps2.is_some() && machine.board.is_arm()),
        ("async-teardown", features.async_teardown.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(unsupported(format!(
            "<features>: <{name}> is not for this architecture and machine type"
        ))),
        None => Ok(()),
    }
}

/// What ports and channels are connected to.
fn character_devices(domain: &Domain) -> Result<()> {
    for (_, source) in domain.devices.all_chars() {
        ends(source)?;
    }
    for (_, source) in domain.devices.chars() {
        if let CharSource::Tcp {
            protocol: Some(protocol),
            ..
        } = source
            && !matches!(protocol.kind, ProtocolType::Raw | ProtocolType::Telnet)
        {
            return Err(unsupported(format!(
                "<protocol type='{}'>: QEMU speaks 'raw' and 'telnet'",
                protocol.kind
            )));
        }
    }
    for reader in &domain.devices.smartcards {
        if let SmartcardKind::Passthrough {
            source: source @ CharSource::Unix { .. },
        } = &reader.kind
            && source.path().is_none()
        {
            return Err(internal("<smartcard type='unix'>: <source> has no path"));
        }
    }
    for rng in &domain.devices.rngs {
        if let RngBackend::Egd {
            source: source @ CharSource::Unix { .. },
        } = &rng.backend
            && source.path().is_none()
        {
            return Err(internal("<rng><backend type='unix'>: <source> has no path"));
        }
    }
    Ok(())
}

/// Whether it is said where a connection leads to.
fn ends(source: &CharSource) -> Result<()> {
    let forever = |reconnect: &Option<Reconnect>| {
        reconnect
            .as_ref()
            .is_some_and(|one| one.enabled == Some(YesNo::Yes) && one.timeout.is_none())
    };
    let (service, reconnect) = match source {
        CharSource::Tcp {
            source: Some(source), ..
        } => (source.service.is_some(), forever(&source.reconnect)),
        CharSource::Unix { source: Some(source) } => {
            let reconnects = source
                .reconnect
                .as_ref()
                .is_some_and(|one| one.enabled == Some(YesNo::Yes));
            if reconnects && source.mode == SourceMode::Bind && source.path.is_none() {
                return Err(internal(
                    "<source mode='bind'>: who waits for others does not connect anew",
                ));
            }
            (true, forever(&source.reconnect))
        }
        CharSource::Udp { sources } => {
            let of = |mode| sources.iter().filter(move |source| source.mode == mode);
            if of(SourceMode::Connect).count() > 1 || of(SourceMode::Bind).count() > 1 {
                return Err(wrong("<source>: a UDP connection has one of each mode at most"));
            }
            let mut targets = of(SourceMode::Connect);
            (targets.next().is_none_or(|to| to.service.is_some()), false)
        }
        _ => return Ok(()),
    };
    if !service {
        return Err(internal("<source>: no 'service' tells the port"));
    }
    if reconnect {
        return Err(wrong("<reconnect enabled='yes'> needs a 'timeout'"));
    }
    Ok(())
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
            return wrong_detail("<controller type='usb' model='none'> excludes other USB controllers");
        }
        let on_usb = [
            ("hub", !devices.hubs.is_empty()),
            (
                "input",
                devices
                    .inputs
                    .iter()
                    .any(|input| input.bus == Some(InputBus::Usb)),
            ),
            (
                "disk",
                devices
                    .disks
                    .iter()
                    .any(|disk| disk.target.bus == Some(DiskBus::Usb)),
            ),
            ("redirdev", !devices.redirdevs.is_empty()),
            (
                "hostdev",
                devices
                    .hostdevs
                    .iter()
                    .any(|one| matches!(one.kind, HostdevKind::Usb { .. })),
            ),
        ];
        if let Some((what, _)) = on_usb.iter().find(|(_, there)| *there) {
            return Err(unsupported(format!(
                "<{what}>: USB is switched off for this domain"
            )));
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
            return wrong_detail(
                "<controller type='usb'>: a companion needs a controller of model 'ich9-ehci1' with its index",
            );
        }
    }
    Ok(())
}

fn controllers(domain: &Domain) -> Result<()> {
    let cells = domain
        .cpu
        .as_deref()
        .and_then(|cpu| cpu.numa.as_ref())
        .map_or(0, |numa| numa.cells.len());
    for controller in &domain.devices.controllers {
        if let ControllerKind::Pci(pci) = &controller.kind
            && let Some(node) = pci.target.as_ref().and_then(|target| target.node)
            && node as usize >= cells
        {
            return Err(wrong(format!(
                "<controller type='pci' index='{}'>: the guest has no NUMA node {node}",
                controller.index.unwrap_or(0)
            )));
        }
    }
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
            IommuModel::SmmuV3 if machine.board != Board::ArmVirt => {
                return Err(unsupported(
                    "<iommu model='smmuv3'> needs a machine type 'virt' of ARM",
                ));
            }
            IommuModel::Virtio if iommu.info.pci().is_some_and(|place| place.bus != 0) => {
                return Err(wrong("<iommu model='virtio'>: its place is on bus 0"));
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
        let foreign = match kind {
            Some(SerialTargetType::System) => machine.board != Board::ArmVirt,
            Some(SerialTargetType::SpaprVio | SerialTargetType::Sclp) => true,
            // The boards' own ports by the name that old documents give them.
            Some(SerialTargetType::Isa) => machine.board.is_arm() && machine.board != Board::ArmVirt,
            Some(SerialTargetType::IsaDebug) => machine.board.is_arm(),
            _ => false,
        };
        if let Some(kind) = kind.filter(|_| foreign) {
            return Err(unsupported(format!(
                "<serial><target type='{kind}'> is a port of other machines"
            )));
        }
    }
    for tpm in &domain.devices.tpms {
        if machine.board.is_arm() && tpm.backend.version == Some(TpmVersion::V1_2) {
            return Err(unsupported("<tpm>: ARM's machines have TPM 2.0 only"));
        }
    }
    for panic in &domain.devices.panics {
        let elsewhere = panic
            .info
            .address
            .as_ref()
            .is_some_and(|address| !matches!(address, Address::Pci(_)));
        if panic.model == Some(PanicModel::PvPanic) && elsewhere {
            return Err(unsupported("<panic model='pvpanic'>: its address is one of PCI"));
        }
    }
    Ok(())
}

fn screens(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    devices.graphics.iter().try_for_each(listening)?;
    let headless = devices
        .graphics
        .iter()
        .any(|server| matches!(server, Graphics::EglHeadless { .. }));
    let shown = devices
        .graphics
        .iter()
        .any(|server| matches!(server, Graphics::Vnc(_) | Graphics::Spice(_)));
    let gl = |gl: &Option<Gl>| gl.as_ref().is_some_and(|gl| gl.enable == Some(YesNo::Yes));
    let spice_gl = devices
        .graphics
        .iter()
        .any(|server| matches!(server, Graphics::Spice(spice) if gl(&spice.gl)));
    if headless && spice_gl {
        return Err(unsupported(
            "<graphics>: QEMU has one display with OpenGL at most",
        ));
    }
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

/// Where a server listens, which old documents say in attributes and newer ones in an element as well.
fn listening(server: &Graphics) -> Result<()> {
    let (kind, listen, socket) = match server {
        Graphics::Vnc(vnc) => ("vnc", &vnc.listen, &vnc.socket),
        Graphics::Spice(spice) => ("spice", &spice.listen, &None),
        _ => return Ok(()),
    };
    let differs = |attribute: &Option<String>, element: &Option<String>| matches!((attribute, element), (Some(attribute), Some(element)) if attribute != element);
    match server.listens().first() {
        Some(Listen::Network { network: None, .. }) => Err(wrong("<listen type='network'> names no network")),
        Some(Listen::Address { address }) if differs(listen, address) => Err(unsupported(format!(
            "<graphics type='{kind}'>: 'listen' and the first <listen> are two addresses"
        ))),
        Some(Listen::Socket { socket: path }) if differs(socket, path) => Err(unsupported(format!(
            "<graphics type='{kind}'>: 'socket' and the first <listen> are two sockets"
        ))),
        _ => Ok(()),
    }
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
        if shmem.size.is_some_and(|size| !size.0.is_power_of_two()) {
            return Err(wrong(format!(
                "<shmem name='{}'>: the size has to be a power of two, of 1 MiB at least",
                shmem.name
            )));
        }
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
        if !models.insert(model) {
            return wrong_detail(&format!(
                "<seclabel model='{}'> is there twice",
                model.unwrap_or_default()
            ));
        }
    }
    if models.len() > 1 && (models.contains(&None) || models.contains(&Some("none"))) {
        return Err(wrong("<seclabel>: with more than one each names its model"));
    }
    Ok(())
}
