//! What a network has leased to guests.

use super::{Call, check_flags};
use crate::Driver;
use crate::failure::argument;
use crate::leases::{self, Lease};
use daemon::Routes;
use daemon::lists;
use error::Result;
use model::Mac;
use model::network::Network as Document;
use protocol::remote;
use protocol::remote::limits::NETWORK_DHCP_LEASES_MAX;
use protocol::remote::procedure as p;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkGetDhcpLeases, _>(leases);
}

async fn leases(
    call: Call,
    args: remote::NetworkGetDhcpLeasesArgs,
) -> Result<remote::NetworkGetDhcpLeasesRet> {
    check_flags("virNetworkGetDHCPLeases", args.flags, 0)?;
    let of = args.mac.map(|text| {
        let mac: Option<Mac> = text.parse().ok();
        mac.ok_or_else(|| argument(format!("'{text}' is no MAC address")))
    });
    let of = of.transpose()?;
    let network = call.driver.networks.find(&args.net)?;
    let state = network.state();
    let Some(bridge) = state.document.bridge_name().map(str::to_owned) else {
        let (leases, ret) = lists::answer(&[], args.need_results, |lease: &remote::NetworkDhcpLease| {
            lease.clone()
        });
        return Ok(remote::NetworkGetDhcpLeasesRet { leases, ret });
    };
    let file = bridge.clone();
    let found = call
        .driver
        .blocking(move |store| leases::read(&leases::file(store.dnsmasq(), &file)))
        .await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let is_his = |lease: &Lease| match of {
        Some(of) => lease.mac_address.as_ref().and_then(|mac| mac.parse().ok()) == Some(of),
        None => true,
    };
    let found: Vec<_> = found
        .into_iter()
        .filter(|lease| !lease.has_ended(now) && is_his(lease))
        .take(NETWORK_DHCP_LEASES_MAX)
        .collect();
    let (leases, ret) = lists::answer(&found, args.need_results, |lease| {
        told(lease, &bridge, &state.document)
    });
    Ok(remote::NetworkGetDhcpLeasesRet { leases, ret })
}

/// A lease as clients hear of it.
fn told(lease: &Lease, bridge: &str, document: &Document) -> remote::NetworkDhcpLease {
    let address = lease.ip_address;
    remote::NetworkDhcpLease {
        iface: bridge.to_owned(),
        expirytime: lease.expiry_time,
        // `VIR_IP_ADDR_TYPE_IPV4` and `..._IPV6`.
        r#type: i32::from(address.is_ipv6()),
        mac: lease.mac_address.clone(),
        iaid: lease.iaid.clone(),
        ipaddr: address.to_string(),
        prefix: prefix(document, address),
        hostname: lease.hostname.clone(),
        clientid: lease.client_id.clone(),
    }
}

/// How many bits of an address name the network that it was leased in.
fn prefix(document: &Document, address: std::net::IpAddr) -> u32 {
    let subnets = document.ips.iter().filter(|ip| ip.dhcp.is_some());
    let own = subnets
        .map(|ip| ip.subnet())
        .find(|subnet| subnet.contains(address));
    own.map_or(0, |subnet| subnet.length().into())
}
