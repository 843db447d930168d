//! iptables, ip6tables and ebtables.

use crate::{Action, Base, Condition, Rule, RuleSet, Value, above, ethernet};

/// One command that is being read.
#[derive(Default)]
struct Command {
    conditions: Vec<Condition>,
    action: Option<String>,
    /// The chain, and whether the rule is its first.
    place: Option<(String, bool)>,
}

/// The words of one command.
pub(crate) fn run(rules: &mut RuleSet, program: &str, words: &[String]) {
    builtin(rules, program);
    let mut words = words.iter().map(String::as_str);
    let mut table = "filter".to_owned();
    let mut command = Command::default();
    let mut not = false;
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_else(|| panic!("{program} {word}"));
        let was_not = std::mem::take(&mut not);
        match word {
            "-w" | "--list-rules" | "--concurrent" | "--checksum-fill" => {}
            "!" => not = true,
            "-t" | "--table" => next().clone_into(&mut table),
            "-N" | "--new-chain" => {
                rules.chain(&format!("{program}/{table}/{}", next()));
            }
            "-F" | "-X" | "-m" | "--match" | "--comment" => {
                next();
            }
            "--insert" => command.place = Some((next().to_owned(), true)),
            "-A" => command.place = Some((next().to_owned(), false)),
            "-j" | "--jump" => command.action = Some(next().to_owned()),
            "--to-ports" => {
                let ports = next().to_owned();
                let target = command.action.take().expect("ports are of a target");
                command.action = Some(format!("{target} :{ports}"));
            }
            "--match-set" => {
                let name = next().to_owned();
                let first = next().split(',').next() == Some("src");
                let fact = if first { "ip.saddr" } else { "ip.daddr" };
                command
                    .conditions
                    .push(crate::in_set(fact, &name).unless(was_not));
            }
            "--arp-gratuitous" => command
                .conditions
                .push(Condition::same("nh.112+32", "nh.192+32").unless(was_not)),
            option => {
                let value = next();
                let found = match program {
                    "ebtables" => frame(option, value),
                    _ => packet(program, option, value),
                };
                assert!(!found.is_empty(), "{program} {option} {value}");
                command
                    .conditions
                    .extend(found.into_iter().map(|one| one.unless(was_not)));
            }
        }
    }
    let Some((chain, at_start)) = command.place else {
        return;
    };
    let rule = Rule {
        conditions: command.conditions,
        action: target(program, &table, &command.action.expect("a rule does something")),
    };
    let chain = rules.chain(&format!("{program}/{table}/{chain}"));
    if at_start {
        chain.insert(0, rule);
    } else {
        chain.push(rule);
    }
}

fn number(text: &str) -> u128 {
    match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).expect(text),
        None => text.parse().expect(text),
    }
}

/// A number, or two with a colon between.
fn numbers(fact: &str, text: &str) -> Condition {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    Condition::within(
        fact,
        vec![(Value::Number(number(first)), Value::Number(number(last)))],
    )
}

fn protocol(name: &str) -> Option<u128> {
    Some(match name {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        "icmp" => 1,
        "igmp" => 2,
        "icmpv6" => 58,
        "esp" => 50,
        "ah" => 51,
        "udplite" => 136,
        "all" => return None,
        other => panic!("protocol {other}"),
    })
}

/// iptables' options.
fn packet(program: &str, option: &str, value: &str) -> Vec<Condition> {
    let family = if program == "ip6tables" { "ip6" } else { "ip" };
    let of = |fact: &str| format!("{family}.{fact}");
    let one = match option {
        "-i" | "--in-interface" => Condition::of("meta.iifname", value),
        "--out-interface" => Condition::of("meta.oifname", value),
        "-p" | "--protocol" => match protocol(value) {
            Some(number) => Condition::of("meta.l4proto", number),
            None => Condition::within("meta.l4proto", vec![(Value::Number(0), Value::Number(255))]),
        },
        "--source" => crate::nft::addresses(&of("saddr"), value),
        "--destination" => crate::nft::addresses(&of("daddr"), value),
        "--sport" => numbers("th.sport", value),
        "--dport" | "--destination-port" => numbers("th.dport", value),
        "--mac-source" => Condition::of("ether.saddr", ethernet(value)),
        "--dscp" => numbers(&of("dscp"), value),
        "--ctdir" => Condition::of("ct.direction", value.to_lowercase().as_str()),
        "--ctstate" => {
            let states = value.split(',').map(|state| {
                let state = Value::Word(state.to_lowercase());
                (state.clone(), state)
            });
            Condition::within("ct.state", states.collect())
        }
        "--icmp-type" | "--icmpv6-type" => {
            let (kind, code) = value.split_once('/').unwrap_or((value, ""));
            let mut both = vec![numbers("th.0+8", kind)];
            if !code.is_empty() {
                both.push(numbers("th.8+8", code));
            }
            return both;
        }
        "--connlimit-above" => above("ct.count", number(value)),
        _ => return Vec::new(),
    };
    vec![one]
}

/// An Ethernet address, perhaps under a mask.
fn mac(fact: &str, text: &str) -> Condition {
    let (address, mask) = text.split_once('/').unwrap_or((text, "ff:ff:ff:ff:ff:ff"));
    let mask = ethernet(mask);
    let value = Value::Number(ethernet(address) & mask);
    let mut condition = Condition::of(fact, 0);
    condition.facts = vec![(fact.to_owned(), Some(mask))];
    condition.any = vec![vec![(value.clone(), value)]];
    condition
}

/// ebtables' options. Fields of spanning trees and of ARP are named by their places.
fn frame(option: &str, value: &str) -> Vec<Condition> {
    let one = match option {
        "-i" => Condition::of("meta.iifname", value),
        "-s" => mac("ether.saddr", value),
        "-d" => mac("ether.daddr", value),
        "-p" => match value {
            "ipv4" => Condition::of("ether.type", 0x0800),
            "ipv6" => Condition::of("ether.type", 0x86dd),
            value => numbers("ether.type", value),
        },
        "--ip-source" => crate::nft::addresses("ip.saddr", value),
        "--ip-destination" => crate::nft::addresses("ip.daddr", value),
        "--ip6-source" => crate::nft::addresses("ip6.saddr", value),
        "--ip6-destination" => crate::nft::addresses("ip6.daddr", value),
        "--ip-protocol" | "--ip6-protocol" => numbers("meta.l4proto", value),
        "--ip-source-port" | "--ip6-source-port" => numbers("th.sport", value),
        "--ip-destination-port" | "--ip6-destination-port" => numbers("th.dport", value),
        // The whole byte of which DSCP is a part.
        "--ip-tos" => numbers("nh.8+8", value),
        "--ip6-icmp-type" => {
            let (kind, code) = value.split_once('/').unwrap();
            return vec![numbers("th.0+8", kind), numbers("th.8+8", code)];
        }
        "--arp-htype" => numbers("nh.0+16", value),
        "--arp-ptype" => numbers("nh.16+16", value),
        "--arp-opcode" => numbers("nh.48+16", value),
        "--arp-mac-src" => mac("nh.64+48", value),
        "--arp-mac-dst" => mac("nh.144+48", value),
        "--vlan-id" => numbers("vlan.id", value),
        "--vlan-encap" => numbers("vlan.type", value),
        "--stp-type" => numbers("nh.48+8", value),
        "--stp-flags" => numbers("nh.56+8", value),
        "--stp-root-pri" => numbers("nh.64+16", value),
        "--stp-root-addr" => mac("nh.80+48", value),
        "--stp-root-cost" => numbers("nh.128+32", value),
        "--stp-sender-prio" => numbers("nh.160+16", value),
        "--stp-sender-addr" => mac("nh.176+48", value),
        "--stp-port" => numbers("nh.224+16", value),
        "--stp-msg-age" => numbers("nh.240+16", value),
        "--stp-max-age" => numbers("nh.256+16", value),
        "--stp-hello-time" => numbers("nh.272+16", value),
        "--stp-forward-delay" => numbers("nh.288+16", value),
        _ => return Vec::new(),
    };
    vec![one]
}

fn target(program: &str, table: &str, name: &str) -> Action {
    match name {
        "ACCEPT" => Action::Accept,
        "DROP" | "REJECT" => Action::Drop,
        "RETURN" => Action::Return,
        // The one mends the packet and goes on, the other only goes on.
        "CHECKSUM" | "CONTINUE" => Action::Continue,
        name if name.starts_with("MASQUERADE") => Action::Translate(name.replace("MASQUERADE", "masquerade")),
        chain => Action::Jump(format!("{program}/{table}/{chain}")),
    }
}

/// The chains that are there before anybody makes any.
fn builtin(rules: &mut RuleSet, program: &str) {
    let family = match program {
        "iptables" => "ipv4",
        "ip6tables" => "ipv6",
        _ => return,
    };
    for (table, chain, hook) in [
        ("filter", "INPUT", "input"),
        ("filter", "FORWARD", "forward"),
        ("filter", "OUTPUT", "output"),
        ("nat", "POSTROUTING", "postrouting"),
        ("mangle", "POSTROUTING", "postrouting"),
    ] {
        let base = Base {
            hook: hook.to_owned(),
            priority: i32::from(table == "nat") * 100,
            of: vec![Condition::of("meta.nfproto", family)],
        };
        rules.base(&format!("{program}/{table}/{chain}"), base);
    }
}
