//! With which addresses and ports guests' packets leave the host.

use super::Guarded;
use super::forwarding::address;
use firewall::when::{self, Is, Key};
use firewall::{Expression, Statement, Table, then};
use model::network::{Nat, NetworkIp};
use std::net::IpAddr;

/// Ports that are taken where the document does not say: those that need no privilege.
const PORTS: (u16, u16) = (1024, 65535);

/// Adds a network's rules, where it has any.
pub(super) fn add(table: &mut Table, guarded: &Guarded<'_>) {
    let ips = guarded.network.ips.iter();
    for ip in ips.filter(|ip| guarded.translates(ip.address.is_ipv6())) {
        subnet(table, guarded, ip);
    }
}

fn subnet(table: &mut Table, guarded: &Guarded<'_>, ip: &NetworkIp) {
    let nat = guarded
        .network
        .forward
        .as_ref()
        .and_then(|forward| forward.nat.as_ref());
    let from_here = || -> Vec<Statement<'static>> {
        let mut conditions: Vec<_> = guarded.dev.map(when::leaves_by).into_iter().collect();
        conditions.push(address(ip, "saddr", Is::Just));
        conditions
    };
    // What is for everybody near does not leave, so nobody would answer to another address.
    let (protocol, groups) = match ip.address {
        IpAddr::V4(_) => (
            "ip",
            vec![when::prefix("224.0.0.0", 24), when::text("255.255.255.255")],
        ),
        IpAddr::V6(_) => ("ip6", vec![when::prefix("ff02::", 16)]),
    };
    let mut near = from_here();
    near.push(when::matches(
        when::field(protocol, "daddr"),
        Is::Just,
        when::any(groups),
    ));
    near.push(then::back());
    table.rule("leave", near);

    let mut with_ports = from_here();
    with_ports.push(address(ip, "daddr", Is::Not));
    let mut other = with_ports.clone();
    with_ports.push(when::matches(
        when::meta(Key::L4proto),
        Is::Just,
        when::any([when::text("tcp"), when::text("udp")]),
    ));
    let ports = nat
        .and_then(|nat| nat.port)
        .map_or(PORTS, |range| (range.start, range.end));
    with_ports.push(leave(ip, nat, Some(ports)));
    table.rule("leave", with_ports);
    other.push(leave(ip, nat, None));
    table.rule("leave", other);
}

/// The addresses that a document names are of IPv4.
fn leave(ip: &NetworkIp, nat: Option<&Nat>, ports: Option<(u16, u16)>) -> Statement<'static> {
    match nat.and_then(|nat| nat.address) {
        Some(addresses) if ip.address.is_ipv4() => {
            let text =
                |address: std::net::Ipv4Addr| -> Expression<'static> { when::text(address.to_string()) };
            then::leave_as(when::range(text(addresses.start), text(addresses.end)), ports)
        }
        _ => then::masquerade(ports),
    }
}
