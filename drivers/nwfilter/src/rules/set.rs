//! Rules about sets. libvirt's `ipset` names a set of the kernel's ipset, which rules of nftables do not see. Here it names a set of that
//! name in the table of this daemon, which the administrator makes and fills; the kernel looks it up as it is at that moment.

use super::TABLE;
use super::expand::Values;
use crate::failure::{impossible, internal};
use error::Result;
use firewall::when::{self, Is, Key};
use firewall::{Expression, Statement};
use model::nwfilter::{Layer, Literal, SetDirection};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The sets that there are, by name, each with the types of what its elements are made of, in nft's words.
pub(crate) type Sets = BTreeMap<String, Vec<String>>;

/// The objects of one kind in the table, of what `nft -j list` says of the family `bridge`.
fn listed<'a>(document: &'a Value, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let objects = document.get("nftables").and_then(Value::as_array);
    objects.into_iter().flatten().filter_map(move |object| {
        let object = object.get(kind)?;
        let is_own = object.get("table")?.as_str()? == TABLE;
        is_own.then_some((object.get("name")?.as_str()?, object))
    })
}

fn read(said: &str) -> Result<Value> {
    serde_json::from_str(said).map_err(|err| internal(format!("what nft lists cannot be read: {err}")))
}

/// The sets of which `nft -j list sets bridge` tells.
///
/// # Errors
/// It cannot be read.
pub(crate) fn sets_in(said: &str) -> Result<Sets> {
    let document = read(said)?;
    let parts = |set: &Value| match set.get("type") {
        Some(Value::String(part)) => vec![part.clone()],
        Some(Value::Array(parts)) => {
            let word = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
            parts.iter().map(word).collect()
        }
        other => vec![other.map(Value::to_string).unwrap_or_default()],
    };
    let sets = listed(&document, "set").map(|(name, set)| (name.to_owned(), parts(set)));
    Ok(sets.collect())
}

/// The chains of which `nft -j list chains bridge` tells.
///
/// # Errors
/// It cannot be read.
pub(crate) fn chains_in(said: &str) -> Result<Vec<Arc<str>>> {
    let document = read(said)?;
    Ok(listed(&document, "chain").map(|(name, _)| name.into()).collect())
}

/// Protocols that have ports where TCP has them.
const WITH_PORTS: [u32; 4] = [6, 17, 132, 136];

/// What a rule asks of a packet of the `family` by its set; nothing where it names none.
///
/// # Errors
/// The set is not there, or holds what is not in such packets or not looked up.
pub(super) fn conditions(
    values: &Values,
    sets: &Sets,
    layer: Layer,
    mirrored: bool,
) -> Result<Vec<Statement<'static>>> {
    let Some((Literal::Text(name), reversed)) = values.get("ipset") else {
        return Ok(Vec::new());
    };
    let Some(parts) = sets.get(name) else {
        return Err(internal(format!(
            "ipset '{name}': there is no set of that name in the table '{TABLE}' of nftables' family bridge. Sets of the kernel's \
             ipset are not seen by rules of nftables"
        )));
    };
    let (family, protocol) = match layer {
        Layer::Ipv4(protocol) => ("ip", protocol),
        Layer::Ipv6(protocol) => ("ip6", protocol),
        Layer::Ethernet => ("ip", None),
    };
    let has_ports = protocol.is_some_and(|number| WITH_PORTS.contains(&number.into()));
    let directions = match values.get("ipsetflags") {
        Some((Literal::SetDirections(directions), _)) => directions.as_slice(),
        _ => &[],
    };
    let mut directions = directions.iter();
    let mut next = |ends: [&'static str; 2]| -> Result<&'static str> {
        let direction = directions.next().ok_or_else(|| {
            let parts = parts.join(" . ");
            impossible(format!(
                "ipset '{name}': its elements are {parts}, and ipsetflags does not say of each whose it is, src or dst"
            ))
        })?;
        let [source, destination] = ends;
        Ok(match (direction, mirrored) {
            (SetDirection::Source, false) | (SetDirection::Destination, true) => source,
            (SetDirection::Source, true) | (SetDirection::Destination, false) => destination,
        })
    };
    let mut all = Vec::new();
    let mut looked_up: Vec<Expression<'static>> = Vec::new();
    for part in parts {
        looked_up.push(match (part.as_str(), family) {
            ("ipv4_addr", "ip") | ("ipv6_addr", "ip6") => when::field(family, next(["saddr", "daddr"])?),
            ("ether_addr", _) => when::field("ether", next(["saddr", "daddr"])?),
            ("inet_service", _) => {
                if !has_ports && reversed {
                    return Err(impossible(format!(
                        "ipset '{name}': its elements have ports, and the rule is about what is in none of them, so it has to name a \
                         protocol that has ports"
                    )));
                }
                if !has_ports {
                    let protocols = when::any(WITH_PORTS.map(when::number));
                    all.push(when::matches(when::meta(Key::L4proto), Is::Just, protocols));
                }
                when::field("th", next(["sport", "dport"])?)
            }
            ("inet_proto", _) => when::meta(Key::L4proto),
            (part, _) => {
                return Err(impossible(format!(
                    "ipset '{name}': its elements have a part of type {part}, which no packet of {family} is looked up by"
                )));
            }
        });
    }
    let place = match looked_up.len() {
        1 => looked_up.swap_remove(0),
        _ => when::all_of(looked_up),
    };
    all.push(when::matches(
        place,
        Is::reversed(reversed),
        when::text(format!("@{name}")),
    ));
    Ok(all)
}
