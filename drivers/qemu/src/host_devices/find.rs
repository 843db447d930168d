//! What a live document means: which devices of the host, whether they can be had, and what has to be done for it.

use super::assigned::Assigned;
use super::claims::{Claims, Key, keys};
use super::pci::{Function, OnCard};
use super::vf::Settings;
use super::{HostDevices, module, refused, usb};
use crate::Driver;
use crate::lifecycle::networks::NotedPort;
use crate::ownership::Owned;
use error::{Code, Result};
use host::Host;
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use model::domain::devices::address::PciAddress;
use model::domain::devices::disk::SgIo;
use model::domain::devices::hostdev::{
    Hostdev, HostdevDriverName, HostdevKind, ScsiHostdevSource, ScsiProtocol,
};
use model::domain::devices::interface::{InterfaceDriverName, InterfaceKind, Link};
use model::domain::devices::interface_source::HostNicAddress;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use xml::YesNo;

/// The driver that passes any PCI device on.
const VFIO_PCI: &str = "vfio-pci";

/// A virtual function that is going to be told something.
#[derive(Debug)]
struct Told {
    /// Which of the assigned it is.
    at: usize,
    place: OnCard,
}

/// What was found, before anything is asked of others than the kernel's files.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) devices: HostDevices,
    told: Vec<Told>,
}

/// Finds the devices of the host that a live document means, notes in it where they are, and claims them for the guest. `ports`
/// are those of interfaces that a network gave a device, by alias. Nothing is changed on the host, but that drivers are loaded.
///
/// # Errors
/// [`Code::OperationInvalid`] with who has a device; what is not there, or cannot be passed on.
pub(crate) async fn find(
    driver: &Driver,
    model: &mut Model,
    ports: &[(String, NotedPort)],
) -> Result<HostDevices> {
    let host = &driver.host;
    let Looked { mut devices, told } = look(host, &driver.claims, model, ports)?;
    for Told { at, place } in told {
        let now = Settings::now(host, &place).await?;
        if let Some(assigned) = devices.assigned.get_mut(at) {
            assigned.function = Some(now);
        }
    }
    for assigned in devices.assigned.iter().filter(|one| one.bound.is_yes()) {
        module::load(host, &assigned.driver, driver.machines).await?;
    }
    Ok(devices)
}

/// As far as the kernel's files tell.
pub(super) fn look(
    host: &Host,
    claims: &Arc<Claims>,
    model: &mut Model,
    ports: &[(String, NotedPort)],
) -> Result<Looked> {
    for hostdev in &mut model.devices.hostdevs {
        if let HostdevKind::Usb { source } = &mut hostdev.kind {
            usb::find(host, source)?;
        }
    }
    // Before anything is looked at: what another guest has is going to change when that ends.
    let mut looked = Looked::default();
    let wanted = keys(model);
    if !wanted.is_empty() {
        let beside = beside(host, &wanted);
        looked.devices.host = Some(host.clone());
        looked.devices.claims = claims.take(&model.name, wanted, &beside)?;
    }
    for interface in &mut model.devices.interfaces {
        looked.interface(host, interface, ports)?;
    }
    for hostdev in &mut model.devices.hostdevs {
        looked.hostdev(host, hostdev)?;
    }
    Ok(looked)
}

/// What else is in the IOMMU groups of PCI functions.
fn beside(host: &Host, wanted: &[(Key, bool)]) -> Vec<Key> {
    let functions = wanted.iter().filter_map(|(key, _)| key.pci_address());
    let groups = functions.flat_map(|address| Function::at(host, &address).whole_group());
    let members = groups.map(|other| Key::pci(&other.address));
    members
        .filter(|member| wanted.iter().all(|(key, _)| key != member))
        .collect()
}

impl Looked {
    fn interface(
        &mut self,
        host: &Host,
        interface: &mut Interface,
        ports: &[(String, NotedPort)],
    ) -> Result<()> {
        let InterfaceKind::Hostdev { source } = &interface.kind else {
            return Ok(());
        };
        let alias = interface.info.alias_name().unwrap_or_default().to_owned();
        self.devices.provided.push(alias.clone());
        let Some(HostNicAddress::Pci(address)) = source.address else {
            // The arguments refuse it.
            return Ok(());
        };
        check_options(interface)?;
        let place = Function::at(host, &address).on_card()?;
        let (managed, model) = (interface.managed, interface.driver.as_ref());
        let model = model.and_then(|driver| driver.model.clone());
        let at = self.pci(host, &address, managed, model.as_deref())?;
        let place = place.ok_or_else(|| {
            let text = "Interface type hostdev is currently supported on SR-IOV Virtual Functions only";
            refused(Code::ConfigUnsupported, text.to_owned())
        })?;
        self.devices.settings.push(Settings::wanted(interface, &place)?);
        self.told.push(Told { at, place });
        if let Some(assigned) = self.devices.assigned.get_mut(at) {
            let mut ports = ports.iter();
            assigned.port = ports.find(|(of, _)| *of == alias).map(|(_, port)| port.clone());
        }
        interface.driver.get_or_insert_default().name = Some(InterfaceDriverName::Vfio);
        Ok(())
    }

    fn hostdev(&mut self, host: &Host, hostdev: &mut Hostdev) -> Result<()> {
        let alias = hostdev.info.alias_name().unwrap_or_default().to_owned();
        let returns = !hostdev.readonly && !hostdev.shareable;
        match &mut hostdev.kind {
            HostdevKind::Pci { driver, source, .. } => {
                let model = driver.as_ref().and_then(|driver| driver.model.clone());
                self.pci(host, &source.address, hostdev.managed, model.as_deref())?;
                let driver = driver.get_or_insert_default();
                driver.name.get_or_insert(HostdevDriverName::Vfio);
            }
            HostdevKind::Usb { source } => {
                if let Some(at) = source.address.filter(|_| source.missing != Some(YesNo::Yes)) {
                    self.node(usb::node(at), true);
                }
            }
            HostdevKind::Scsi { source, rawio, sgio } => {
                let asked = [
                    ("rawio='yes'", *rawio == Some(YesNo::Yes)),
                    ("sgio='unfiltered'", *sgio == Some(SgIo::Unfiltered)),
                ];
                if let Some((what, _)) = asked.iter().find(|(_, asked)| *asked) {
                    let text = format!("<hostdev type='scsi' {what}> is not supported yet");
                    return Err(refused(Code::NoSupport, text));
                }
                if let Some(node) = unit(host, source)? {
                    self.devices.scsi_nodes.push((alias.clone(), node.clone()));
                    self.node(node, returns);
                }
            }
            HostdevKind::Mdev { source, .. } => {
                let uuid = source.address.uuid;
                let folder = host.path(format!("sys/bus/mdev/devices/{uuid}"));
                if !folder.exists() {
                    let text = format!("mediated device '{uuid}' not found");
                    return Err(refused(Code::DeviceMissing, text));
                }
                let group = fs::read_link(folder.join("iommu_group")).ok();
                let group = group.and_then(|group| group.file_name()?.to_str()?.parse().ok());
                self.group(group)?;
            }
            // vhost-scsi's own node is opened by the daemon.
            _ => {}
        }
        self.devices.provided.push(alias);
        Ok(())
    }

    /// A PCI function; gives its number among the assigned.
    fn pci(
        &mut self,
        host: &Host,
        address: &PciAddress,
        managed: Option<YesNo>,
        model: Option<&str>,
    ) -> Result<usize> {
        let function = Function::at(host, address);
        function.check()?;
        let driver = model.unwrap_or(VFIO_PCI);
        module::check(driver)?;
        self.group(function.group())?;
        let assigned = Assigned::plan(host, address, driver, managed == Some(YesNo::Yes))?;
        self.devices.assigned.push(assigned);
        Ok(self.devices.assigned.len().saturating_sub(1))
    }

    /// What is in no group cannot be kept from memory that is not the guest's.
    fn group(&mut self, number: Option<u32>) -> Result<()> {
        let number = number.ok_or_else(|| {
            let text = "host doesn't support VFIO PCI passthrough: the device is in no IOMMU group";
            refused(Code::ConfigUnsupported, text.to_owned())
        })?;
        self.devices.has_container = true;
        self.node(format!("/dev/vfio/{number}").into(), true);
        Ok(())
    }

    fn node(&mut self, path: PathBuf, returns: bool) {
        if self.devices.nodes.iter().all(|node| node.path != path) {
            self.devices.nodes.push(Owned {
                path,
                returns,
                label: None,
            });
        }
    }
}

/// Refuses what only a card of QEMU's own could have, and other ways than VFIO.
fn check_options(interface: &Interface) -> Result<()> {
    let driver = interface.driver.as_ref().and_then(|driver| driver.name);
    if let Some(InterfaceDriverName::Kvm | InterfaceDriverName::Xen) = driver {
        let text = "<interface type='hostdev'>: only <driver name='vfio'/> passes devices through";
        return Err(refused(Code::ConfigUnsupported, text.to_owned()));
    }
    let isolated = interface.port.as_ref().and_then(|port| port.isolated) == Some(YesNo::Yes);
    let down = interface
        .link
        .as_ref()
        .is_some_and(|link| link.state == Link::Down);
    let asked = [
        ("link state='down'", down),
        ("filterref", interface.filter_ref.is_some()),
        ("mtu", interface.mtu.is_some()),
        ("coalesce", interface.coalesce.is_some()),
        ("port isolated='yes'", isolated),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((what, _)) => {
            let text = format!("<{what}> is not supported for network interfaces of type hostdev");
            Err(refused(Code::ConfigUnsupported, text))
        }
    }
}

/// The node of a unit behind one of the host's adapters; `None` for one of a server's.
fn unit(host: &Host, source: &ScsiHostdevSource) -> Result<Option<PathBuf>> {
    let Some(Key::Scsi(adapter, bus, target, unit)) = Key::of_unit(source) else {
        return match source.protocol {
            Some(ScsiProtocol::Iscsi) => Ok(None),
            _ => {
                let text = "<hostdev type='scsi'><source> needs <adapter name='scsi_host…'/> and <address>";
                Err(refused(Code::XmlError, text.to_owned()))
            }
        };
    };
    let name = format!("{adapter}:{bus}:{target}:{unit}");
    let folder = host.path(format!("sys/bus/scsi/devices/{name}/scsi_generic"));
    let entries = fs::read_dir(&folder).map_err(|err| {
        let text = format!("SCSI device {name}: cannot open '{}': {err}", folder.display());
        refused(Code::SystemError, text).caused_by(err)
    })?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let node = names.min().ok_or_else(|| {
        let text = format!("SCSI device {name} has no node by which it could be passed on");
        refused(Code::SystemError, text)
    })?;
    Ok(Some(PathBuf::from("/dev").join(node)))
}
