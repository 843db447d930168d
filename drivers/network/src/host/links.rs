//! The host's network links, with addresses and routes, over the kernel's netlink.

use crate::failure::{refused, system};
use error::{Code, Error, Result};
use futures_util::TryStreamExt;
use model::Mac;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{
    BridgeStpState, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol,
};
use rtnetlink::{Handle, LinkBridge, RouteMessageBuilder};
use rustix::io::Errno;
use std::net::IpAddr;

/// The kernel counts a bridge's times in hundredths of a second.
const TICKS: u32 = 100;

/// The way to them.
pub(crate) struct Links {
    handle: Handle,
    connection: tokio::task::JoinHandle<()>,
}

/// What is known of a link.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub address: Vec<u8>,
    /// Whether it is a bridge.
    pub is_bridge: bool,
    /// Whether anybody is at its other end.
    pub has_carrier: bool,
    /// The size of its packets.
    pub mtu: Option<u32>,
}

/// A bridge that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct Bridge<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its own hardware address.
    pub address: Option<Mac>,
    /// The size of its packets.
    pub mtu: Option<u32>,
    /// Whether it finds loops.
    pub stp: bool,
    /// How many seconds a new port waits before it passes anything on.
    pub delay: u32,
    /// Whether only those send and receive on it whose addresses and tags it was told.
    pub told_who: bool,
}

/// A route of the host, or the network that an address of its belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where it leads.
    pub to: IpAddr,
    /// How many bits of that count.
    pub prefix: u8,
    /// The number of the link it goes by.
    pub link: Option<u32>,
    /// Whether routers advertised it.
    pub is_advertised: bool,
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
    pub(crate) fn new() -> Result<Self> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|err| system("cannot reach the kernel's links", err))?;
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// The link of that name, where there is one.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Option<Link>> {
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await {
            Ok(message) => Ok(message.as_ref().map(Link::of)),
            Err(err) if errno(&err) == Some(Errno::NODEV) => Ok(None),
            Err(err) => Err(said(format_args!("network device '{name}'"), err)),
        }
    }

    /// Every link.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn all(&self) -> Result<Vec<Link>> {
        let found = self.handle.link().get().execute();
        let found: Vec<LinkMessage> = found
            .try_collect()
            .await
            .map_err(|err| said("the host's links", err))?;
        Ok(found.iter().map(Link::of).collect())
    }

    /// Makes a bridge, switched off, and gives its number.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words: there is a link of its name, it has no such settings.
    pub(crate) async fn make_bridge(&self, bridge: &Bridge<'_>) -> Result<u32> {
        let mut message = LinkBridge::new(bridge.name)
            .down()
            // Before loops are looked for, any time will do.
            .forward_delay(bridge.delay.saturating_mul(TICKS))
            .stp_state(if bridge.stp {
                BridgeStpState::KernelStp
            } else {
                BridgeStpState::Disabled
            });
        if let Some(address) = bridge.address {
            message = message.address(address.octets().to_vec());
        }
        if bridge.told_who {
            message = message.vlan_filtering(true);
        }
        if let Some(mtu) = bridge.mtu {
            message = message.mtu(mtu);
        }
        let name = bridge.name;
        let made = self.handle.link().add(message.build()).execute().await;
        made.map_err(|err| said(format_args!("cannot make the bridge '{name}'"), err))?;
        let link = self.look_up(name).await?;
        link.map(|link| link.index).ok_or_else(|| {
            refused(
                Code::SystemError,
                format!("the bridge '{name}' has gone as soon as it was made"),
            )
        })
    }

    /// Makes a link a port of a bridge, with an address of its own and the size of the bridge's packets, and switches it on; one that is
    /// isolated reaches no other port that is.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn plug_in(
        &self,
        name: &str,
        index: u32,
        bridge: &Link,
        address: [u8; 6],
        isolated: bool,
    ) -> Result<()> {
        let mut message = rtnetlink::LinkUnspec::new_with_index(index)
            .address(address.to_vec())
            .controller(bridge.index)
            .up();
        if let Some(mtu) = bridge.mtu {
            message = message.mtu(mtu);
        }
        let cannot = |err| {
            said(
                format_args!("cannot plug '{name}' into the bridge '{}'", bridge.name),
                err,
            )
        };
        self.handle
            .link()
            .set(message.build())
            .execute()
            .await
            .map_err(cannot)?;
        if isolated {
            let port = rtnetlink::LinkBridgePort::new(index).isolated(true).build();
            self.handle
                .link()
                .set_port(port)
                .execute()
                .await
                .map_err(cannot)?;
        }
        Ok(())
    }

    /// Switches a link on.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn switch_on(&self, name: &str, index: u32) -> Result<()> {
        let message = rtnetlink::LinkUnspec::new_with_index(index).up().build();
        let done = self.handle.link().set(message).execute().await;
        done.map_err(|err| said(format_args!("cannot switch '{name}' on"), err))
    }

    /// Removes the link of that number; one that is gone already is fine.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn remove(&self, name: &str, index: u32) -> Result<()> {
        match self.handle.link().del(index).execute().await {
            Err(err) if errno(&err) != Some(Errno::NODEV) => {
                Err(said(format_args!("cannot remove the bridge '{name}'"), err))
            }
            _ => Ok(()),
        }
    }

    /// Gives a link an address. On a bridge of ours nobody else can have it, so it is not asked for: with no port that asking
    /// would never end.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn add_address(
        &self,
        name: &str,
        index: u32,
        address: IpAddr,
        prefix: u8,
    ) -> Result<()> {
        let mut request = self.handle.address().add(index, address, prefix);
        if address.is_ipv6() {
            let message = request.message_mut();
            message.header.flags |= AddressHeaderFlags::Nodad;
        }
        let done = request.execute().await;
        done.map_err(|err| {
            said(
                format_args!("cannot give '{name}' the address {address}/{prefix}"),
                err,
            )
        })
    }

    /// Adds a route over a link.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn add_route(
        &self,
        name: &str,
        index: u32,
        (to, prefix): (IpAddr, u8),
        gateway: IpAddr,
        metric: Option<u32>,
    ) -> Result<()> {
        let what = format!("cannot add the route to {to}/{prefix} by {gateway} on '{name}'");
        let families = || refused(Code::XmlError, format!("{what}: it is of another family"));
        let mut message = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(to, prefix)
            .map_err(|_| families())?
            .gateway(gateway)
            .map_err(|_| families())?
            .output_interface(index);
        if let Some(metric) = metric {
            message = message.priority(metric);
        }
        let done = self.handle.route().add(message.build()).execute().await;
        done.map_err(|err| said(what, err))
    }

    /// The numbers of the classes that what a link sends waits in, below its first scheduler.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn classes(&self, index: u32) -> Result<Vec<u32>> {
        /// The number of the first scheduler that this daemon makes, in the upper half of a class's.
        const SCHEDULER: u32 = 1;
        let link = i32::try_from(index).unwrap_or_default();
        let found = self.handle.traffic_class(link).get().execute();
        let found: Vec<_> = found
            .try_collect()
            .await
            .map_err(|err| said("the classes of a link", err))?;
        let numbers = found.iter().map(|class| class.header.handle);
        Ok(numbers
            .filter(|number| u32::from(number.major) == SCHEDULER)
            .map(|number| u32::from(number.minor))
            .collect())
    }

    /// Whether what a link sends or receives is scheduled by anything that is not there by itself.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn has_schedulers(&self, index: u32) -> Result<bool> {
        let link = i32::try_from(index).unwrap_or_default();
        let found = self.handle.qdisc().get().index(link).execute();
        let found: Vec<_> = found
            .try_collect()
            .await
            .map_err(|err| said("the schedulers of a link", err))?;
        let mut own = found.iter().filter(|one| one.header.index == link);
        Ok(own.any(|one| one.header.handle.major != 0))
    }

    /// The host's routes in its main table, without those to everywhere.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(crate) async fn routes(&self) -> Result<Vec<Route>> {
        let mut all = Vec::new();
        let v4 = RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
        let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().build();
        for family in [v4, v6] {
            let found = self.handle.route().get(family).execute();
            let found: Vec<RouteMessage> = found
                .try_collect()
                .await
                .map_err(|err| said("the host's routes", err))?;
            all.extend(found.iter().filter_map(Route::of));
        }
        Ok(all)
    }
}

impl Link {
    fn of(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            address: Vec::new(),
            is_bridge: false,
            has_carrier: message.header.flags.contains(LinkFlags::LowerUp),
            mtu: None,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
                LinkAttribute::Address(address) => link.address.clone_from(address),
                LinkAttribute::LinkInfo(infos) => {
                    link.is_bridge = infos.contains(&LinkInfo::Kind(InfoKind::Bridge));
                }
                _ => {}
            }
        }
        link
    }
}

impl Route {
    fn of(message: &RouteMessage) -> Option<Self> {
        if message.header.table != RouteHeader::RT_TABLE_MAIN {
            return None;
        }
        let mut route = Self {
            to: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            prefix: message.header.destination_prefix_length,
            link: None,
            is_advertised: message.header.protocol == RouteProtocol::Ra,
        };
        let mut leads_somewhere = false;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(to)) => {
                    (route.to, leads_somewhere) = (IpAddr::V4(*to), true);
                }
                RouteAttribute::Destination(RouteAddress::Inet6(to)) => {
                    (route.to, leads_somewhere) = (IpAddr::V6(*to), true);
                }
                RouteAttribute::Oif(index) => route.link = Some(*index),
                _ => {}
            }
        }
        (leads_somewhere || route.is_advertised).then_some(route)
    }
}

fn errno(err: &rtnetlink::Error) -> Option<Errno> {
    match err {
        rtnetlink::Error::NetlinkError(message) => Errno::from_io_error(&message.to_io()),
        _ => None,
    }
}

/// The kernel's words.
fn said(what: impl std::fmt::Display, err: rtnetlink::Error) -> Error {
    let why = errno(&err).map_or_else(|| err.to_string(), |errno| errno.to_string());
    refused(Code::SystemError, format!("{what}: {why}")).caused_by(err)
}
