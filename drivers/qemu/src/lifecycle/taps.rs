//! Interfaces whose host end is a tap: made, joined to their bridge and switched on before QEMU starts.
//! Those with a macvtap are only given its name here; [`macvtap`](super::macvtap) makes it.
//!
//! A tap made here goes with QEMU, which holds its queues; one that was there before (`managed='no'`) stays as it is.

use super::bandwidth::Limited;
use super::descriptors::Descriptors;
use super::links::Links;
use super::traces::Trace;
use super::{Resources, addresses, bridge_port, macvtap, switch};
use crate::Driver;
use crate::command::Role;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::Interface;
use model::domain::devices::interface::{InterfaceDriverName, InterfaceKind};
use model::domain::{Domain as Model, DomainType};
use rtnetlink::LinkUnspec;
use std::os::fd::OwnedFd;
use std::path::Path;
use uuid::Uuid;
use xml::YesNo;

/// Names that daemons of libvirt's kind give out; one in a document is of an earlier run.
const PATTERN: &str = "vnet%d";

/// Makes the taps of a live document and notes their names in it; those that were handed over are there.
///
/// # Errors
/// [`Code::NoSupport`] for options that are not built in, [`Code::SystemError`] for what the kernel refuses. Nothing is
/// left behind.
pub(super) async fn open(
    driver: &Driver,
    model: &mut Model,
    resources: &mut Resources,
) -> Result<Descriptors> {
    let owner = (model.name.clone(), model.uuid.unwrap_or_default());
    let mut descriptors = Descriptors::default();
    let mut links = None;
    for interface in &mut model.devices.interfaces {
        if let Some(tap) = resources.connections.handed_over.take(interface) {
            add(&mut descriptors, interface, model.r#type, tap.queues);
            continue;
        }
        let bridge = match &interface.kind {
            InterfaceKind::Bridge { source } => {
                let bridge = source.as_ref().and_then(|source| source.bridge.clone());
                Some(bridge.ok_or_else(|| wrong("<interface type='bridge'>: <source> names no bridge"))?)
            }
            InterfaceKind::Network { source } => {
                let bridge = source.bridge.clone();
                Some(bridge.ok_or_else(|| wrong("<interface type='network'>: its network has no bridge"))?)
            }
            InterfaceKind::Ethernet { .. } | InterfaceKind::Direct { .. } => None,
            _ => {
                switch::check(interface)?;
                if interface.bandwidth.is_some() {
                    Limited::of(interface, "", owner.1)?;
                }
                continue;
            }
        };
        switch::check(interface)?;
        let links = match &links {
            Some(links) => links,
            None => links.insert(Links::new()?),
        };
        if let InterfaceKind::Direct { .. } = &interface.kind {
            super::refuse_asked([("filterref", interface.filter_ref.is_some())], |what| {
                format!("<interface type='direct'>: <{what}> is not supported: a macvtap is on no bridge")
            })?;
            macvtap::name(interface, links).await?;
            continue;
        }
        if !is_managed(interface) {
            is_there(links, interface).await?;
        }
        let tap = make(interface)?;
        let guards = &mut resources.guards;
        guards.guard(interface, &tap.name, (&owner.0, owner.1)).await?;
        resources.traces.extend(Trace::of_interface(interface, &tap.name));
        if is_managed(interface) {
            let place = Place {
                name: &tap.name,
                bridge: bridge.as_deref(),
                owner: owner.1,
            };
            set_up(driver, links, interface, &place).await?;
        }
        if interface.bandwidth.is_some() {
            driver.limit(Limited::of(interface, &tap.name, owner.1)?).await?;
        }
        if let Some(frames) = coalesced(interface) {
            set_coalesced(&tap.name, frames)?;
        }
        interface.target.get_or_insert_default().dev = Some(tap.name);
        add(&mut descriptors, interface, model.r#type, tap.queues);
    }
    Ok(descriptors)
}

/// Adds an interface's opened queues, with the kernel's own way of packets where that is wanted.
pub(super) fn add(
    descriptors: &mut Descriptors,
    interface: &Interface,
    hypervisor: DomainType,
    queues: Vec<OwnedFd>,
) {
    let alias = interface.info.alias_name().unwrap_or_default();
    let vhost = vhost(interface, hypervisor == DomainType::Kvm, queues.len());
    descriptors.add(alias, Role::Tap, queues);
    if !vhost.is_empty() {
        descriptors.add(alias, Role::Vhost, vhost);
    }
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(Code::XmlError, ErrorDomain::Domain, text)
}

/// Whether the tap is made and set up here.
fn is_managed(interface: &Interface) -> bool {
    let managed = interface.target.as_ref().and_then(|target| target.managed);
    managed != Some(YesNo::No)
}

/// A tap that is not made here has to be there: opening it would make it.
async fn is_there(links: &Links, interface: &Interface) -> Result<()> {
    let name = interface
        .target_dev()
        .ok_or_else(|| wrong("<interface>: <target managed='no'> needs the name of the device"))?;
    if links.look_up(name).await?.is_none() {
        let text = format!("<interface>: <target dev='{name}' managed='no'>: there is no such device");
        return Err(Error::new(Code::InternalError, ErrorDomain::Qemu, text));
    }
    Ok(())
}

/// How many packets the tap is to gather before it hands them on.
fn coalesced(interface: &Interface) -> Option<u32> {
    let rx = interface.coalesce.as_ref()?.rx.as_ref()?;
    rx.frames.as_ref()?.max
}

fn set_coalesced(name: &str, frames: u32) -> Result<()> {
    kernel::device::set_coalesced_frames(name, frames)
        .map(|_| ())
        .map_err(|err| {
            let text = format!("<interface><coalesce>: network device '{name}': {err}");
            Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
        })
}

fn make(interface: &Interface) -> Result<kernel::device::Tap> {
    let name = match interface.target_dev() {
        Some(name) if !is_managed(interface) || !name.starts_with("vnet") => name,
        _ => PATTERN,
    };
    let own = interface
        .backend
        .as_ref()
        .and_then(|backend| backend.tap.as_deref());
    let (queues, virtio) = (queues(interface), interface.is_virtio());
    let tap = match own {
        Some(path) => kernel::device::Tap::open_at(Path::new(path), name, queues, virtio),
        None => kernel::device::Tap::open(name, queues, virtio),
    };
    tap.map_err(|err| {
        let text = format!("<interface>: cannot make the tap '{name}': {err}");
        Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
    })
}

/// How many queues an interface has.
pub(super) fn queues(interface: &Interface) -> usize {
    let queues = interface.driver.as_ref().and_then(|driver| driver.queues);
    usize::try_from(queues.unwrap_or(1)).unwrap_or(1)
}

/// The kernel's own way of packets: for guests it runs itself, and for whoever asks for it by name.
fn vhost(interface: &Interface, accelerated: bool, queues: usize) -> Vec<OwnedFd> {
    let wanted = match interface.driver.as_ref().and_then(|driver| driver.name) {
        Some(InterfaceDriverName::Vhost) => true,
        Some(_) => false,
        None => accelerated,
    };
    if !wanted || !interface.is_virtio() {
        return Vec::new();
    }
    let own = interface
        .backend
        .as_ref()
        .and_then(|backend| backend.vhost.as_deref());
    let path = own.unwrap_or("/dev/vhost-net");
    let open = || std::fs::File::options().read(true).write(true).open(path);
    // Without it packets go through QEMU; the arguments refuse that where it was asked for by name.
    let opened: std::io::Result<Vec<OwnedFd>> = (0..queues).map(|_| open().map(OwnedFd::from)).collect();
    opened.unwrap_or_default()
}

/// Where a tap belongs.
struct Place<'a> {
    /// What it is called.
    name: &'a str,
    /// The bridge that it is a port of.
    bridge: Option<&'a str>,
    /// Its guest.
    owner: Uuid,
}

/// Joins a tap to its bridge and switches it on.
async fn set_up(driver: &Driver, links: &Links, interface: &Interface, place: &Place<'_>) -> Result<()> {
    let name = place.name;
    let bridge = match place.bridge {
        Some(bridge) => Some((bridge, links.find(bridge).await?)),
        None => None,
    };
    let index = links.find(name).await?.index;
    let mut link = LinkUnspec::new_with_index(index).up();
    let own_mtu = interface.mtu.as_ref().map(|mtu| mtu.size);
    if let Some(mtu) = own_mtu.or(bridge.as_ref().and_then(|(_, bridge)| bridge.mtu)) {
        link = link.mtu(mtu);
    }
    if let Some(mac) = interface.mac_address() {
        // A bridge takes the lowest address of its ports for its own: that must not be a guest's.
        let mut octets = mac.octets().to_vec();
        if let Some(first) = octets.first_mut() {
            *first = 0xfe;
        }
        link = link.address(octets);
    }
    match &bridge {
        Some((bridge, _)) if switch::is_open_vswitch(interface) => {
            let (card, tap, owner) = (interface.clone(), name.to_owned(), place.owner);
            let bridge = (*bridge).to_owned();
            let joined = driver.blocking(move || switch::join(&card, &tap, &bridge, owner));
            joined.await?;
            links.set(name, link.build()).await?;
        }
        // A port that has tags or must not see others is that before it is on.
        Some((bridge, there)) => {
            let port = LinkUnspec::new_with_index(index).controller(there.index);
            links.set(name, port.build()).await?;
            bridge_port::set(links, interface, name, index, bridge).await?;
            links.set(name, link.build()).await?;
        }
        None => links.set(name, link.build()).await?,
    }
    if let InterfaceKind::Ethernet { source: Some(source) } = &interface.kind {
        addresses::set(links, name, index, source).await?;
    }
    Ok(())
}
