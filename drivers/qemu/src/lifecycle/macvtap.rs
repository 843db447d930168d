//! `<interface type='direct'>`: macvtaps on links of the host.
//!
//! Other than a tap, a macvtap stays when nobody holds its queues any more. Its name is in the status document before it
//! is made, so whoever ends the run finds it; what is removed by that name must be a macvtap with the card's address.

use super::bandwidth::Limited;
use super::descriptors::Descriptors;
use super::links::{Link, Links};
use super::taps;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::Mac;
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use model::domain::devices::interface::InterfaceKind;
use model::domain::devices::interface_source::{DirectMode, DirectSource};
use rtnetlink::packet_route::link::MacVtapMode;
use rtnetlink::{LinkMacVtap, LinkUnspec};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use xml::YesNo;

/// How names begin that daemons of libvirt's kind give out; one in a document is of an earlier run.
const RESERVED: [&str; 2] = ["macvtap", "macvlan"];

/// The number of the next name. No name is given out twice, so two starts at the same time cannot choose the same.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// One that is to be removed with its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Macvtap {
    name: String,
    address: Mac,
}

/// The direct interfaces of a document.
fn direct(interface: &Interface) -> Option<&DirectSource> {
    match &interface.kind {
        InterfaceKind::Direct { source } => Some(source),
        _ => None,
    }
}

/// The macvtaps that a live document names.
pub(super) fn of(model: &Model) -> Vec<Macvtap> {
    let interfaces = model.devices.interfaces.iter();
    interfaces
        .filter(|interface| direct(interface).is_some())
        .filter_map(|interface| {
            Some(Macvtap {
                name: interface.target_dev()?.to_owned(),
                address: interface.mac_address()?,
            })
        })
        .collect()
}

/// Whether the device of that name is a direct interface.
pub(super) fn is_one(model: &Model, alias: &str) -> bool {
    let mut interfaces = model.devices.interfaces.iter();
    interfaces.any(|interface| interface.info.alias_name() == Some(alias) && direct(interface).is_some())
}

/// Gives a direct interface the name of the macvtap it is going to have.
///
/// # Errors
/// [`Code::NoSupport`] for options that are not built in, [`Code::SystemError`] for what the kernel refuses.
pub(super) async fn name(interface: &mut Interface, links: &Links) -> Result<()> {
    if interface.trust_guest_rx_filters == Some(YesNo::Yes) {
        let text = "<interface type='direct'>: trustGuestRxFilters='yes' is not supported yet";
        return Err(Error::new(Code::NoSupport, ErrorDomain::Qemu, text));
    }
    let own = interface
        .target_dev()
        .is_some_and(|name| !RESERVED.iter().any(|reserved| name.starts_with(reserved)));
    if own {
        return Ok(());
    }
    loop {
        let name = format!("macvtap{}", NEXT.fetch_add(1, Ordering::Relaxed));
        if links.look_up(&name).await?.is_none() {
            interface.target.get_or_insert_default().dev = Some(name);
            return Ok(());
        }
    }
}

/// Makes the macvtaps of a live document, and notes them where they are removed with the run. `scratch` is a folder for
/// device nodes. Blocks, inside the runtime.
///
/// # Errors
/// [`Code::SystemError`] for what the kernel refuses.
pub(super) fn make(
    model: &Model,
    scratch: &Path,
    descriptors: &mut Descriptors,
    removed_with: &mut Vec<Macvtap>,
) -> Result<()> {
    for interface in &model.devices.interfaces {
        let Some(source) = direct(interface) else { continue };
        let (Some(name), Some(address)) = (interface.target_dev(), interface.mac_address()) else {
            let text = "<interface type='direct'>: neither name nor address was chosen";
            return Err(Error::new(Code::InternalError, ErrorDomain::Qemu, text));
        };
        let made = Macvtap {
            name: name.to_owned(),
            address,
        };
        tokio::runtime::Handle::current().block_on(made.make(source, removed_with))?;
        let queues = taps::queues(interface);
        let opened =
            kernel::device::open_macvtap(name, queues, interface.is_virtio(), scratch).map_err(|err| {
                let text = format!("<interface>: cannot open the macvtap '{name}': {err}");
                Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
            })?;
        if interface.bandwidth.is_some() {
            Limited::of(interface, name, model.uuid.unwrap_or_default())?.set()?;
        }
        taps::add(descriptors, interface, model.r#type, opened);
    }
    Ok(())
}

impl Macvtap {
    async fn make(self, source: &DirectSource, removed_with: &mut Vec<Macvtap>) -> Result<()> {
        let links = Links::new()?;
        let lower_name = source.dev.as_deref().unwrap_or_default();
        let lower = links.find(lower_name).await?;
        let mode = match source.mode {
            Some(DirectMode::Private) => MacVtapMode::Private,
            Some(DirectMode::Bridge) => MacVtapMode::Bridge,
            Some(DirectMode::Passthrough) => MacVtapMode::Passthrough,
            Some(DirectMode::Vepa) | None => MacVtapMode::Vepa,
        };
        let octets = self.address.octets().to_vec();
        let (name, passthrough) = (self.name.clone(), mode == MacVtapMode::Passthrough);
        let message = LinkMacVtap::new(&name, lower.index, mode)
            .address(octets.clone())
            .build();
        links.add(&name, message).await?;
        removed_with.push(self);
        let link = links.find(&name).await?;
        if passthrough {
            // It begins with the address of the link below, which takes the guest's for as long as this lasts.
            links.switch_on(lower_name, lower.index).await?;
            let message = LinkUnspec::new_with_index(link.index).address(octets).build();
            links.set(&name, message).await?;
        }
        links.switch_on(&name, link.index).await
    }

    /// Whether a link of its name is this one: others may have taken the name since.
    fn is(&self, link: &Link) -> bool {
        link.is_macvtap && link.address == self.address.octets()
    }

    async fn remove(&self, links: &Links) -> Result<()> {
        match links.look_up(&self.name).await? {
            Some(link) if self.is(&link) => links.remove(&self.name, link.index).await,
            _ => Ok(()),
        }
    }
}

/// Removes them; what is gone already is fine. Blocks, inside the runtime; from a task too, whose worker's other tasks go
/// on elsewhere.
pub(super) fn remove_all(all: &[Macvtap]) {
    if all.is_empty() {
        return;
    }
    let removing = async {
        let links = Links::new()?;
        for one in all {
            one.remove(&links).await?;
        }
        Ok::<(), Error>(())
    };
    let runtime = tokio::runtime::Handle::current();
    if let Err(err) = tokio::task::block_in_place(|| runtime.block_on(removing)) {
        tracing::warn!(%err, "a guest's macvtap cannot be removed");
    }
}
