//! What a card tells the switch that it is plugged into: VLAN tags and port profiles.

use xml::{Element, Value, YesNo};

use crate::Uuid;

/// `<virtualport type='openvswitch'>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "virtualport")]
pub struct VirtualPort {
    /// Filled in from the network where missing.
    #[xml(attr = "type")]
    pub kind: Option<VirtualPortType>,
    #[xml(child)]
    pub parameters: Option<VirtualPortParameters>,
}

/// Protocols by which a switch learns about guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VirtualPortType {
    #[xml("none")]
    None,
    #[xml("802.1Qbg")]
    Ieee8021Qbg,
    #[xml("802.1Qbh")]
    Ieee8021Qbh,
    #[xml("openvswitch")]
    OpenVSwitch,
    #[xml("midonet")]
    Midonet,
}

/// Parameters of a port profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "parameters")]
pub struct VirtualPortParameters {
    #[xml(attr)]
    pub managerid: Option<u8>,
    /// 24 bits.
    #[xml(attr)]
    pub typeid: Option<u32>,
    #[xml(attr)]
    pub typeidversion: Option<u8>,
    #[xml(attr)]
    pub instanceid: Option<Uuid>,
    #[xml(attr)]
    pub interfaceid: Option<Uuid>,
    #[xml(attr)]
    pub profileid: Option<String>,
}

/// `<vlan trunk='yes'><tag id='42'/></vlan>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "vlan")]
pub struct Vlan {
    /// Always `yes` with more than one tag.
    #[xml(attr)]
    pub trunk: Option<YesNo>,
    #[xml(children = "tag")]
    pub tags: Vec<VlanTag>,
}

impl Vlan {
    /// Whether the guest sees tags: of several VLANs, or of the one where it asks to.
    pub fn is_trunk(&self) -> bool {
        self.tags.len() > 1 || self.trunk == Some(YesNo::Yes)
    }
}

/// One VLAN.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "tag")]
pub struct VlanTag {
    /// 0 to 4095.
    #[xml(attr)]
    pub id: u16,
    #[xml(attr = "nativeMode")]
    pub native_mode: Option<NativeVlanMode>,
}

/// How packets of a trunk's native VLAN leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum NativeVlanMode {
    #[xml("tagged")]
    Tagged,
    #[xml("untagged")]
    Untagged,
}
