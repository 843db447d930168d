//! The host's network links, over the kernel's netlink.

use error::{Code, Domain as ErrorDomain, Error, Result};
use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressScope};
use rtnetlink::packet_route::link::{InfoBridge, InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::packet_route::neighbour::{NeighbourFlags, NeighbourState};
use rtnetlink::{Handle, LinkDelRequest, LinkUnspec};
use std::net::IpAddr;

/// The way to them.
pub(super) struct Links {
    handle: Handle,
    connection: tokio::task::JoinHandle<()>,
}

/// What is known of a link.
#[derive(Debug)]
pub(super) struct Link {
    /// Its number.
    pub index: u32,
    /// The size of its packets.
    pub mtu: Option<u32>,
    /// Its hardware address.
    pub address: Vec<u8>,
    /// Whether it is a macvtap.
    pub is_macvtap: bool,
    /// Whether it is a bridge that looks at the tags of packets.
    pub filters_vlans: bool,
}

impl Drop for Links {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Links {
    /// Opens it; inside the runtime.
    ///
    /// # Errors
    /// [`Code::SystemError`] when the kernel has none.
    pub(super) fn new() -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(|err| {
            let text = format!("cannot reach the kernel's links: {err}");
            Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
        })?;
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// For what is not about links.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The link of that name, where there is one.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn look_up(&self, name: &str) -> Result<Option<Link>> {
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await {
            Ok(message) => Ok(message.as_ref().map(Link::of)),
            Err(err) if errno(&err) == Some(rustix::io::Errno::NODEV) => Ok(None),
            Err(err) => Err(refused(name, err)),
        }
    }

    /// The link of that name.
    ///
    /// # Errors
    /// [`Code::SystemError`] where there is none.
    pub(super) async fn find(&self, name: &str) -> Result<Link> {
        let link = self.look_up(name).await?;
        link.ok_or_else(|| {
            let text = format!("<interface>: network device '{name}': there is no such device");
            Error::new(Code::SystemError, ErrorDomain::Qemu, text)
        })
    }

    /// The first address that a link has, one of IPv4 where there is any.
    ///
    /// # Errors
    /// [`Code::SystemError`] where there is no such link.
    pub(super) async fn address_of(&self, name: &str) -> Result<Option<String>> {
        let index = self.find(name).await?.index;
        let found = self.handle.address().get().set_link_index_filter(index).execute();
        let found: Vec<_> = found.try_collect().await.map_err(|err| refused(name, err))?;
        let mut addresses: Vec<IpAddr> = found
            .iter()
            .filter(|message| message.header.scope == AddressScope::Universe)
            .flat_map(|message| &message.attributes)
            .filter_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
            .collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        Ok(addresses.first().map(ToString::to_string))
    }

    /// Changes the link of that name.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn set(&self, name: &str, message: LinkMessage) -> Result<()> {
        let changed = self.handle.link().set(message).execute().await;
        changed.map_err(|err| refused(name, err))
    }

    /// Changes the link of that name as a port of its bridge.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn set_port(&self, name: &str, message: LinkMessage) -> Result<()> {
        let changed = self.handle.link().set_port(message).execute().await;
        changed.map_err(|err| refused(name, err))
    }

    /// Whether a bridge looks at the tags of packets.
    ///
    /// # Errors
    /// [`Code::SystemError`] where there is no such link.
    pub(super) async fn filters_vlans(&self, bridge: &str) -> Result<bool> {
        Ok(self.find(bridge).await?.filters_vlans)
    }

    /// Takes a port of a bridge out of VLANs.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn leave_vlan(&self, name: &str, message: LinkMessage) -> Result<()> {
        let request = LinkDelRequest::new_with_message(self.handle.clone(), message);
        request.execute().await.map_err(|err| refused(name, err))
    }

    /// Tells a bridge which card is behind one of its ports.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn tell_address(&self, name: &str, index: u32, address: &[u8]) -> Result<()> {
        let told = self.handle.neighbours().add_bridge(index, address);
        // Neither learned nor the host's own.
        let told = told
            .state(NeighbourState::Noarp)
            .flags(NeighbourFlags::Controller);
        told.execute().await.map_err(|err| refused(name, err))
    }

    /// Switches a link on.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn switch_on(&self, name: &str, index: u32) -> Result<()> {
        self.set(name, LinkUnspec::new_with_index(index).up().build())
            .await
    }

    /// Makes a link of that name.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn add(&self, name: &str, message: LinkMessage) -> Result<()> {
        let made = self.handle.link().add(message).execute().await;
        made.map_err(|err| refused(name, err))
    }

    /// Removes the link of that number; one that is gone already is fine.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) async fn remove(&self, name: &str, index: u32) -> Result<()> {
        match self.handle.link().del(index).execute().await {
            Err(err) if errno(&err) != Some(rustix::io::Errno::NODEV) => Err(refused(name, err)),
            _ => Ok(()),
        }
    }
}

impl Link {
    fn of(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            mtu: None,
            address: Vec::new(),
            is_macvtap: false,
            filters_vlans: false,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
                LinkAttribute::Address(address) => link.address.clone_from(address),
                LinkAttribute::LinkInfo(infos) => {
                    link.is_macvtap = infos.contains(&LinkInfo::Kind(InfoKind::MacVtap));
                    link.filters_vlans = infos.iter().any(|info| match info {
                        LinkInfo::Data(InfoData::Bridge(all)) => {
                            all.contains(&InfoBridge::VlanFiltering(true))
                        }
                        _ => false,
                    });
                }
                _ => {}
            }
        }
        link
    }
}

fn errno(err: &rtnetlink::Error) -> Option<rustix::io::Errno> {
    match err {
        rtnetlink::Error::NetlinkError(message) => rustix::io::Errno::from_io_error(&message.to_io()),
        _ => None,
    }
}

/// The kernel's words about a link.
pub(super) fn refused(name: &str, err: rtnetlink::Error) -> Error {
    let why = errno(&err).map_or_else(|| err.to_string(), |errno| errno.to_string());
    let text = format!("<interface>: network device '{name}': {why}");
    Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
}
