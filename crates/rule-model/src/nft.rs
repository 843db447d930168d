//! nft's own language, as far as libvirt speaks it.

use crate::{Action, Base, Condition, Rule, RuleSet, Value, address};

/// The words of one `nft` command.
pub(crate) fn run(rules: &mut RuleSet, words: &[String]) {
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "-ae")
        .collect();
    match words.as_slice() {
        ["list" | "add", "table", ..] => {}
        ["add", "chain", family, table, chain] => {
            rules.chain(&format!("{family}/{table}/{chain}"));
        }
        ["add", "chain", family, table, chain, base] => {
            let parts: Vec<&str> = base
                .split([' ', ';', '{', '}'])
                .filter(|part| !part.is_empty())
                .collect();
            let ["type", _, "hook", hook, "priority", priority, "policy", "accept"] = parts.as_slice() else {
                panic!("no chain is made by {base}");
            };
            rules.base(
                &format!("{family}/{table}/{chain}"),
                Base {
                    hook: (*hook).to_owned(),
                    priority: priority.parse().unwrap(),
                    of: vec![Condition::of("meta.nfproto", of_family(family))],
                },
            );
        }
        ["insert", "rule", family, table, chain, rest @ ..] => {
            let rule = rule(&format!("{family}/{table}"), rest);
            rules.chain(&format!("{family}/{table}/{chain}")).insert(0, rule);
        }
        other => panic!("nft {other:?}"),
    }
}

fn of_family(family: &str) -> &'static str {
    match family {
        "ip" => "ipv4",
        "ip6" => "ipv6",
        other => panic!("no packets are of the family {other}"),
    }
}

/// An address, or all that start alike.
pub(crate) fn addresses(fact: &str, text: &str) -> Condition {
    let (start, length) = text.split_once('/').unwrap_or((text, ""));
    let first = address(start);
    let bits: u32 = if start.contains(':') { 128 } else { 32 };
    let length = if length.is_empty() {
        bits
    } else {
        length.parse().unwrap()
    };
    let hosts = 1_u128
        .checked_shl(bits - length)
        .map_or(u128::MAX, |size| size - 1);
    let first = first & !hosts;
    Condition::within(fact, vec![(Value::Number(first), Value::Number(first | hosts))])
}

fn rule(table: &str, words: &[&str]) -> Rule {
    let mut conditions = Vec::new();
    let mut words = words.iter().copied();
    let mut action = None;
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap();
        match word {
            "counter" => {}
            "iif" | "iifname" => conditions.push(Condition::of("meta.iifname", next())),
            "oif" | "oifname" => conditions.push(Condition::of("meta.oifname", next())),
            "ip" | "ip6" => {
                let fact = format!("{word}.{}", next());
                let value = next();
                let not = value == "!=";
                let value = if not { next() } else { value };
                conditions.push(addresses(&fact, value).unless(not));
            }
            "ct" => {
                assert_eq!(next(), "state");
                let states = next().split(',').map(|state| (state.into(), state.into()));
                conditions.push(Condition::within("ct.state", states.collect()));
            }
            "meta" => {
                assert_eq!(next(), "l4proto");
                let number: u128 = match next() {
                    "tcp" => 6,
                    "udp" => 17,
                    other => panic!("protocol {other}"),
                };
                conditions.push(Condition::of("meta.l4proto", number));
            }
            "accept" => action = Some(Action::Accept),
            "reject" => action = Some(Action::Drop),
            "return" => action = Some(Action::Return),
            "jump" => action = Some(Action::Jump(format!("{table}/{}", next()))),
            "masquerade" | "snat" => {
                let rest: Vec<&str> = words.by_ref().collect();
                action = Some(Action::Translate(match rest.as_slice() {
                    [] => word.to_owned(),
                    ["to", target] => format!("{word} {target}"),
                    other => panic!("{word} {other:?}"),
                }));
            }
            other => panic!("a rule says {other}"),
        }
    }
    Rule {
        conditions,
        action: action.expect("a rule that does nothing"),
    }
}
