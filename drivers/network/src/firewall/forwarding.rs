//! What may come into a network and what may leave it.

use super::Guarded;
use firewall::when::{self, Is, Key};
use firewall::{Statement, Table, then};
use model::network::NetworkIp;
use std::net::IpAddr;

/// Whether an address in the header is one of the network's.
pub(super) fn address(ip: &NetworkIp, field: &'static str, is: Is) -> Statement<'static> {
    let protocol = match ip.address {
        IpAddr::V4(_) => "ip",
        IpAddr::V6(_) => "ip6",
    };
    let subnet = ip.subnet();
    when::matches(
        when::field(protocol, field),
        is,
        when::prefix(subnet.address(), subnet.length().into()),
    )
}

/// Adds both chains of a network.
pub(super) fn add(table: &mut Table, guarded: &Guarded<'_>) {
    let (to, from) = (guarded.chain("to"), guarded.chain("from"));
    table.chain(&*to, None);
    table.chain(&*from, None);
    let forwards = guarded.network.forward.is_some();
    for ip in guarded.network.ips.iter().filter(|_| forwards) {
        let mut comes: Vec<Statement<'static>> = guarded.dev.map(when::comes_in_by).into_iter().collect();
        comes.push(address(ip, "daddr", Is::Just));
        if guarded.translates(ip.address.is_ipv6()) {
            comes.push(when::connection(&["established", "related"]));
        }
        comes.push(then::accept());
        table.rule(&*to, comes);
        let mut leaves: Vec<Statement<'static>> = guarded.dev.map(when::leaves_by).into_iter().collect();
        leaves.push(address(ip, "saddr", Is::Just));
        leaves.push(then::accept());
        table.rule(&*from, leaves);
    }
    for chain in [to, from] {
        let mut rest = Vec::new();
        if !guarded.is_about(true) {
            rest.push(when::matches(
                when::meta(Key::Nfproto),
                Is::Just,
                when::text("ipv4"),
            ));
        }
        rest.push(then::reject());
        table.rule(chain, rest);
    }
}
