//! Rules about packets of connections: tcp, udp, icmp, all, ... and their forms for IPv6.
//!
//! An accepted connection's packets pass both ways: the way of the rule they may begin it, the other way they may only answer. What is
//! dropped is dropped both ways, sources being destinations the other way.

use super::Way;
use super::expand::Values;
use super::frame::{address, number, ports};
use super::set::{self, Sets};
use error::Result;
use firewall::when::{self, Is, Key};
use firewall::{Statement, then};
use model::nwfilter::{Action, Direction, Layer, Literal, Rule};

type Conditions = Vec<Statement<'static>>;

/// What of a rule's connections a packet may be.
enum Part {
    /// Anything.
    Any,
    /// One that begins or goes on with it.
    Begins,
    /// One that begins or goes on with it, whoever began.
    GoesOn,
    /// An answer.
    Answers,
    /// One in these states.
    In(Vec<String>),
}

/// Whether a rule counts connections: those that one rule of the kernel has seen.
pub(super) fn counts(values: &Values) -> bool {
    values.get("connlimit-above").is_some()
}

/// The rules for packets that go this way.
///
/// # Errors
/// What a rule's set cannot be.
pub(super) fn rules(
    rule: &Rule,
    values: &Values,
    way: Way,
    layer: Layer,
    sets: &Sets,
) -> Result<Vec<Conditions>> {
    let own = matches!(
        (rule.direction, way),
        (Direction::Out, Way::From) | (Direction::In, Way::To) | (Direction::Both, _)
    );
    let mirrored = way != natural(rule.direction);
    let typed = values.get("type").is_some();
    let counted = counts(values);
    if !own && (typed || counted) {
        return Ok(Vec::new());
    }
    // The address of whom a packet is for is not known there, so a rule that is about nothing else is not either.
    let only_mac = values.get("srcmacaddr").is_some() && !values.has_more_than(&["srcmacaddr", "comment"]);
    if mirrored && only_mac {
        return Ok(Vec::new());
    }
    let Some(part) = part(rule, values, own, typed) else {
        return Ok(Vec::new());
    };
    let mirrored = mirrored && !(typed && own);
    let mut all = about(values, layer, mirrored);
    all.extend(set::conditions(values, sets, layer, mirrored)?);
    match part {
        Part::Any => {}
        Part::Begins => {
            all.push(when::connection(&["new", "established"]));
            all.push(when::direction(when::Original));
        }
        Part::GoesOn => all.push(when::connection(&["new", "established"])),
        Part::Answers => {
            all.push(when::connection(&["established"]));
            all.push(when::direction(when::Reply));
        }
        Part::In(states) => {
            let states: Vec<&str> = states.iter().map(String::as_str).collect();
            all.push(when::connection(&states));
        }
    }
    if let Some((most, _)) = values.number("connlimit-above") {
        all.push(when::more_connections_than(most));
    }
    all.extend(match (rule.action, way) {
        // Bridges can tell who sent a packet before they have chosen a port for it, and no later.
        (Action::Drop, _) | (Action::Reject, Way::To) => Some(then::drop()),
        (Action::Reject, Way::From) => Some(then::reject()),
        // Whom the packet is for has rules too.
        (Action::Accept, Way::From) | (Action::Return, _) => Some(then::back()),
        (Action::Accept, Way::To) => Some(then::accept()),
        (Action::Continue, _) => None,
    });
    Ok(vec![all])
}

/// The way that a rule's attributes are about.
fn natural(direction: Direction) -> Way {
    match direction {
        Direction::Out => Way::From,
        Direction::In | Direction::Both => Way::To,
    }
}

/// What of connections packets of one way may be; `None` where the rule says nothing about that way.
fn part(rule: &Rule, values: &Values, own: bool, typed: bool) -> Option<Part> {
    if let Some((Literal::States(states), _)) = values.get("state") {
        let names: Vec<String> = states.names().map(str::to_lowercase).collect();
        return match (own, names.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Part::Any),
            (true, false) => Some(Part::In(names)),
        };
    }
    let stateless =
        rule.action != Action::Accept || rule.direction == Direction::Both || !rule.follows_connections;
    Some(match (stateless, own, typed) {
        (true, ..) => Part::Any,
        (false, true, true) => Part::GoesOn,
        (false, true, false) => Part::Begins,
        (false, false, _) => Part::Answers,
    })
}

fn about(values: &Values, layer: Layer, mirrored: bool) -> Conditions {
    let (source, destination) = if mirrored { ("dst", "src") } else { ("src", "dst") };
    let (family, ether_type, protocol) = match layer {
        Layer::Ipv6(protocol) => ("ip6", 0x86dd, protocol),
        Layer::Ipv4(protocol) => ("ip", 0x0800, protocol),
        Layer::Ethernet => ("ip", 0x0800, None),
    };
    let mut all = vec![when::matches(
        when::field("ether", "type"),
        Is::Just,
        when::number(ether_type),
    )];
    if let Some(protocol) = protocol {
        all.push(when::matches(
            when::meta(Key::L4proto),
            Is::Just,
            when::number(protocol.into()),
        ));
    }
    if let (Some((Literal::Mac(mac), reversed)), false) = (values.get("srcmacaddr"), mirrored) {
        all.push(when::matches(
            when::field("ether", "saddr"),
            Is::reversed(reversed),
            when::text(mac.to_string()),
        ));
    }
    for (end, field) in [(source, "saddr"), (destination, "daddr")] {
        address(&mut all, values, end, when::field(family, field));
        range(&mut all, values, end, family, field);
    }
    number(&mut all, values, "dscp", when::field(family, "dscp"));
    ports(&mut all, values, source, destination);
    if let Some((Literal::TcpFlags(flags), reversed)) = values.get("flags") {
        let place = when::masked(
            when::bits(when::Layer::TH, 104, 8),
            when::number(flags.looked_at.into()),
        );
        all.push(when::matches(
            place,
            Is::reversed(reversed),
            when::number(flags.set.into()),
        ));
    }
    number(&mut all, values, "type", when::bits(when::Layer::TH, 0, 8));
    number(&mut all, values, "code", when::bits(when::Layer::TH, 8, 8));
    all
}

/// Addresses from one to another.
fn range(all: &mut Conditions, values: &Values, end: &str, family: &'static str, field: &'static str) {
    let Some((Literal::Ip(first), reversed)) = values.get(&format!("{end}ipfrom")) else {
        return;
    };
    let last = match values.get(&format!("{end}ipto")) {
        Some((Literal::Ip(last), _)) => *last,
        _ => *first,
    };
    all.push(when::matches(
        when::field(family, field),
        Is::reversed(reversed),
        when::range(when::text(first.to_string()), when::text(last.to_string())),
    ));
}
