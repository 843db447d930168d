//! The files of hosts: who gets which address, and what names have which.

use model::network::{DhcpHost, Dns, Lease, LeaseUnit, Network};
use std::fmt::Write;
use std::net::IpAddr;

/// A lease's time as dnsmasq has it.
pub(super) fn time(lease: &Lease) -> Option<String> {
    let unit = match lease.unit.unwrap_or_default() {
        LeaseUnit::Seconds => 's',
        LeaseUnit::Minutes => 'm',
        LeaseUnit::Hours => 'h',
    };
    lease.expiry.map(|expiry| match expiry {
        0 => "infinite".to_owned(),
        expiry => format!("{expiry}{unit}"),
    })
}

/// The file of `dhcp-hostsfile`: a line a host.
pub(super) fn leases(network: &Network) -> String {
    let mut text = String::new();
    let dhcp = network.ips.iter().filter_map(|ip| ip.dhcp.as_ref());
    for host in dhcp.flat_map(|dhcp| &dhcp.hosts) {
        line(&mut text, host);
    }
    text
}

fn line(text: &mut String, host: &DhcpHost) {
    let mut fields: Vec<String> = Vec::new();
    match host.ip {
        // A host is known by the address of its card.
        Some(IpAddr::V4(ip)) => {
            match (&host.mac, &host.name) {
                (Some(mac), _) => fields.push(mac.clone()),
                (None, Some(name)) => fields.push(name.clone()),
                (None, None) => {}
            }
            fields.push(ip.to_string());
            fields.extend(host.mac.as_ref().and(host.name.clone()));
        }
        // A host is known by what it says of itself.
        Some(IpAddr::V6(ip)) => {
            fields.extend(host.id.as_ref().map(|id| format!("id:{id}")));
            fields.extend(host.name.clone());
            fields.push(format!("[{ip}]"));
        }
        None => return,
    }
    fields.extend(host.lease.as_ref().and_then(time));
    text.push_str(&fields.join(","));
    text.push('\n');
}

/// The file of `addn-hosts`: a line an address.
pub(super) fn names(network: &Network) -> String {
    let mut text = String::new();
    for host in network.dns.iter().flat_map(|Dns { hosts, .. }| hosts) {
        let Some(ip) = host.ip else { continue };
        let _ = write!(text, "{ip}\t");
        for name in &host.hostnames {
            let _ = write!(text, "{name}\t");
        }
        text.push('\n');
    }
    text
}
