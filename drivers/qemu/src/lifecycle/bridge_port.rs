//! A tap as a port of a bridge of the kernel's: isolation, tags, and who fills the table of addresses.

use super::links::Links;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::Interface;
use model::domain::devices::interface::InterfaceKind;
use model::domain::devices::interface_source::MacTableManager;
use model::domain::devices::virtual_port::{NativeVlanMode, Vlan};
use rtnetlink::packet_route::link::BridgeVlanInfoFlags as Flags;
use rtnetlink::{LinkBridgePort, LinkBridgeVlan};
use xml::YesNo;

/// The VLAN that every port of a bridge is on at first.
const FIRST: u16 = 1;

/// Makes a port what its interface says.
///
/// # Errors
/// [`Code::ConfigUnsupported`] for tags on a bridge that does not look at them; [`Code::SystemError`] for what the kernel refuses.
pub(super) async fn set(
    links: &Links,
    interface: &Interface,
    name: &str,
    index: u32,
    bridge: &str,
) -> Result<()> {
    let isolated = interface.port.as_ref().and_then(|port| port.isolated) == Some(YesNo::Yes);
    if isolated {
        let port = LinkBridgePort::new(index).isolated(true).build();
        links.set_port(name, port).await?;
    }
    if let Some(vlan) = &interface.vlan {
        if !links.filters_vlans(bridge).await? {
            let text = format!(
                "<interface>: <vlan> needs a bridge that looks at tags, and '{bridge}' does not: its vlan_filtering is off"
            );
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Domain, text));
        }
        // Whoever has tags of his own is not where everybody is.
        let first = LinkBridgeVlan::new(index).vlan(FIRST, Flags::empty()).build();
        links.leave_vlan(name, first).await?;
        let mut port = LinkBridgeVlan::new(index);
        for (id, flags) in memberships(vlan) {
            port = port.vlan(id, flags);
        }
        links.set(name, port.build()).await?;
    }
    let told = match &interface.kind {
        InterfaceKind::Network { source } => source.mac_table_manager,
        InterfaceKind::Bridge { source: Some(source) } => source.mac_table_manager,
        _ => None,
    };
    if let (Some(MacTableManager::Libvirt), Some(mac)) = (told, interface.mac_address()) {
        let port = LinkBridgePort::new(index).learning(false).flood(false).build();
        links.set_port(name, port).await?;
        links.tell_address(name, index, &mac.octets()).await?;
    }
    Ok(())
}

/// The VLANs that a port is on, and which of them packets without a tag are of.
fn memberships(vlan: &Vlan) -> Vec<(u16, Flags)> {
    let trunk = vlan.is_trunk();
    let flags = |native: Option<NativeVlanMode>| match (trunk, native) {
        (false, _) | (true, Some(NativeVlanMode::Untagged)) => Flags::Pvid | Flags::Untagged,
        (true, Some(NativeVlanMode::Tagged)) => Flags::Pvid,
        (true, None) => Flags::empty(),
    };
    vlan.tags
        .iter()
        .map(|tag| (tag.id, flags(tag.native_mode)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::domain::devices::virtual_port::VlanTag;

    #[test]
    fn packets_without_a_tag_are_of_the_one_vlan_or_the_native_one() {
        let tag = |id, native_mode| VlanTag { id, native_mode };
        let one = Vlan {
            trunk: None,
            tags: vec![tag(42, None)],
        };
        assert_eq!(memberships(&one), [(42, Flags::Pvid | Flags::Untagged)]);
        let trunk = Vlan {
            trunk: Some(YesNo::Yes),
            tags: vec![
                tag(42, None),
                tag(47, Some(NativeVlanMode::Tagged)),
                tag(48, Some(NativeVlanMode::Untagged)),
            ],
        };
        assert_eq!(
            memberships(&trunk),
            [
                (42, Flags::empty()),
                (47, Flags::Pvid),
                (48, Flags::Pvid | Flags::Untagged)
            ]
        );
    }
}
