//! `<ip>`, and the leases in it.

use super::super::{Dhcp, DhcpHost, DhcpRange, IpFamily, Lease, Network, NetworkIp, unsupported, wrong};
use super::one_line;
use error::{Code, Domain, Error, Result};
use std::net::IpAddr;

/// libvirt's code for a range that is none.
fn no_range(range: &DhcpRange, why: &str) -> Error {
    Error::new(
        Code::InternalError,
        Domain::Network,
        format!("<range start='{}' end='{}'>: {why}", range.start, range.end),
    )
}

/// Completes an address.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn check(ip: &mut NetworkIp) -> Result<()> {
    let address = ip.address;
    match (ip.family, address) {
        (None | Some(IpFamily::Ipv4), IpAddr::V4(_)) | (Some(IpFamily::Ipv6), IpAddr::V6(_)) => {}
        (None, IpAddr::V6(_)) => {
            return Err(unsupported(format!(
                "<ip address='{address}'>: family='ipv6' is missing"
            )));
        }
        (Some(_), _) => {
            return Err(unsupported(format!(
                "<ip address='{address}'>: the address is of another family"
            )));
        }
    }
    if let Some(mask) = ip.netmask {
        if address.is_ipv6() {
            return Err(unsupported(format!(
                "<ip address='{address}'>: IPv6 has a 'prefix', no 'netmask'"
            )));
        }
        if ip.prefix.is_some() {
            return Err(unsupported(format!(
                "<ip address='{address}'>: there cannot be both a 'prefix' and a 'netmask'"
            )));
        }
        if mask.to_bits().leading_ones() + mask.to_bits().trailing_zeros() < 32 {
            return Err(wrong(format!(
                "<ip address='{address}'>: netmask='{mask}' has holes, which no network can have"
            )));
        }
    }
    // libvirt cannot tell 0 from nothing.
    ip.prefix = ip.prefix.filter(|prefix| *prefix != 0);
    let longest = if address.is_ipv6() { 128 } else { 32 };
    if ip.prefix.is_some_and(|prefix| prefix > longest) {
        return Err(unsupported(format!(
            "<ip address='{address}'>: a 'prefix' has {longest} bits at most"
        )));
    }
    if let Some(tftp) = &ip.tftp {
        if address.is_ipv6() {
            return Err(unsupported(format!(
                "<ip address='{address}'>: <tftp> is for IPv4 alone"
            )));
        }
        one_line("<tftp root>", &tftp.root)?;
    }
    ip.tftp = ip.tftp.take().filter(|tftp| !tftp.root.is_empty());
    let Some(mut dhcp) = ip.dhcp.take() else {
        return Ok(());
    };
    leases(ip, &mut dhcp)?;
    ip.dhcp = Some(dhcp).filter(|dhcp| !dhcp.ranges.is_empty() || !dhcp.hosts.is_empty());
    Ok(())
}

fn leases(ip: &NetworkIp, dhcp: &mut Dhcp) -> Result<()> {
    for range in &mut dhcp.ranges {
        self::range(ip, range)?;
    }
    for host in &mut dhcp.hosts {
        self::host(ip, host)?;
    }
    ranges_are_apart(&dhcp.ranges)?;
    if ip.address.is_ipv6() {
        dhcp.bootp = None;
    }
    if let Some(bootp) = &dhcp.bootp {
        one_line("<bootp file>", &bootp.file)?;
    }
    Ok(())
}

/// Checks that no address is in two ranges.
///
/// # Errors
/// [`Code::XmlError`], naming both.
pub(in crate::network) fn ranges_are_apart(ranges: &[DhcpRange]) -> Result<()> {
    for (index, range) in ranges.iter().enumerate() {
        if let Some(other) = ranges.iter().take(index).find(|other| other.overlaps(range)) {
            return Err(wrong(format!(
                "<range start='{}' end='{}'>: addresses are in the range from {} to {} too",
                range.start, range.end, other.start, other.end
            )));
        }
    }
    Ok(())
}

/// Completes a range of addresses beside `ip`.
///
/// # Errors
/// [`Code::InternalError`] for a range that is none or not of the address's network, as stock daemons have it.
pub(in crate::network) fn range(ip: &NetworkIp, range: &mut DhcpRange) -> Result<()> {
    /// Addresses that dnsmasq is given at most.
    const MOST: u64 = 65_536;
    let subnet = ip.subnet();
    if range.start.is_ipv4() != range.end.is_ipv4() || range.start.is_ipv4() != ip.address.is_ipv4() {
        return Err(no_range(range, &format!("{} is of another family", ip.address)));
    }
    if range.start > range.end {
        return Err(no_range(range, "it goes backwards"));
    }
    if !subnet.contains(range.start) || !subnet.contains(range.end) {
        return Err(no_range(range, &format!("it is not all within {subnet}")));
    }
    if range.size() > MOST {
        return Err(no_range(range, &format!("it has more than {MOST} addresses")));
    }
    if subnet.address().is_ipv4() && subnet.length() > 0 {
        if range.start == subnet.address() {
            return Err(no_range(
                range,
                &format!("it starts with the address of the network {subnet}"),
            ));
        }
        if range.end == subnet.last() {
            return Err(no_range(
                range,
                &format!("it ends with the address of everybody in the network {subnet}"),
            ));
        }
    }
    lease(&mut range.lease)
}

/// Completes a host that gets an address beside `ip`.
///
/// # Errors
/// [`Code::XmlError`].
pub(in crate::network) fn host(ip: &NetworkIp, host: &mut DhcpHost) -> Result<()> {
    host_by_itself(host)?;
    let ipv6 = ip.address.is_ipv6();
    let Some(address) = host.ip else {
        return Err(wrong(format!("<host>: the host {} has no 'ip'", told(host))));
    };
    if ipv6 {
        if let Some(mac) = &host.mac {
            return Err(wrong(format!(
                "<host mac='{mac}'>: a host is known by 'id' or 'name' in IPv6, as DHCP asks for no 'mac' there"
            )));
        }
        if host.id.is_none() && host.name.is_none() {
            return Err(wrong(format!("<host ip='{address}'>: 'id' or 'name' is needed")));
        }
    } else if host.mac.is_none() && host.name.is_none() {
        return Err(wrong(format!("<host ip='{address}'>: 'mac' or 'name' is needed")));
    }
    if address.is_ipv6() != ipv6 {
        return Err(wrong(format!(
            "<host ip='{address}'>: the address is of another family than {}",
            ip.address
        )));
    }
    lease(&mut host.lease)
}

/// Checks what does not depend on the address that a host is beside.
///
/// # Errors
/// [`Code::XmlError`].
pub(in crate::network) fn host_by_itself(host: &DhcpHost) -> Result<()> {
    if let Some(mac) = &host.mac {
        let Some(address) = host.mac_address() else {
            return Err(wrong(format!("<host mac='{mac}'>: it is no Ethernet address")));
        };
        if address.is_multicast() {
            return Err(wrong(format!(
                "<host mac='{mac}'>: it is the address of a group, none of a card"
            )));
        }
    }
    if let Some(id) = &host.id
        && !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
    {
        return Err(wrong(format!(
            "<host id='{}'>: it has other signs than hexadecimal digits and colons",
            id.escape_debug()
        )));
    }
    if let Some(name) = &host.name {
        one_line("<host name>", name)?;
        if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(wrong(format!(
                "<host name='{name}'>: a name starts with a letter or a digit"
            )));
        }
    }
    Ok(())
}

/// How a sentence names a host.
fn told(host: &DhcpHost) -> &str {
    [&host.mac, &host.id, &host.name]
        .into_iter()
        .find_map(|word| word.as_deref())
        .unwrap_or("without a name")
}

fn lease(lease: &mut Option<Lease>) -> Result<()> {
    let Some(given) = lease.take().filter(|lease| lease.expiry.is_some()) else {
        return Ok(());
    };
    if given.expiry == Some(0) {
        *lease = Some(Lease {
            expiry: Some(0),
            unit: None,
        });
        return Ok(());
    }
    if given.seconds() < Lease::SHORTEST {
        return Err(unsupported(format!(
            "<lease>: {} seconds are less than the {} that a lease takes at least",
            given.seconds(),
            Lease::SHORTEST
        )));
    }
    *lease = Some(Lease {
        unit: Some(given.unit.unwrap_or_default()),
        ..given
    });
    Ok(())
}

/// Checks that hosts get addresses that the network has.
///
/// # Errors
/// [`Code::XmlError`], naming the host.
pub(in crate::network) fn hosts_are_inside(network: &Network) -> Result<()> {
    let hosts = network.ips.iter().filter_map(|ip| ip.dhcp.as_ref());
    for host in hosts.flat_map(|dhcp| &dhcp.hosts) {
        let Some(address) = host.ip else { continue };
        if !network.ips.iter().any(|ip| ip.subnet().contains(address)) {
            return Err(wrong(format!(
                "<host ip='{address}'>: the address is in none of the networks that network '{}' has addresses of",
                network.name
            )));
        }
    }
    Ok(())
}
