//! `<networkport>`: a guest's connection to a network, as the daemons tell each other and clients see it.

use super::{Bandwidth, DirectMode, MacTableManager, PortOptions, VirtualPort, Vlan};
use crate::domain::devices::address::PciAddress;
use crate::domain::devices::hostdev::HostdevDriver;
use crate::{Mac, Uuid};
use error::Result;
use xml::{Element, Fields, Node, Writer, YesNo};

/// A guest's connection to a network.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "networkport")]
pub struct NetworkPort {
    /// `None` leaves the choice to the daemon.
    #[xml(value = "uuid")]
    pub uuid: Option<Uuid>,
    /// The guest.
    #[xml(child)]
    pub owner: PortOwner,
    /// Its class in the network.
    #[xml(value = "group")]
    pub group: Option<String>,
    /// The address of its card.
    #[xml(child)]
    pub mac: super::BridgeMac,
    /// What the switch is told about it.
    #[xml(child = "virtualport")]
    pub virtual_port: Option<VirtualPort>,
    /// Its limits.
    #[xml(child)]
    pub bandwidth: Option<PortBandwidth>,
    /// Tags of its packets.
    #[xml(child)]
    pub vlan: Option<Vlan>,
    /// What its port is like.
    #[xml(child)]
    pub port: Option<PortOptions>,
    /// Whether the host follows the guest's changes.
    #[xml(child = "rxfilters")]
    pub rx_filters: Option<RxFilters>,
    /// What it is connected to; the network says, once the port is there.
    #[xml(child)]
    pub plug: Option<Plug>,
}

/// The guest that a port belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "owner")]
pub struct PortOwner {
    /// What it is called.
    #[xml(value = "name")]
    pub name: String,
    /// Who it is.
    #[xml(value = "uuid")]
    pub uuid: Uuid,
}

/// Limits of a port, with the place that they have in the network's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "bandwidth")]
pub struct PortBandwidth {
    /// The class of the bridge's scheduler that a floor is kept by.
    #[xml(attr = "classID")]
    pub class_id: Option<u32>,
    /// The limits.
    #[xml(flatten)]
    pub limits: Bandwidth,
}

/// Whether the host follows the guest's changes of address and filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
#[xml(element = "rxfilters")]
pub struct RxFilters {
    /// Whether.
    #[xml(attr = "trustGuest")]
    pub trust_guest: YesNo,
}

/// What a port is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Fields)]
#[xml(tag = "type")]
pub enum Plug {
    /// The network's own bridge.
    #[xml(name = "network")]
    Network {
        /// The interface.
        #[xml(attr)]
        bridge: String,
        /// Who fills the table of addresses.
        #[xml(attr = "macTableManager")]
        mac_table_manager: Option<MacTableManager>,
    },
    /// A bridge of the host.
    #[xml(name = "bridge")]
    Bridge {
        /// The interface.
        #[xml(attr)]
        bridge: String,
        /// Who fills the table of addresses.
        #[xml(attr = "macTableManager")]
        mac_table_manager: Option<MacTableManager>,
    },
    /// A macvtap.
    #[xml(name = "direct")]
    Direct {
        /// The interface of the host that it is on.
        #[xml(attr)]
        dev: String,
        /// What it sees of others there.
        #[xml(attr)]
        mode: DirectMode,
    },
    /// A device of the host, passed through.
    #[xml(name = "hostdev-pci")]
    HostdevPci {
        /// It is taken from the host's driver and given back.
        #[xml(attr)]
        managed: Option<YesNo>,
        /// How it is passed through.
        #[xml(child)]
        driver: Option<HostdevDriver>,
        /// Its place on the host.
        #[xml(child)]
        address: HostPci,
    },
}

impl Element for Plug {
    const NAME: &'static str = "plug";
}

/// A place on the host's PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPci(pub PciAddress);

impl Fields for HostPci {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let mut address = PciAddress::read(node)?;
        (address.multifunction, address.zpci) = (None, None);
        Ok(Self(address))
    }

    fn write_attributes(&self, writer: &mut Writer) {
        super::forward::write_place(&self.0, writer);
    }

    fn write_children(&self, _: &mut Writer) {}
}

impl NetworkPort {
    /// Reads a document and refuses what cannot be.
    ///
    /// # Errors
    /// As stock daemons: [`error::Code::XmlDetail`] for what is no XML, [`error::Code::XmlError`] for everything else that is wrong.
    pub fn from_xml(text: &str) -> Result<Self> {
        let mut port: Self = xml::from_str(text).map_err(super::refused)?;
        port.complete()?;
        Ok(port)
    }

    /// Refuses what cannot be, and leaves out what says nothing.
    ///
    /// # Errors
    /// As [`Self::from_xml`].
    pub fn complete(&mut self) -> Result<()> {
        super::check::port(self)
    }

    /// The whole document.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }

    /// The card's address.
    pub fn mac_address(&self) -> Mac {
        self.mac.address
    }
}
