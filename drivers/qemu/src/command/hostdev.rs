//! Devices of the host that the guest gets.

use super::Role;
use super::address::{alias, controller, controller_alias};
use super::blockdev::disk_numbers;
use super::blockdev::network::iscsi_props;
use super::line::{Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::Domain;
use model::domain::devices::controller::{ControllerKind, ControllerType, ScsiModel};
use model::domain::devices::hostdev::{
    GuestReset, HostdevDriverName, HostdevKind, MdevModel, ScsiHostdevSource, ScsiProtocol, UsbHostdevSource,
    VfioDisplay,
};
use model::domain::devices::interface_source::HostNicAddress;
use model::domain::devices::{Address, Hostdev, Interface, InterfaceKind};
use xml::YesNo;

impl Line<'_> {
    pub(super) fn hostdevs(&mut self) -> Result<()> {
        let devices = &self.domain.devices;
        for interface in &devices.interfaces {
            if let InterfaceKind::Hostdev { source } = &interface.kind {
                self.passed_card(interface, source.address.as_ref())?;
            }
        }
        devices
            .hostdevs
            .iter()
            .try_for_each(|hostdev| self.hostdev(hostdev))
    }

    /// A card of the host behind a `<interface type='hostdev'>`.
    fn passed_card(&mut self, interface: &Interface, address: Option<&HostNicAddress>) -> Result<()> {
        let Some(HostNicAddress::Pci(pci)) = address else {
            return Err(unsupported(
                "<interface type='hostdev'>: only PCI cards are passed through",
            ));
        };
        let mut props = Props::driver("vfio-pci")
            .set("host", pci.to_string())
            .set("id", alias(&interface.info)?);
        if let Some(order) = interface.info.boot_order() {
            props.put("bootindex", order);
        }
        if let Some(teaming) = &interface.teaming {
            props = props.maybe("failover_pair_id", teaming.persistent.as_deref());
        }
        self.attach(&mut props, &interface.info)?;
        self.rom(&mut props, &interface.info);
        self.device(props);
        Ok(())
    }

    fn hostdev(&mut self, hostdev: &Hostdev) -> Result<()> {
        if hostdev.info.address == Some(Address::Unassigned) {
            // Taken from the host, but kept from the guest.
            return Ok(());
        }
        if let HostdevKind::Usb { source } = &hostdev.kind
            && source.missing == Some(YesNo::Yes)
        {
            // An optional one that the host does not have.
            return Ok(());
        }
        let id = alias(&hostdev.info)?;
        let order = hostdev.info.boot_order();
        let pair = hostdev
            .teaming
            .as_ref()
            .and_then(|teaming| teaming.persistent.as_deref());
        let mut props = match &hostdev.kind {
            HostdevKind::Pci {
                display,
                driver,
                source,
            } => {
                if let Some(HostdevDriverName::Kvm | HostdevDriverName::Xen) =
                    driver.as_ref().and_then(|it| it.name)
                {
                    return Err(unsupported(
                        "<hostdev>: only <driver name='vfio'/> passes devices through",
                    ));
                }
                let props = Props::driver(vfio(display))
                    .set("host", source.address.to_string())
                    .set("id", id);
                displayed(props, display)
                    .maybe("bootindex", order)
                    .maybe("failover_pair_id", pair)
            }
            HostdevKind::Mdev {
                model: MdevModel::VfioPci,
                display,
                source,
            } => {
                let path = format!("/sys/bus/mdev/devices/{}", source.address.uuid);
                let props = Props::driver(vfio(display)).set("id", id).set("sysfsdev", path);
                displayed(props, display).maybe("bootindex", order)
            }
            HostdevKind::Usb { source } => usb(source, id)?.maybe("bootindex", order),
            HostdevKind::ScsiHost { model, source, .. } => {
                let wwpn = source
                    .wwpn
                    .as_deref()
                    .ok_or_else(|| incomplete("<hostdev>: no wwpn"))?;
                let number = self.descriptor(id, Role::Vhost);
                let number =
                    number.ok_or_else(|| unsupported("<hostdev>: '/dev/vhost-scsi' was not opened"))?;
                let driver = self.virtio_driver("vhost-scsi", &hostdev.info, *model, "<hostdev>")?;
                Props::driver(&driver)
                    .set("wwpn", wwpn)
                    .set("vhostfd", number.to_string())
                    .set("id", id)
            }
            HostdevKind::Scsi { source, .. } => self.scsi(hostdev, source, id)?.maybe("bootindex", order),
            HostdevKind::Mdev { .. } => {
                return Err(unsupported(
                    "<hostdev type='mdev'>: machines of this architecture have no such bus",
                ));
            }
            HostdevKind::Storage { .. } | HostdevKind::Misc { .. } | HostdevKind::Net { .. } => {
                return Err(unsupported("<hostdev mode='capabilities'> is for containers"));
            }
        };
        self.attach(&mut props, &hostdev.info)?;
        self.rom(&mut props, &hostdev.info);
        self.device(props);
        Ok(())
    }
}

/// The block nodes of SCSI units that are passed through, by aliases: numbered behind those of disks.
pub(super) fn scsi_nodes(domain: &Domain) -> Vec<(&Hostdev, &ScsiHostdevSource, String)> {
    let disks = disk_numbers(domain);
    let all = disks.iter().flat_map(|disk| {
        let layers = disk
            .layers
            .iter()
            .flat_map(|(own, store)| std::iter::once(*own).chain(*store));
        layers.chain(disk.filters.iter().copied())
    });
    let next = all.max().unwrap_or(0).saturating_add(1);
    let units = domain
        .devices
        .hostdevs
        .iter()
        .filter_map(|hostdev| match &hostdev.kind {
            HostdevKind::Scsi { source, .. } => Some((hostdev, &**source)),
            _ => None,
        });
    units
        .zip(next..)
        .map(|((hostdev, source), number)| (hostdev, source, format!("libvirt-{number}-backend")))
        .collect()
}

impl Line<'_> {
    /// A SCSI unit of the host, or of a server that QEMU talks to.
    fn scsi(&mut self, hostdev: &Hostdev, source: &ScsiHostdevSource, id: &str) -> Result<Props> {
        let node = scsi_nodes(self.domain)
            .into_iter()
            .find(|(one, ..)| one.info.alias_name() == Some(id))
            .map(|(.., node)| node)
            .ok_or_else(|| incomplete("<hostdev type='scsi'> has no name"))?;
        let mut props = if source.protocol == Some(ScsiProtocol::Iscsi) {
            let name = source
                .name
                .as_deref()
                .ok_or_else(|| incomplete("<hostdev><source> has no name"))?;
            let [host] = source.hosts.as_slice() else {
                return Err(unsupported("<hostdev><source>: iSCSI needs exactly one <host>"));
            };
            let mut props = iscsi_props(name, host, source.initiator.as_ref())?;
            if let Some(auth) = &source.auth {
                let object = format!("{node}-secret0");
                self.secret(&object, "<hostdev><auth>")?;
                props = props
                    .set("user", auth.username.as_str())
                    .set("password-secret", object);
            }
            props
        } else {
            let found = self
                .context
                .found
                .scsi_nodes
                .iter()
                .find(|(alias, _)| alias == id);
            let (_, path) = found.ok_or_else(|| {
                unsupported("<hostdev type='scsi'>: the host has no such unit, or no node for it")
            })?;
            Props::driver("host_device").set("filename", path.display().to_string())
        };
        props = props
            .set("node-name", node.as_str())
            .set("read-only", hostdev.readonly);
        self.blockdev(props);
        let mut device = Props::driver("scsi-generic").set("drive", node).set("id", id);
        if let Some(Address::Drive(at)) = &hostdev.info.address {
            let on = controller(&self.domain.devices, ControllerType::Scsi, at.controller)?;
            let lsi = matches!(
                &on.kind,
                ControllerKind::Scsi {
                    model: Some(ScsiModel::LsiLogic)
                }
            );
            let bus = controller_alias(&self.domain.devices, ControllerType::Scsi, at.controller)?;
            device.put("bus", format!("{bus}.0"));
            if lsi {
                device.put("scsi-id", at.unit);
            } else {
                device = device
                    .set("channel", at.bus)
                    .set("scsi-id", at.target)
                    .set("lun", at.unit);
            }
        }
        Ok(device)
    }
}

/// A device that shows something before the guest's driver takes over cannot be unplugged.
fn vfio(display: &VfioDisplay) -> &'static str {
    if display.ramfb.is_some_and(|ramfb| ramfb.is_on()) {
        "vfio-pci-nohotplug"
    } else {
        "vfio-pci"
    }
}

fn displayed(props: Props, display: &VfioDisplay) -> Props {
    props
        .maybe(
            "display",
            display.display.map(|it| super::line::on_off(it.is_on())),
        )
        .maybe("ramfb", display.ramfb.map(|ramfb| ramfb.is_on()).filter(|on| *on))
}

fn usb(source: &UsbHostdevSource, id: &str) -> Result<Props> {
    let address = source
        .address
        .filter(|address| address.bus != 0 || address.device != 0);
    let address = address.ok_or_else(|| {
        unsupported("<hostdev type='usb'>: the device was not looked up by vendor and product")
    })?;
    let node = format!("/dev/bus/usb/{:03}/{:03}", address.bus, address.device);
    let mut props = Props::driver("usb-host").set("hostdevice", node).set("id", id);
    if let Some(reset) = source.guest_reset {
        let (reset, all) = match reset {
            GuestReset::Off => (false, false),
            GuestReset::Uninitialized => (true, false),
            GuestReset::On => (true, true),
        };
        props = props.set("guest-reset", reset).set("guest-resets-all", all);
    }
    Ok(props)
}
