//! `<host>` and `<range>` in `<dhcp>`.

use super::super::{Dhcp, DhcpHost, DhcpRange, Network, NetworkIp, check, wrong};
use super::{UpdateCommand, add, invalid, read, unsupported};
use error::Result;

/// The `<ip>` that a change is about.
fn parent<'a>(network: &'a mut Network, index: i32, what: &str) -> Result<&'a mut NetworkIp> {
    let name = network.name.clone();
    let found = match usize::try_from(index) {
        Ok(index) => Some(index).filter(|index| *index < network.ips.len()),
        Err(_) => {
            let place = |test: &dyn Fn(&NetworkIp) -> bool| network.ips.iter().position(test);
            place(&|ip| ip.address.is_ipv4() && ip.dhcp.is_some())
                .or_else(|| place(&|ip| ip.address.is_ipv4()))
                .or_else(|| place(&|ip| ip.dhcp.is_some()))
                .or_else(|| place(&|_| true))
        }
    };
    found.and_then(|index| network.ips.get_mut(index)).ok_or_else(|| {
        invalid(if index < 0 {
            format!("<{what}>: network '{name}' has no <ip>")
        } else {
            format!("<{what}>: network '{name}' has no <ip> of index {index}")
        })
    })
}

/// The leases beside the parent, for something to be added to them: there can be those of one address of each family.
fn leases<'a>(network: &'a mut Network, index: i32, what: &str) -> Result<&'a mut Dhcp> {
    let name = network.name.clone();
    let chosen = parent(network, index, what)?;
    let (address, ipv6, has) = (chosen.address, chosen.address.is_ipv6(), chosen.dhcp.is_some());
    let other = network
        .ips_of(ipv6)
        .find(|ip| ip.dhcp.is_some())
        .map(|ip| ip.address);
    if let Some(other) = other.filter(|_| !has) {
        return Err(invalid(format!(
            "<{what}>: network '{name}' leases addresses beside {other} and so cannot beside {address}, which is of the same \
             family"
        )));
    }
    Ok(parent(network, index, what)?.dhcp.get_or_insert_default())
}

/// Whether a host is the one that a change is about: by any of what it is known by.
fn is_same(host: &DhcpHost, wanted: &DhcpHost) -> bool {
    let same_mac = wanted.mac.is_some() && host.mac_address() == wanted.mac_address();
    let same_name = wanted.name.is_some() && host.name == wanted.name;
    let same_ip = wanted.ip.is_some() && host.ip == wanted.ip;
    same_mac || same_name || same_ip
}

/// How a sentence names a host.
fn told(host: &DhcpHost) -> String {
    xml::to_string(host).trim().to_owned()
}

pub(super) fn host(network: &mut Network, command: UpdateCommand, index: i32, text: &str) -> Result<()> {
    let name = network.name.clone();
    let mut wanted: DhcpHost = read(text)?;
    let ip = parent(network, index, "host")?;
    if command == UpdateCommand::Delete {
        check::address::host_by_itself(&wanted)?;
        if wanted.name.is_none() && wanted.mac.is_none() && wanted.ip.is_none() {
            return Err(wrong(
                "<host>: a 'name', 'mac' or 'ip' is needed to tell which one goes",
            ));
        }
    } else {
        check::address::host(ip, &mut wanted)?;
    }
    let hosts = ip.dhcp.iter_mut().flat_map(|dhcp| &mut dhcp.hosts);
    let mut known = hosts.enumerate().filter(|(_, host)| is_same(host, &wanted));
    match (command, known.next()) {
        (UpdateCommand::Modify, Some((_, host))) => *host = wanted,
        (UpdateCommand::Delete, Some((place, _))) => {
            drop(known);
            if let Some(dhcp) = &mut ip.dhcp {
                dhcp.hosts.remove(place);
            }
        }
        (UpdateCommand::Modify | UpdateCommand::Delete, None) => {
            return Err(invalid(format!(
                "network '{name}' has no host that is meant by {}",
                told(&wanted)
            )));
        }
        (UpdateCommand::AddFirst | UpdateCommand::AddLast, Some((_, host))) => {
            return Err(invalid(format!(
                "{}: network '{name}' has a host that it could be mistaken for, {}",
                told(&wanted),
                told(host)
            )));
        }
        (UpdateCommand::AddFirst | UpdateCommand::AddLast, None) => {
            drop(known);
            add(&mut leases(network, index, "host")?.hosts, command, wanted);
        }
    }
    Ok(())
}

pub(super) fn range(network: &mut Network, command: UpdateCommand, index: i32, text: &str) -> Result<()> {
    let name = network.name.clone();
    if command == UpdateCommand::Modify {
        return Err(unsupported(format!(
            "<range>: ranges of network '{name}' can be added and deleted, not modified"
        )));
    }
    let mut wanted: DhcpRange = read(text)?;
    let ip = parent(network, index, "range")?;
    check::address::range(ip, &mut wanted)?;
    let same = |range: &DhcpRange| (range.start, range.end) == (wanted.start, wanted.end);
    let place = ip
        .dhcp
        .as_ref()
        .and_then(|dhcp| dhcp.ranges.iter().position(same));
    let told = format!("<range start='{}' end='{}'>", wanted.start, wanted.end);
    match (command, place) {
        (UpdateCommand::Delete, Some(place)) => {
            if let Some(dhcp) = &mut ip.dhcp {
                dhcp.ranges.remove(place);
            }
            Ok(())
        }
        (UpdateCommand::Delete, None) => Err(invalid(format!("{told}: network '{name}' has no such range"))),
        (_, Some(_)) => Err(invalid(format!(
            "{told}: network '{name}' has this range already"
        ))),
        (_, None) => {
            let dhcp = leases(network, index, "range")?;
            if let Some(other) = dhcp.ranges.iter().find(|other| other.overlaps(&wanted)) {
                return Err(invalid(format!(
                    "{told}: network '{name}' has addresses of it in the range from {} to {}",
                    other.start, other.end
                )));
            }
            add(&mut dhcp.ranges, command, wanted);
            Ok(())
        }
    }
}
