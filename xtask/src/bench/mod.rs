//! `cargo xtask bench`: what the daemon costs, beside the peer in the same run.
//!
//! Each figure is a line of [`TABLE`]: what is measured, in which unit, and what its ratio to the peer's may be. The
//! measuring files fill in values by name, for one daemon at a time, in alternating rounds; told are medians.

mod cold;
pub(crate) mod daemons;
mod documents;
mod encrypted;
mod floor;
mod growth;
pub(crate) mod load;
mod memory;
mod network;
mod pingpong;
mod running;
mod start;
mod storage;
mod system;

use crate::progress::say;
use anyhow::{Context, Result, ensure};
use daemons::Kind;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::process::Command;

/// How many times each daemon is measured.
const ROUNDS: usize = 3;

/// Domains in the small and in the large measurement.
const SMALL: u32 = 500;
const LARGE: u32 = 10_000;

/// A figure.
struct Figure {
    name: Cow<'static, str>,
    what: Cow<'static, str>,
    /// What one of its units is called, and how many of them one of the measured is.
    unit: (&'static str, f64),
    wanted: Wanted,
}

/// What a figure may be.
enum Wanted {
    /// At most this many times the peer's.
    RatioAtMost(f64),
    /// At least this many times the peer's.
    RatioAtLeast(f64),
    /// At most this, by itself.
    AtMost(f64),
    /// At least this, by itself.
    AtLeast(f64),
    /// It is told to compare others with.
    Told,
}

const fn figure(name: &'static str, what: &'static str, unit: (&'static str, f64), wanted: Wanted) -> Figure {
    Figure {
        name: Cow::Borrowed(name),
        what: Cow::Borrowed(what),
        unit,
        wanted,
    }
}

use Wanted::{AtLeast, AtMost, RatioAtLeast, RatioAtMost, Told};

/// Every figure that is there once, in the order in which it is told; those of each daemon follow.
const TABLE: &[Figure] = &[
    figure(
        "trivial_call",
        "trivial call, stock Python client",
        ("us", 1e6),
        RatioAtMost(0.62),
    ),
    figure(
        "open_close",
        "open and close a connection",
        ("us", 1e6),
        RatioAtMost(0.6),
    ),
    figure(
        "calls_32",
        "calls of 32 concurrent clients",
        ("/s", 1.0),
        RatioAtLeast(3.0),
    ),
    figure("cold_start", "exec to first reply", ("ms", 1e3), RatioAtMost(0.2)),
    figure(
        "capabilities_first",
        "first capabilities, nothing cached",
        ("ms", 1e3),
        RatioAtMost(0.1),
    ),
    figure("define", "definitions, durable", ("/s", 0.0), RatioAtLeast(2.0)),
    figure(
        "disk_limit",
        "write, fsync, rename, fsync of the folder",
        ("/s", 0.0),
        Told,
    ),
    figure("list", "list of 500 domains", ("ms", 1e3), RatioAtMost(0.3)),
    figure(
        "stats",
        "figures of 500 shut-off domains",
        ("ms", 1e3),
        RatioAtMost(0.15),
    ),
    figure(
        "idle_pss",
        "memory when idle (PSS)",
        ("MB", 1e-6),
        RatioAtMost(0.3),
    ),
    figure(
        "loaded_rss",
        "memory with 500 domains (RSS)",
        ("MB", 1e-6),
        RatioAtMost(0.25),
    ),
    figure(
        "large_list",
        "list of 10,000 domains, stock Python client",
        ("ms", 1e3),
        RatioAtMost(0.25),
    ),
    figure(
        "large_list_own",
        "list of 10,000 domains, own client",
        ("ms", 1e3),
        AtMost(20.0),
    ),
    figure(
        "large_stats",
        "figures of 10,000 shut-off domains",
        ("ms", 1e3),
        RatioAtMost(0.1),
    ),
    figure(
        "large_rss",
        "memory with 10,000 domains (RSS)",
        ("MB", 1e-6),
        RatioAtMost(0.3),
    ),
    figure(
        "large_start",
        "start-up with 10,000 domains",
        ("ms", 1e3),
        AtMost(1500.0),
    ),
    figure(
        "guest_start",
        "start of a guest, in times of QEMU's own start",
        ("x", 1.0),
        AtMost(1.15),
    ),
    figure(
        "stuck_p99",
        "reads while one guest's QEMU is stopped, p99",
        ("ms", 1e3),
        AtMost(20.0),
    ),
    figure(
        "running_start",
        "start of each of 1,000 stand-ins",
        ("ms", 1e3),
        Told,
    ),
    figure(
        "running_stats",
        "figures of 1,000 running stand-ins, asked twice a second",
        ("ms", 1e3),
        AtMost(150.0),
    ),
    figure(
        "running_stats_ceaseless",
        "the same, asked without a pause",
        ("ms", 1e3),
        Told,
    ),
    figure(
        "running_memory",
        "memory of each running stand-in (RSS)",
        ("kB", 1e-3),
        AtMost(60.0),
    ),
    figure(
        "adopted_memory",
        "the same in the next daemon",
        ("kB", 1e-3),
        AtMost(60.0),
    ),
    figure(
        "adoption",
        "exec to the last answer of 1,000 adopted monitors",
        ("s", 1.0),
        AtMost(3.0),
    ),
    figure(
        "growth_define",
        "definition of one among 10,000, in times of one among 1,000",
        ("x", 1.0),
        AtMost(1.5),
    ),
    // What does not fit the processor's caches any more costs more each, in a list as anywhere.
    figure("growth_list", "its share of a list", ("x", 1.0), AtMost(2.0)),
    figure(
        "growth_stats",
        "its share of all figures",
        ("x", 1.0),
        AtMost(1.5),
    ),
    figure("growth_memory", "its memory", ("x", 1.0), AtMost(1.5)),
    figure("growth_start", "its share of a start-up", ("x", 1.0), AtMost(1.5)),
    figure(
        "document_read_written",
        "the largest golden document, read and written",
        ("ms", 1e3),
        AtMost(1.0),
    ),
    figure(
        "document_defined",
        "the same through the daemon: defined, and shown",
        ("ms", 1e3),
        Told,
    ),
    figure(
        "define_many_disks",
        "definition of a guest with 200 disks",
        ("ms", 1e3),
        RatioAtMost(0.2),
    ),
    figure("binary", "the binary", ("MB", 1e-6), AtMost(10.0)),
    figure(
        "all_idle",
        "all daemons together when idle (PSS)",
        ("MB", 1e-6),
        AtMost(12.0),
    ),
];

/// Values by the figure's name, one a round.
type Values = BTreeMap<String, Vec<f64>>;

fn note(values: &mut Values, name: &str, value: f64) {
    values.entry(name.to_owned()).or_default().push(value);
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Calls, memory and starts, with few domains and with many.
    Calls,
    /// How costs grow with the number of domains.
    Growth,
    /// Large documents.
    Documents,
    /// A thousand running guests.
    Running,
    /// All daemons together, and calls through the proxy.
    System,
    /// Pools and volumes.
    Storage,
    /// Networks and filters of packets.
    Network,
    /// What Kerberos costs that encrypts plain TCP.
    Encryption,
}

/// Runs the benchmark, or a part of it. `quick` takes one round with few domains only.
///
/// # Errors
/// When a daemon does not run or a client fails.
pub(crate) fn run(quick: bool, part: Option<Part>) -> Result<()> {
    say("* Building the release");
    // No other daemon has to be built for it.
    let programs: Vec<_> = match part {
        Some(Part::Storage) => vec!["virtstoraged"],
        Some(Part::Network) => vec!["virtnetworkd", "virtnwfilterd", "libvirt_leaseshelper"],
        Some(Part::Documents) => vec!["virtqemud"],
        Some(Part::Encryption) => vec!["virtstoraged", "virtproxyd"],
        _ => system::daemons()
            .map(|daemon| daemon.name)
            .chain(["qmp-standin"])
            .collect(),
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release"])
        .args(programs.iter().flat_map(|program| ["-p", program]))
        .status();
    ensure!(built.context("cannot run cargo")?.success(), "the build failed");
    let wanted = |one| part.map_or(!quick || one == Part::Calls, |part| part == one);
    let mut ours = Values::new();
    let mut theirs = Values::new();
    let mut floor = Values::new();
    if wanted(Part::Calls) {
        calls(quick, &mut ours, &mut theirs, &mut floor)?;
    }
    if wanted(Part::Growth) {
        say("* From 100 to 10,000 domains");
        growth::measure(&mut ours)?;
    }
    if wanted(Part::Documents) {
        say("* Large documents");
        documents::measure(&mut ours, &mut theirs)?;
    }
    if wanted(Part::Running) {
        say("* 1,000 running stand-ins");
        running::measure(&mut ours)?;
    }
    if wanted(Part::System) {
        system::measure(&mut ours, &mut theirs)?;
    }
    if wanted(Part::Encryption) {
        encrypted::measure(&mut ours)?;
    }
    if wanted(Part::Storage) {
        storage::measure(&mut ours, &mut theirs, &mut floor)?;
    }
    if wanted(Part::Network) {
        network::measure(&mut ours, &mut theirs)?;
    }
    if programs.contains(&"virtqemud") {
        let size = std::fs::metadata(daemons::binary()?)?.len();
        note(&mut ours, "binary", size as f64);
    }
    tell(&ours, &theirs, &floor);
    Ok(())
}

/// Both daemons in turn.
fn calls(quick: bool, ours: &mut Values, theirs: &mut Values, floor: &mut Values) -> Result<()> {
    let peer = daemons::peer_is_there();
    if !peer {
        say("* The peer is not measured: that needs libvirtd (package libvirt-daemon-system) and root");
    }
    let rounds = if quick { 1 } else { ROUNDS };
    for round in 1..=rounds {
        say(&format!("* Round {round} of {rounds}"));
        measure(Kind::Ours, ours, Some(floor), SMALL)?;
        start::measure(ours)?;
        if peer {
            measure(Kind::Peer, theirs, None, SMALL)?;
        }
    }
    if !quick {
        say("* 10,000 domains");
        measure(Kind::Ours, ours, Some(floor), LARGE)?;
        if peer {
            measure(Kind::Peer, theirs, None, LARGE)?;
        }
    }
    Ok(())
}

/// Everything that is measured at one daemon with so many domains, and into `floor` what remains without it.
fn measure(kind: Kind, values: &mut Values, floor: Option<&mut Values>, domains: u32) -> Result<()> {
    let large = domains == LARGE;
    let mut daemon = daemons::Daemon::prepare(kind)?;
    let cold = cold::first_reply(&mut daemon)?;
    if !large {
        note(values, "cold_start", cold);
        note(values, "idle_pss", memory::of(daemon.pid(), "Pss:")?);
        note(values, "disk_limit", cold::disk_limit(daemon.folder())?);
    }
    python_calls(&daemon.uri(), domains, large, values)?;
    if let Some(floor) = floor {
        let uri = floor::answer(floor::record(&daemon.socket())?, daemon.folder())?;
        python_calls(&uri, 0, large, floor)?;
    }
    let rss = memory::of(daemon.pid(), "Rss:")?;
    note(values, if large { "large_rss" } else { "loaded_rss" }, rss);
    if large {
        let socket = daemon.socket();
        let list = load::block_on(async { load::list(&load::open(&socket).await?).await })?;
        note(values, "large_list_own", list);
        daemon.stop()?;
        note(values, "large_start", cold::first_reply(&mut daemon)?);
    } else {
        note(values, "calls_32", load::calls(&daemon.socket())?);
    }
    daemon.stop()
}

/// The stock Python client's calls, after it has defined so many domains.
fn python_calls(uri: &str, domains: u32, large: bool, values: &mut Values) -> Result<()> {
    for (name, value) in python(include_str!("clients/calls.py"), &[uri, &domains.to_string()])? {
        match (name.as_str(), large) {
            ("list", true) => note(values, "large_list", value),
            ("stats", true) => note(values, "large_stats", value),
            (_, true) => {}
            (name, false) => note(values, name, value),
        }
    }
    Ok(())
}

/// Runs a script of the stock Python client: what it told, as "name value" lines.
fn python(script: &str, arguments: &[&str]) -> Result<Vec<(String, f64)>> {
    python_in(Vec::new(), script, arguments)
}

/// The same with variables in its environment.
fn python_in(
    environment: Vec<(&str, String)>,
    script: &str,
    arguments: &[&str],
) -> Result<Vec<(String, f64)>> {
    let output = Command::new("/usr/bin/python3")
        .envs(environment)
        .args(["-c", script])
        .args(arguments)
        .output()
        .context("cannot run the stock Python client")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = told.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, value)| {
            let value = value.parse();
            let value =
                value.with_context(|| format!("the client said something else than a figure of {name}"));
            Ok((name.to_owned(), value?))
        })
        .collect()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn tell(ours: &Values, theirs: &Values, floor: &Values) {
    say("");
    say("| figure | ours | floor | peer | ratio | wanted | met |");
    say("|---|---|---|---|---|---|---|");
    for figure in TABLE
        .iter()
        .chain(storage::TABLE)
        .chain(network::TABLE)
        .chain(&system::figures())
        .chain(encrypted::TABLE)
    {
        let value = |values: &Values| values.get(figure.name.as_ref()).and_then(|values| median(values));
        let Some(own) = value(ours) else { continue };
        let peer = value(theirs);
        // A rate is told as so many a second; what was measured is the time of one.
        let shown = |value: f64| {
            let value = if figure.unit.1 == 0.0 {
                1.0 / value
            } else {
                value * figure.unit.1
            };
            format!("{value:.2} {}", figure.unit.0)
        };
        let ratio = peer.map(|peer| {
            if figure.unit.1 == 0.0 {
                peer / own
            } else {
                own / peer
            }
        });
        let scaled = own * figure.unit.1;
        let (wanted, met) = match (&figure.wanted, ratio) {
            (RatioAtMost(most), Some(ratio)) => (format!("<= {most}"), Some(ratio <= *most)),
            (RatioAtLeast(least), Some(ratio)) => (format!(">= {least}"), Some(ratio >= *least)),
            (AtMost(most), _) => (format!("<= {most} {}", figure.unit.0), Some(scaled <= *most)),
            (AtLeast(least), _) => (format!(">= {least} {}", figure.unit.0), Some(scaled >= *least)),
            _ => (String::new(), None),
        };
        say(&format!(
            "| {} | {} | {} | {} | {} | {wanted} | {} |",
            figure.what,
            shown(own),
            value(floor).map(shown).unwrap_or_default(),
            peer.map(shown).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default(),
            met.map_or("", |met| if met { "yes" } else { "NO" })
        ));
    }
}
