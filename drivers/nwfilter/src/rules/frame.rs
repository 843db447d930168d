//! Rules about frames that pass a bridge: mac, vlan, stp, arp, rarp, ip, ipv6, and all.
//!
//! A rule that is for both ways says what packets to the guest are like; the other way sources are destinations.

use super::Way;
use super::expand::Values;
use super::gratuitous;
use firewall::when::{self, Is, Key, Layer};
use firewall::{Expression, Statement, then};
use model::Mac;
use model::nwfilter::{Action, ChainKind, Direction, Literal, Protocol, Rule};
use std::net::{IpAddr, Ipv4Addr};

type Conditions = Vec<Statement<'static>>;

const IPV4: u32 = 0x0800;
const ARP: u32 = 0x0806;
const RARP: u32 = 0x8035;
const VLAN: u32 = 0x8100;
const IPV6: u32 = 0x86dd;

/// Whom bridges talk to by the spanning tree protocol.
const STP_GROUP: &str = "01:80:c2:00:00:00";

fn ether_type(number: u32) -> Statement<'static> {
    when::matches(when::field("ether", "type"), Is::Just, when::number(number))
}

/// What leads to a chain.
pub(super) fn of_chain(kind: ChainKind) -> Conditions {
    match kind {
        ChainKind::Root | ChainKind::Mac => Vec::new(),
        ChainKind::Vlan => vec![ether_type(VLAN)],
        ChainKind::Stp => vec![stp()],
        ChainKind::Arp => vec![ether_type(ARP)],
        ChainKind::Rarp => vec![ether_type(RARP)],
        ChainKind::Ipv4 => vec![ether_type(IPV4)],
        ChainKind::Ipv6 => vec![ether_type(IPV6)],
    }
}

fn stp() -> Statement<'static> {
    when::matches(when::field("ether", "daddr"), Is::Just, when::text(STP_GROUP))
}

/// Messages of DHCP, from a port of UDP to another.
fn dhcp(from: u32, to: u32) -> Conditions {
    vec![
        ether_type(IPV4),
        when::matches(when::meta(Key::L4proto), Is::Just, when::text("udp")),
        when::matches(when::field("th", "sport"), Is::Just, when::number(from)),
        when::matches(when::field("th", "dport"), Is::Just, when::number(to)),
    ]
}

/// The guest asks for an address.
pub(super) fn asks_for_address(mac: Mac) -> Conditions {
    let mut all = vec![when::matches(
        when::field("ether", "saddr"),
        Is::Just,
        when::text(mac.to_string()),
    )];
    all.extend(dhcp(68, 67));
    all.push(then::accept());
    all
}

/// One of these servers answers, or any where there are none.
pub(super) fn address_given(servers: &[Ipv4Addr]) -> Vec<Conditions> {
    let from = |server: &Ipv4Addr| {
        when::matches(
            when::field("ip", "saddr"),
            Is::Just,
            when::text(server.to_string()),
        )
    };
    let mut all: Vec<Conditions> = match servers {
        [] => vec![dhcp(67, 68)],
        servers => servers
            .iter()
            .map(|server| [dhcp(67, 68), vec![from(server)]].concat())
            .collect(),
    };
    for rule in &mut all {
        rule.push(then::accept());
    }
    all
}

/// The rules for packets that go this way; none where it is about the other.
pub(super) fn rules(rule: &Rule, values: &Values, way: Way) -> Vec<Conditions> {
    let mirrored = match (rule.direction, way) {
        (Direction::In, Way::To) | (Direction::Out, Way::From) | (Direction::Both, Way::To) => false,
        (Direction::Both, Way::From) => true,
        _ => return Vec::new(),
    };
    let conditions = conditions(rule, values, mirrored);
    let mut all = match values.get("gratuitous") {
        Some((Literal::Bool(true), reversed)) => gratuitous::rules(conditions, Is::reversed(reversed)),
        _ => vec![conditions],
    };
    for one in &mut all {
        one.extend(match rule.action {
            // Who sent a frame is not told.
            Action::Drop | Action::Reject => Some(then::drop()),
            Action::Accept => Some(then::accept()),
            Action::Return => Some(then::back()),
            Action::Continue => None,
        });
    }
    all
}

fn conditions(rule: &Rule, values: &Values, mirrored: bool) -> Conditions {
    let (source, destination) = if mirrored { ("dst", "src") } else { ("src", "dst") };
    let mut all = Conditions::new();
    mac(
        &mut all,
        values,
        &format!("{source}mac"),
        when::field("ether", "saddr"),
    );
    mac(
        &mut all,
        values,
        &format!("{destination}mac"),
        when::field("ether", "daddr"),
    );
    match rule.protocol {
        None => {}
        Some(Protocol::Mac) => number(&mut all, values, "protocolid", when::field("ether", "type")),
        Some(Protocol::Vlan) => {
            all.push(ether_type(VLAN));
            number(&mut all, values, "vlanid", when::field("vlan", "id"));
            number(&mut all, values, "encap-protocol", when::field("vlan", "type"));
        }
        Some(Protocol::Stp) => bridges(&mut all, values),
        Some(Protocol::Arp) => arp(&mut all, values, ARP, source, destination),
        Some(Protocol::Rarp) => arp(&mut all, values, RARP, source, destination),
        Some(Protocol::Ip) => {
            all.push(ether_type(IPV4));
            address(&mut all, values, source, when::field("ip", "saddr"));
            address(&mut all, values, destination, when::field("ip", "daddr"));
            number(&mut all, values, "protocol", when::meta(Key::L4proto));
            ports(&mut all, values, source, destination);
            // libvirt has ebtables hold the whole byte against it.
            number(&mut all, values, "dscp", when::bits(Layer::NH, 8, 8));
        }
        Some(Protocol::Ipv6) => {
            all.push(ether_type(IPV6));
            address(&mut all, values, source, when::field("ip6", "saddr"));
            address(&mut all, values, destination, when::field("ip6", "daddr"));
            number(&mut all, values, "protocol", when::meta(Key::L4proto));
            ports(&mut all, values, source, destination);
            span(&mut all, values, "type", "typeend", when::bits(Layer::TH, 0, 8));
            span(&mut all, values, "code", "codeend", when::bits(Layer::TH, 8, 8));
        }
        // What is about connections is made elsewhere.
        Some(_) => {}
    }
    all
}

/// An Ethernet address, and its mask.
fn mac(all: &mut Conditions, values: &Values, name: &str, place: Expression<'static>) {
    let Some((Literal::Mac(wanted), reversed)) = values.get(&format!("{name}addr")) else {
        return;
    };
    let mask = match values.get(&format!("{name}mask")) {
        Some((Literal::Mac(mask), _)) if mask.octets() != [0xff; 6] => *mask,
        _ => {
            all.push(when::matches(
                place,
                Is::reversed(reversed),
                when::text(wanted.to_string()),
            ));
            return;
        }
    };
    let mut octets = wanted.octets();
    for (octet, mask) in octets.iter_mut().zip(mask.octets()) {
        *octet &= mask;
    }
    all.push(when::matches(
        when::masked(place, when::text(mask.to_string())),
        Is::reversed(reversed),
        when::text(Mac(octets).to_string()),
    ));
}

/// An IP address, and how many bits of it count.
pub(super) fn address(all: &mut Conditions, values: &Values, end: &str, place: Expression<'static>) {
    let Some((Literal::Ip(wanted), reversed)) = values.get(&format!("{end}ipaddr")) else {
        return;
    };
    let whole = if wanted.is_ipv4() { 32 } else { 128 };
    let length = values
        .number(&format!("{end}ipmask"))
        .map_or(whole, |(length, _)| length);
    let value = if length == whole {
        when::text(wanted.to_string())
    } else {
        when::prefix(network(*wanted, length), length)
    };
    all.push(when::matches(place, Is::reversed(reversed), value));
}

/// The first address of those that start alike.
fn network(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
            IpAddr::V4((address.to_bits() & !hosts).into())
        }
        IpAddr::V6(address) => {
            let hosts = u128::MAX.checked_shr(length).unwrap_or(0);
            IpAddr::V6((address.to_bits() & !hosts).into())
        }
    }
}

/// A number.
pub(super) fn number(all: &mut Conditions, values: &Values, name: &str, place: Expression<'static>) {
    if let Some((wanted, reversed)) = values.number(name) {
        all.push(when::matches(place, Is::reversed(reversed), when::number(wanted)));
    }
}

/// A number between two.
fn span(all: &mut Conditions, values: &Values, low: &str, high: &str, place: Expression<'static>) {
    let Some((first, reversed)) = values.number(low) else {
        return;
    };
    let last = values.number(high).map_or(first, |(last, _)| last.max(first));
    all.push(when::matches(
        place,
        Is::reversed(reversed),
        when::range(when::number(first), when::number(last)),
    ));
}

/// Ports of TCP, UDP and what else has them.
pub(super) fn ports(all: &mut Conditions, values: &Values, source: &str, destination: &str) {
    for (end, field) in [(source, "sport"), (destination, "dport")] {
        span(
            all,
            values,
            &format!("{end}portstart"),
            &format!("{end}portend"),
            when::field("th", field),
        );
    }
}

/// Packets of ARP and RARP, whose fields stand at the same places.
fn arp(all: &mut Conditions, values: &Values, protocol: u32, source: &str, destination: &str) {
    let header = |offset, length| when::bits(Layer::NH, offset, length);
    all.push(ether_type(protocol));
    number(all, values, "hwtype", header(0, 16));
    number(all, values, "protocoltype", header(16, 16));
    number(all, values, "opcode", header(48, 16));
    for (end, hardware, internet) in [(source, 64, 112), (destination, 144, 192)] {
        if let Some((Literal::Mac(wanted), reversed)) = values.get(&format!("arp{end}macaddr")) {
            let [a, b, c, d, e, f] = wanted.octets();
            let halves = [
                (hardware, 16, u32::from_be_bytes([0, 0, a, b])),
                (hardware + 16, 32, u32::from_be_bytes([c, d, e, f])),
            ];
            parts(all, &halves, reversed, header);
        }
        if let Some((Literal::Ip(IpAddr::V4(wanted)), reversed)) = values.get(&format!("arp{end}ipaddr")) {
            let length = values
                .number(&format!("arp{end}ipmask"))
                .map_or(32, |(length, _)| length);
            let mask = !u32::MAX.checked_shr(length).unwrap_or(0);
            let place = if length == 32 {
                header(internet, 32)
            } else {
                when::masked(header(internet, 32), when::number(mask))
            };
            all.push(when::matches(
                place,
                Is::reversed(reversed),
                when::number(wanted.to_bits() & mask),
            ));
        }
    }
}

/// A value in parts side by side, as numbers in rules have 32 bits.
fn parts(
    all: &mut Conditions,
    parts: &[(u32, u32, u32)],
    reversed: bool,
    place: impl Fn(u32, u32) -> Expression<'static>,
) {
    let (places, numbers): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|(offset, length, number)| (place(*offset, *length), when::number(*number)))
        .unzip();
    if !reversed {
        let each = places.into_iter().zip(numbers);
        all.extend(each.map(|(place, number)| when::matches(place, Is::Just, number)));
        return;
    }
    all.push(when::matches(
        when::all_of(places),
        Is::Not,
        when::any([when::all_of(numbers)]),
    ));
}

/// What bridges tell each other: an Ethernet header, three bytes of LLC, and then the fields.
fn bridges(all: &mut Conditions, values: &Values) {
    all.push(stp());
    let header = |byte: u32, bytes: u32| when::bits(Layer::NH, byte * 8, bytes * 8);
    for (low, high, byte, bytes) in [
        ("type", "", 6, 1),
        ("flags", "", 7, 1),
        ("root-priority", "root-priority-hi", 8, 2),
        ("root-cost", "root-cost-hi", 16, 4),
        ("sender-priority", "sender-priority-hi", 20, 2),
        ("port", "port-hi", 28, 2),
        ("age", "age-hi", 30, 2),
        ("max-age", "max-age-hi", 32, 2),
        ("hello-time", "hello-time-hi", 34, 2),
        ("forward-delay", "forward-delay-hi", 36, 2),
    ] {
        span(all, values, low, high, header(byte, bytes));
    }
    for (name, byte) in [("root-address", 10), ("sender-address", 22)] {
        let Some((Literal::Mac(wanted), reversed)) = values.get(name) else {
            continue;
        };
        let mask = match values.get(&format!("{name}-mask")) {
            Some((Literal::Mac(mask), _)) => mask.octets(),
            _ => [0xff; 6],
        };
        for (place, (octet, mask)) in (byte..).zip(wanted.octets().into_iter().zip(mask)) {
            let part = when::masked(header(place, 1), when::number(mask.into()));
            all.push(when::matches(
                part,
                Is::reversed(reversed),
                when::number((octet & mask).into()),
            ));
        }
    }
}
