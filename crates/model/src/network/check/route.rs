//! `<route>`: what is reached through a guest.

use super::super::address::default_prefix_length;
use super::super::{IpFamily, Network, Subnet, unsupported, wrong};
use error::Result;
use std::net::IpAddr;

/// Checks one of the network's routes.
///
/// # Errors
/// What is wrong, and a gateway that the network does not reach.
pub(super) fn check(network: &Network, index: usize) -> Result<()> {
    let Some(route) = network.routes.get(index) else {
        return Ok(());
    };
    let address = route.address;
    let refuse = |why: &str| Err(wrong(format!("<route address='{address}'>: {why}")));
    let family = match route.family {
        Some(IpFamily::Ipv6) => IpFamily::Ipv6,
        _ => IpFamily::Ipv4,
    };
    let ipv6 = family == IpFamily::Ipv6;
    if address.is_ipv6() != ipv6 || route.gateway.is_ipv6() != ipv6 {
        return refuse(if route.family.is_none() {
            "family='ipv6' is missing"
        } else {
            "address and gateway are not both of the family that it says"
        });
    }
    if route.netmask.is_some() && ipv6 {
        return refuse("IPv6 has a 'prefix', no 'netmask'");
    }
    if route.netmask.is_some() && route.prefix.is_some() {
        return refuse("there cannot be both a 'prefix' and a 'netmask'");
    }
    if route.metric == Some(0) {
        return refuse("metric='0' cannot be");
    }
    let longest = if ipv6 { 128 } else { 32 };
    let length = match (route.prefix, route.netmask) {
        (Some(prefix), _) if prefix > longest => {
            return refuse(&format!("a 'prefix' has {longest} bits at most"));
        }
        (Some(prefix), _) => u8::try_from(prefix).unwrap_or(u8::MAX),
        (None, Some(mask)) => {
            if mask.to_bits().leading_ones() + mask.to_bits().trailing_zeros() < 32 {
                return refuse(&format!("netmask='{mask}' has holes, which no network can have"));
            }
            u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32)
        }
        // Where to everywhere else, it says nothing of how far; one address of a class says it.
        (None, None) => match address {
            IpAddr::V4(_) => default_prefix_length(address),
            IpAddr::V6(address) if address.is_unspecified() => 0,
            IpAddr::V6(_) => return refuse("a 'prefix' is missing"),
        },
    };
    let subnet = Subnet::of(address, length);
    if subnet.address() != address {
        return refuse(&format!("it is no network's address; that would be {subnet}"));
    }
    let reached = network.ips.iter().any(|ip| ip.subnet().contains(route.gateway));
    if !reached {
        return Err(unsupported(format!(
            "<route gateway='{}'>: network '{}' has no <ip> that reaches it",
            route.gateway, network.name
        )));
    }
    Ok(())
}
