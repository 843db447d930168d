//! What a network's document must say, and what is filled in, as `formatnetwork.html` has it and stock daemons do it.

pub(super) mod address;
pub(super) mod dns;
mod forward;
pub(super) mod limits;
mod mode;
mod route;

use super::{Network, NetworkPort, unsupported, wrong};
use error::{Code, Domain, Error, Result};
use xml::{OnOff, YesNo};

/// Completes a document as it was read.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn network(network: &mut Network) -> Result<()> {
    name(&network.name)?;
    if network.title.as_deref().is_some_and(|title| title.contains('\n')) {
        return Err(wrong("<title>: cannot have line breaks"));
    }
    network.ipv6 = network.ipv6.filter(|ipv6| ipv6.is_yes());
    network.metadata = network
        .metadata
        .take()
        .filter(|metadata| !metadata.children().is_empty());
    network.mtu = network.mtu.take().filter(|mtu| mtu.size != 0);
    if let Some(mac) = &network.mac
        && mac.address.is_multicast()
    {
        return Err(wrong(format!(
            "<mac>: '{}' is the address of a group, none of a bridge",
            mac.address
        )));
    }
    if network.port.as_ref().is_some_and(|port| port.isolated.is_none()) {
        network.port = None;
    }
    forward::check(network)?;
    bridge(network)?;
    domain(network)?;
    dns::check(network)?;
    network.vlan = limits::vlan(network.vlan.take())?;
    network.bandwidth = limits::bandwidth(network.bandwidth.take(), limits::Floor::Refused)?;
    limits::virtual_port(&mut network.virtual_port, limits::Kind::Needed)?;
    for group in &mut network.port_groups {
        limits::port_group(group)?;
    }
    for ip in &mut network.ips {
        address::check(ip)?;
    }
    address::hosts_are_inside(network)?;
    for index in 0..network.routes.len() {
        route::check(network, index)?;
    }
    options(network)
}

/// Holds what is new against what its mode can do.
///
/// # Errors
/// [`Code::ConfigUnsupported`], naming the element.
pub(super) fn validate(network: &Network) -> Result<()> {
    mode::check(network)
}

/// Completes a port's document as it was read.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn port(port: &mut NetworkPort) -> Result<()> {
    if port.mac.address.is_multicast() {
        return Err(wrong(format!(
            "<mac>: '{}' is the address of a group, none of a card",
            port.mac.address
        )));
    }
    port.vlan = limits::vlan(port.vlan.take())?;
    if let Some(bandwidth) = &mut port.bandwidth {
        let limits = limits::bandwidth(Some(bandwidth.limits.clone()), limits::Floor::Allowed)?;
        bandwidth.limits = limits.unwrap_or_default();
        if bandwidth.class_id.is_none() && bandwidth.limits == super::Bandwidth::default() {
            port.bandwidth = None;
        }
    }
    if port.port.as_ref().is_some_and(|port| port.isolated.is_none()) {
        port.port = None;
    }
    limits::virtual_port(&mut port.virtual_port, limits::Kind::Optional)
}

/// The longest name of a file, less the longest ending that is added to a network's.
const LONGEST_NAME: usize = 255 - ".xml.new".len();

fn name(name: &str) -> Result<()> {
    match name {
        "" => Err(Error::new(
            Code::NoName,
            Domain::Network,
            "<network>: <name> is missing",
        )),
        name if name.contains('/') => Err(Error::new(
            Code::XmlDetail,
            Domain::Xml,
            format!("<name>: '{name}' cannot contain '/'"),
        )),
        "." | ".." => Err(wrong(format!("<name>: '{name}' cannot be the name of a network"))),
        name if name.len() > LONGEST_NAME => Err(wrong(format!("<name>: longer than {LONGEST_NAME} bytes"))),
        name => one_line("<name>", name),
    }
}

/// What is written into files of dnsmasq has no line breaks that would begin lines of their own.
fn one_line(place: &str, text: &str) -> Result<()> {
    if text.contains(char::is_control) {
        return Err(wrong(format!(
            "{place}: '{}' cannot contain control characters",
            text.escape_debug()
        )));
    }
    Ok(())
}

fn bridge(network: &mut Network) -> Result<()> {
    let mode = network.mode();
    let mut bridge = network.bridge.take().unwrap_or_default();
    bridge.name = bridge.name.filter(|name| !name.is_empty());
    bridge.zone = bridge.zone.filter(|zone| !zone.is_empty());
    if let Some(name) = &bridge.name {
        one_line("<bridge name>", name)?;
    }
    if mode.has_own_bridge() {
        bridge.stp.get_or_insert(OnOff::On);
        bridge.delay.get_or_insert(0);
        network.bridge = Some(bridge);
        return Ok(());
    }
    let refused = |what: &str| {
        Err(wrong(format!(
            "<forward mode='{}'>: {what} of network '{}' is for modes nat, route, open and none",
            mode.name(),
            network.name
        )))
    };
    if bridge.stp.is_some() || bridge.delay.is_some() || bridge.zone.is_some() {
        return refused("<bridge> with stp, delay or zone");
    }
    if network.mtu.is_some() {
        return refused("<mtu>");
    }
    if let Some(name) = &bridge.name {
        if mode != super::ForwardMode::Bridge {
            return Err(wrong(format!(
                "<bridge name='{name}'>: networks of mode '{}' have no bridge",
                mode.name()
            )));
        }
        let has_interfaces = network
            .forward
            .as_ref()
            .is_some_and(|forward| !forward.interfaces.is_empty());
        if has_interfaces {
            return Err(wrong(format!(
                "<bridge name='{name}'>: network '{}' of mode 'bridge' has either a bridge or interfaces to forward to",
                network.name
            )));
        }
    }
    network.bridge = Some(bridge).filter(|bridge| *bridge != super::Bridge::default());
    Ok(())
}

fn domain(network: &Network) -> Result<()> {
    let Some(domain) = &network.domain else {
        return Ok(());
    };
    one_line("<domain name>", &domain.name)?;
    if domain.register == Some(YesNo::Yes) && domain.local_only != Some(YesNo::Yes) {
        return Err(unsupported(format!(
            "<domain name='{}' register='yes'>: localOnly='yes' is needed with it, or questions would go in a circle",
            domain.name
        )));
    }
    Ok(())
}

fn options(network: &mut Network) -> Result<()> {
    let Some(options) = network
        .options
        .take()
        .filter(|options| !options.options.is_empty())
    else {
        return Ok(());
    };
    for option in &options.options {
        one_line("<dnsmasq:option>", &option.value)?;
        if !option.is_harmless() {
            return Err(unsupported(format!(
                "<dnsmasq:option value='{}'>: networks cannot choose what programs and files dnsmasq uses, nor who it is",
                option.value
            )));
        }
    }
    network.options = Some(options);
    Ok(())
}
