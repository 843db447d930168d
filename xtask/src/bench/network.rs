//! Networks and filters: virtnetworkd and virtnwfilterd beside the peer, each in a network of its own.

use super::daemons::{self, Daemon, Kind};
use super::{AtMost, Figure, RatioAtMost, Told, Values, figure, memory, note, python};
use crate::progress::say;
use anyhow::Result;

/// How many times each daemon is measured.
const ROUNDS: usize = 3;

/// How often a network is started and stopped in one round.
const STARTS: u32 = 10;

/// The ports of a network that are listed.
const PORTS: u32 = 1_000;

/// The rules of the filter, and the interfaces that it is put before.
const RULES: u32 = 500;
const GUARDED: u32 = 100;

/// The same at the peer, which runs a program for each rule: all of them would take it the better part of an hour.
const GUARDED_BY_PEER: u32 = 2;

/// The rules of a filter that is larger than any.
const MANY_RULES: u32 = 10_000;

/// Every figure, in the order in which it is told.
pub(super) const TABLE: &[Figure] = &[
    figure(
        "network_start_stop",
        "start and stop of a network with NAT and DHCP",
        ("ms", 1e3),
        RatioAtMost(0.5),
    ),
    figure("network_start", "its start alone", ("ms", 1e3), Told),
    figure(
        "network_ports",
        "list of 1,000 ports of a network",
        ("ms", 1e3),
        AtMost(5.0),
    ),
    figure(
        "filter_bind",
        "a filter of 500 rules put before 100 ports, for each",
        ("ms", 1e3),
        RatioAtMost(0.1),
    ),
    figure(
        "filter_redefine",
        "the filter redefined while they have it, for each",
        ("ms", 1e3),
        RatioAtMost(0.1),
    ),
    figure("filter_unbind", "taken from them, for each", ("ms", 1e3), Told),
    figure(
        "filter_memory",
        "memory of virtnwfilterd after that (RSS)",
        ("MB", 1e-6),
        Told,
    ),
    figure(
        "filter_bind_many",
        "a filter of 10,000 rules put before one port",
        ("ms", 1e3),
        Told,
    ),
    figure(
        "filter_memory_many",
        "memory of virtnwfilterd after that (RSS)",
        ("MB", 1e-6),
        Told,
    ),
];

/// Measures all of it.
pub(super) fn measure(ours: &mut Values, theirs: &mut Values) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        say("* Networks are not measured: that needs root");
        return Ok(());
    }
    let peer = daemons::peer_is_there();
    for round in 1..=ROUNDS {
        say(&format!("* Networks and filters, round {round} of {ROUNDS}"));
        networks(Kind::Ours, PORTS, ours)?;
        filters(Kind::Ours, GUARDED, RULES, "", ours)?;
        if peer {
            networks(Kind::Peer, 0, theirs)?;
            filters(Kind::Peer, GUARDED_BY_PEER, RULES, "", theirs)?;
        }
    }
    say("* A filter of 10,000 rules");
    filters(Kind::Ours, 1, MANY_RULES, "_many", ours)
}

fn networks(kind: Kind, ports: u32, values: &mut Values) -> Result<()> {
    let mut daemon = Daemon::prepare_in_network(kind, "virtnetworkd", 0)?;
    daemon.start()?;
    drop(daemon.connect()?);
    let arguments = [&daemon.uri_of("network"), &STARTS.to_string(), &ports.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.as_str()).collect();
    for (name, value) in python(include_str!("clients/network.py"), &arguments)? {
        note(values, &name, value);
    }
    daemon.stop()
}

fn filters(kind: Kind, ports: u32, rules: u32, ending: &str, values: &mut Values) -> Result<()> {
    let mut daemon = Daemon::prepare_in_network(kind, "virtnwfilterd", ports)?;
    daemon.start()?;
    drop(daemon.connect()?);
    let arguments = [&daemon.uri_of("nwfilter"), &rules.to_string(), &ports.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.as_str()).collect();
    for (name, value) in python(include_str!("clients/filters.py"), &arguments)? {
        note(values, &format!("{name}{ending}"), value);
    }
    note(
        values,
        &format!("filter_memory{ending}"),
        memory::of(daemon.pid(), "Rss:")?,
    );
    daemon.stop()
}
