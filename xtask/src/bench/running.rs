//! A thousand guests that run, each a stand-in for QEMU's monitor: what they cost the daemon, and how soon the next
//! daemon has all of them.

use super::daemons::{self, Daemon, Kind};
use super::{Values, cold, load, memory, note};
use anyhow::{Context, Result, bail, ensure};
use protocol::qemu::DomainMonitorCommandArgs;
use protocol::qemu::procedure::DomainMonitorCommand;
use protocol::remote::procedure as p;
use protocol::remote::{ConnectListAllDomainsArgs, Domain, DomainCreateXmlArgs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Guests.
const GUESTS: u32 = 1000;

/// How long a daemon may take to have them all before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often somebody who watches a host asks.
const POLLING: Duration = Duration::from_millis(500);

/// Starts the guests, measures, replaces the daemon by the next one, measures again, and ends the guests.
pub(super) fn measure(values: &mut Values) -> Result<()> {
    let mut daemon = Daemon::prepare(Kind::Ours)?;
    let emulator = daemons::stand_in(daemon.folder())?;
    cold::first_reply(&mut daemon)?;
    // The first guest brings what all need: the binary's capabilities.
    create(&daemon, &emulator, 0..1)?;
    let before = memory::of(daemon.pid(), "Rss:")?;
    let start = Instant::now();
    create(&daemon, &emulator, 1..GUESTS)?;
    note(
        values,
        "running_start",
        start.elapsed().as_secs_f64() / f64::from(GUESTS - 1),
    );
    for (name, pause) in [
        ("running_stats", POLLING),
        ("running_stats_ceaseless", Duration::ZERO),
    ] {
        let stats = load::block_on(async { load::stats(&load::open(&daemon.socket()).await?, pause).await })?;
        note(values, name, stats);
    }
    let after = memory::of(daemon.pid(), "Rss:")?;
    note(values, "running_memory", (after - before) / f64::from(GUESTS - 1));
    daemon.kill()?;
    let start = daemon.start()?;
    drop(daemon.connect()?);
    load::block_on(all_answer(&daemon, start))?;
    note(values, "adoption", start.elapsed().as_secs_f64());
    let adopted = memory::of(daemon.pid(), "Rss:")?;
    note(
        values,
        "adopted_memory",
        (adopted - before) / f64::from(GUESTS - 1),
    );
    let ended = load::block_on(destroy_all(&daemon));
    daemon.stop()?;
    ended
}

/// A guest of next to nothing.
fn document(number: u32, emulator: &Path) -> String {
    format!(
        "<domain type='qemu'><name>guest-{number}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>{}</emulator>\
         <disk type='file' device='disk'><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
         <serial type='pty'/><memballoon model='virtio'/></devices></domain>",
        emulator.display(),
        image(number, emulator).display()
    )
}

/// A guest's disk, beside its QEMU: what it is based on is looked up when it starts.
fn image(number: u32, emulator: &Path) -> PathBuf {
    emulator.with_file_name(format!("{number}.img"))
}

fn create(daemon: &Daemon, emulator: &Path, numbers: std::ops::Range<u32>) -> Result<()> {
    for number in numbers.clone() {
        std::fs::File::create(image(number, emulator))?.set_len(1 << 20)?;
    }
    load::block_on(async {
        let client = Arc::new(load::open(&daemon.socket()).await?);
        let all = numbers.map(|number| DomainCreateXmlArgs {
            xml_desc: document(number, emulator),
            flags: 0,
        });
        load::each::<p::DomainCreateXml>(&client, all).await
    })
}

async fn active(client: &client::Client) -> Result<Vec<Domain>> {
    /// `VIR_CONNECT_LIST_DOMAINS_ACTIVE`.
    const ACTIVE: u32 = 1;
    let listed = client
        .call::<p::ConnectListAllDomains>(&ConnectListAllDomainsArgs {
            need_results: 1,
            flags: ACTIVE,
        })
        .await?;
    Ok(listed.domains)
}

/// Waits until the monitor of every guest has answered through the daemon.
async fn all_answer(daemon: &Daemon, start: Instant) -> Result<()> {
    let client = load::open(&daemon.socket()).await?;
    let domains = active(&client).await?;
    let found = domains.len();
    ensure!(
        found == GUESTS as usize,
        "{found} of {GUESTS} guests were adopted"
    );
    for dom in domains {
        let question = DomainMonitorCommandArgs {
            dom,
            cmd: r#"{"execute":"query-status"}"#.to_owned(),
            flags: 0,
        };
        while let Err(err) = client.call::<DomainMonitorCommand>(&question).await {
            if start.elapsed() > PATIENCE {
                bail!("guest '{}' has no monitor: {err}", question.dom.name);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(())
}

async fn destroy_all(daemon: &Daemon) -> Result<()> {
    let client = Arc::new(load::open(&daemon.socket()).await?);
    let all = active(&client).await?.into_iter();
    let all = all.map(|dom| protocol::remote::DomainDestroyArgs { dom });
    load::each::<p::DomainDestroy>(&client, all)
        .await
        .context("a guest does not end")
}
