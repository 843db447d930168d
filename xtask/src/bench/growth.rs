//! How costs grow with the number of defined domains: from a hundred to ten thousand.

use super::daemons::{Daemon, Kind};
use super::{Values, cold, load, memory, note};
use crate::progress::say;
use anyhow::{Result, bail};
use protocol::remote::DomainDefineXmlArgs;
use protocol::remote::procedure::DomainDefineXml;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many domains there are at each step.
const STEPS: [u32; 3] = [100, 1_000, 10_000];

/// What one domain costs at a step, in seconds and bytes.
#[derive(Clone, Copy)]
struct Step {
    define: f64,
    list: f64,
    stats: f64,
    memory: f64,
    start: f64,
}

/// Fills one daemon step by step, tells a table of costs for each domain, and notes how much dearer a domain is among
/// ten thousand than among a thousand.
pub(super) fn measure(values: &mut Values) -> Result<()> {
    let mut daemon = Daemon::prepare(Kind::Ours)?;
    // Started twice: the first start makes folders.
    cold::first_reply(&mut daemon)?;
    daemon.stop()?;
    let empty_start = cold::first_reply(&mut daemon)?;
    let empty = memory::of(daemon.pid(), "Rss:")?;
    let mut steps: Vec<Step> = Vec::new();
    let mut defined = 0;
    for count in STEPS {
        let start = Instant::now();
        let socket = daemon.socket();
        load::block_on(async {
            let client = Arc::new(load::open(&socket).await?);
            let all = (defined..count).map(|number| DomainDefineXmlArgs {
                xml: document(number),
            });
            load::each::<DomainDefineXml>(&client, all).await
        })?;
        let define = start.elapsed().as_secs_f64() / f64::from(count - defined);
        defined = count;
        daemon.stop()?;
        let begun = cold::first_reply(&mut daemon)? - empty_start;
        let (list, stats) = load::block_on(async {
            let client = load::open(&socket).await?;
            Ok((
                load::list(&client).await?,
                load::stats(&client, Duration::ZERO).await?,
            ))
        })?;
        let memory = memory::of(daemon.pid(), "Rss:")? - empty;
        let each = f64::from(count);
        steps.push(Step {
            define,
            list: list / each,
            stats: stats / each,
            memory: memory / each,
            start: begun / each,
        });
    }
    tell(&steps);
    let [.., middle, last] = steps.as_slice() else {
        bail!("nothing was measured");
    };
    for (name, cost) in COSTS {
        note(values, name, cost(last) / cost(middle));
    }
    daemon.stop()
}

type Cost = fn(&Step) -> f64;

/// The figures, and what each is about.
const COSTS: [(&str, Cost); 5] = [
    ("growth_define", |step| step.define),
    ("growth_list", |step| step.list),
    ("growth_stats", |step| step.stats),
    ("growth_memory", |step| step.memory),
    ("growth_start", |step| step.start),
];

fn tell(steps: &[Step]) {
    say("");
    say("| cost of each domain among | define | list | figures | memory | start-up |");
    say("|---|---|---|---|---|---|");
    for (count, step) in STEPS.iter().zip(steps) {
        say(&format!(
            "| {count} | {:.0} us | {:.2} us | {:.2} us | {:.2} kB | {:.1} us |",
            step.define * 1e6,
            step.list * 1e6,
            step.stats * 1e6,
            step.memory / 1e3,
            step.start * 1e6
        ));
    }
}

fn document(number: u32) -> String {
    format!(
        "<domain type='qemu'><name>domain-{number}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>\
         <emulator>/usr/bin/qemu-system-x86_64</emulator>\
         <disk type='file' device='disk'><source file='/nowhere/{number}.img'/><target dev='vda' bus='virtio'/></disk>\
         <interface type='user'><model type='virtio'/></interface><serial type='pty'/></devices></domain>"
    )
}
