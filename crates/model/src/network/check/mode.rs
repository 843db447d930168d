//! What networks of each mode can have: held against documents that are defined or created, not against those that are
//! there already.

use super::super::{ForwardMode, Network, VirtualPort, VirtualPortType, unsupported};
use error::Result;
use xml::YesNo;

/// Checks that the network's mode can do what the document says.
///
/// # Errors
/// [`error::Code::ConfigUnsupported`], naming the element.
pub(super) fn check(network: &Network) -> Result<()> {
    let mode = network.mode();
    if !mode.has_own_bridge() {
        services(network)?;
    }
    pool(network)?;
    leases(network)?;
    let vlans = |port: Option<&VirtualPort>| takes_tags(mode, port);
    let refuse_vlan = |place: &str| {
        Err(unsupported(format!(
            "<vlan>{place}: guests of network '{}', which is of mode '{}', cannot have tags",
            network.name,
            mode.name()
        )))
    };
    if network.vlan.is_some() && !vlans(network.virtual_port.as_ref()) {
        return refuse_vlan("");
    }
    let mut default: Option<&str> = None;
    for (index, group) in network.port_groups.iter().enumerate() {
        if network
            .port_groups
            .iter()
            .take(index)
            .any(|other| other.name == group.name)
        {
            return Err(unsupported(format!(
                "<portgroup name='{}'>: network '{}' has two of that name",
                group.name, network.name
            )));
        }
        if group.default == Some(YesNo::Yes) {
            if let Some(first) = default {
                return Err(unsupported(format!(
                    "<portgroup name='{}'>: network '{}' has a default, '{first}', and can have one",
                    group.name, network.name
                )));
            }
            default = Some(&group.name);
        }
        let of_its_own = group.virtual_port.as_ref().filter(|port| port.kind.is_some());
        if group.vlan.is_some() && !vlans(of_its_own.or(network.virtual_port.as_ref())) {
            return refuse_vlan(&format!(" of <portgroup name='{}'>", group.name));
        }
        if group.bandwidth.is_some() && mode == ForwardMode::Hostdev {
            return Err(no_bandwidth(
                network,
                &format!(" of <portgroup name='{}'>", group.name),
            ));
        }
    }
    if network.bandwidth.is_some() && !(mode.has_own_bridge() || network.bridge_name().is_some()) {
        return Err(no_bandwidth(network, ""));
    }
    Ok(())
}

fn no_bandwidth(network: &Network, place: &str) -> error::Error {
    unsupported(format!(
        "<bandwidth>{place}: nothing limits guests of network '{}', which is of mode '{}'",
        network.name,
        network.mode().name()
    ))
}

/// What only a bridge of the daemon's own can have.
fn services(network: &Network) -> Result<()> {
    let has_dns = network.dns.as_ref().is_some_and(super::super::Dns::has_records);
    let elements = [
        ("mac", network.mac.is_some()),
        ("ip", !network.ips.is_empty()),
        ("dns", has_dns),
        ("domain", network.domain.is_some()),
    ];
    match elements.iter().find(|(_, there)| *there) {
        Some((element, _)) => Err(unsupported(format!(
            "<{element}>: network '{}' is of mode '{}', where it has no meaning",
            network.name,
            network.mode().name()
        ))),
        None => Ok(()),
    }
}

/// The pool is of devices for mode `hostdev` and of interfaces for all others.
fn pool(network: &Network) -> Result<()> {
    let Some(forward) = &network.forward else {
        return Ok(());
    };
    let hostdev = forward.mode == ForwardMode::Hostdev;
    match (hostdev, forward.interfaces.first(), forward.addresses.first()) {
        (true, Some(interface), _) => Err(unsupported(format!(
            "<interface dev='{}'>: mode 'hostdev' hands out devices by their PCI <address>",
            interface.dev
        ))),
        (false, _, Some(device)) => Err(unsupported(format!(
            "<address>: mode '{}' uses interfaces; the device {} can be handed out by mode 'hostdev' alone",
            forward.mode.name(),
            device.address
        ))),
        _ => Ok(()),
    }
}

/// dnsmasq leases addresses of one subnet of each family.
fn leases(network: &Network) -> Result<()> {
    for (family, ipv6) in [("IPv4", false), ("IPv6", true)] {
        let mut with_leases = network.ips_of(ipv6).filter(|ip| ip.dhcp.is_some());
        if let Some(second) = with_leases.nth(1) {
            return Err(unsupported(format!(
                "<ip address='{}'>: network '{}' has two {family} addresses with <dhcp>, and can have one",
                second.address, network.name
            )));
        }
    }
    Ok(())
}

/// Whether guests' packets can be tagged without their knowing.
fn takes_tags(mode: ForwardMode, port: Option<&VirtualPort>) -> bool {
    match mode {
        ForwardMode::Hostdev | ForwardMode::Passthrough => true,
        ForwardMode::Bridge => matches!(
            port.and_then(|port| port.kind),
            None | Some(VirtualPortType::OpenVSwitch)
        ),
        _ => false,
    }
}
