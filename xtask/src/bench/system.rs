//! All daemons of a host: what a call through virtproxyd costs beside a direct one, how soon each daemon answers, and what
//! they keep in memory while nobody calls.

use super::daemons::{self, Kind};
use super::pingpong::PingPong;
use super::{Figure, Told, Values, Wanted, cold, load, median, memory, note};
use crate::install::daemons::{DAEMONS, Daemon as Shipped, Socket};
use crate::progress::say;
use anyhow::{Context, Result, bail};
use client::Client;
use private_instance::{Daemon, Instance};
use protocol::lock::{self, procedure as lock_call};
use protocol::log::{self, procedure as log_call};
use protocol::remote::procedure::ConnectGetLibVersion;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many times each daemon is started, in turn with the peer.
const STARTS: usize = 9;

/// How many times calls are measured in turn with ping-pongs: machines change their pace within seconds.
const TURNS: usize = 60;

/// How many calls, and ping-pongs, a turn has.
const CALLS: usize = 400;

/// How names of figures end that were measured on one processor.
pub(super) const ON_ONE: &str = "_on_one";

/// How long daemons are left alone before their memory counts.
const SETTLED: Duration = Duration::from_secs(1);

/// Those who run beside each other: of two that serve the same sockets, as virtproxyd and libvirtd do, the first one.
pub(super) fn daemons() -> impl Iterator<Item = &'static Shipped> {
    let all = DAEMONS.iter();
    all.enumerate().filter_map(|(place, daemon)| {
        let mut before = DAEMONS.iter().take(place);
        before.all(|other| other.begin != daemon.begin).then_some(daemon)
    })
}

/// The figures of each daemon.
pub(super) fn figures() -> Vec<Figure> {
    let figure = |name, what, unit, wanted| Figure {
        name: Cow::Owned(name),
        what: Cow::Owned(what),
        unit,
        wanted,
    };
    let each = daemons().map(|daemon| daemon.name);
    each.flat_map(|daemon| {
        [
            figure(
                start_of(daemon),
                format!("exec to first reply: {daemon}"),
                ("ms", 1e3),
                Wanted::RatioAtMost(0.3),
            ),
            figure(
                idle_of(daemon),
                format!("memory when idle (PSS): {daemon}"),
                ("MB", 1e-6),
                Told,
            ),
        ]
    })
    .chain([ON_ONE, ""].into_iter().flat_map(|ending| {
        let place = if ending == ON_ONE {
            "on one processor"
        } else {
            "anywhere"
        };
        let of_calls = move |name: &str, what: &str, unit, wanted| {
            figure(
                format!("{name}{ending}"),
                format!("{what}, {place}"),
                unit,
                wanted,
            )
        };
        let us = ("us", 1e6);
        let times = ("x", 1.0);
        [
            of_calls(
                "pingpong",
                "bare ping-pong of 28 bytes over a socket pair",
                us,
                Told,
            ),
            of_calls(
                "relay_adds",
                "what a thread between adds, in ping-pongs",
                times,
                Told,
            ),
            of_calls("direct_call", "trivial call, own client", us, Told),
            of_calls("proxied_call", "the same through virtproxyd", us, Told),
            of_calls(
                "proxy_adds",
                "what virtproxyd adds to a call, in ping-pongs",
                times,
                Wanted::AtMost(3.0),
            ),
            of_calls(
                "proxy_times",
                "a call through virtproxyd, in direct calls",
                times,
                Wanted::AtMost(2.5),
            ),
        ]
    }))
    .collect()
}

fn start_of(daemon: &str) -> String {
    format!("start_{daemon}")
}

fn idle_of(daemon: &str) -> String {
    format!("idle_{daemon}")
}

/// Measures all of it; `theirs` is libvirtd's, which is all drivers in one process and has no proxy.
pub(super) fn measure(ours: &mut Values, theirs: &mut Values) -> Result<()> {
    let peer = daemons::peer_is_there();
    if !peer {
        say("* The peer is not measured: that needs libvirtd (package libvirt-daemon-system) and root");
    }
    say("* Starts of all daemons");
    for _ in 0..STARTS {
        let mut host = Host::prepare()?;
        host.start(ours)?;
        host.idle(ours)?;
        if peer {
            let mut daemon = daemons::Daemon::prepare(Kind::Peer)?;
            let start = cold::first_reply(&mut daemon)?;
            for daemon in daemons() {
                note(theirs, &start_of(daemon.name), start);
            }
            std::thread::sleep(SETTLED);
            note(theirs, "all_idle", memory::of(daemon.pid(), "Pss:")?);
            daemon.stop()?;
        }
    }
    say("* Calls through virtproxyd");
    proxy(ours, theirs, peer)
}

/// Every daemon of one instance.
struct Host {
    /// End before their folder goes.
    daemons: Vec<Daemon>,
    instance: Instance,
}

impl Host {
    fn prepare() -> Result<Self> {
        let instance = Instance::below(Path::new("/var/tmp"), &crate::release_folder()?)?;
        let daemons = daemons().map(|daemon| instance.daemon(daemon.name)).collect();
        Ok(Self { daemons, instance })
    }

    /// Starts each, and notes how soon it answered.
    fn start(&mut self, values: &mut Values) -> Result<()> {
        let log = self.instance.path("/var/log/libvirt/qemu/bench.log");
        std::fs::create_dir_all(log.parent().context("a folder")?)?;
        for (running, daemon) in self.daemons.iter_mut().zip(daemons()) {
            let start = running.spawn()?;
            let stream = running.wait_until_it_serves()?;
            let seconds = load::block_on(async {
                let client = cold::client(stream)?;
                let asked = ask(&client, daemon, &log).await;
                asked.with_context(|| format!("{} does not answer", daemon.name))?;
                Ok(start.elapsed().as_secs_f64())
            })?;
            note(values, &start_of(daemon.name), seconds);
        }
        Ok(())
    }

    /// Notes what each keeps in memory once nobody is connected.
    fn idle(&self, values: &mut Values) -> Result<()> {
        std::thread::sleep(SETTLED);
        let mut sum = 0.0;
        for daemon in &self.daemons {
            let bytes = memory::of(daemon.pid().unwrap_or_default(), "Pss:")?;
            note(values, &idle_of(daemon.name()), bytes);
            sum += bytes;
        }
        note(values, "all_idle", sum);
        Ok(())
    }
}

/// Makes the first call that a client makes: it opens the driver, through the proxy QEMU's; who has no connection to
/// open is asked for a piece of its work.
async fn ask(client: &Client, daemon: &Shipped, log: &Path) -> Result<()> {
    match daemon.name {
        "virtlogd" => {
            let args = log::DomainAppendLogFileArgs {
                driver: "qemu".to_owned(),
                dom: log::Domain {
                    uuid: [1; 16],
                    name: "bench".to_owned(),
                },
                path: log.display().to_string(),
                message: "measured\n".to_owned(),
                flags: 0,
            };
            client.call::<log_call::DomainAppendLogFile>(&args).await?;
        }
        "virtlockd" => {
            let owner = lock::Owner {
                uuid: [1; 16],
                name: "bench".to_owned(),
                id: 1,
                // Of no process: the end of this connection is to end none.
                pid: u32::MAX,
            };
            let args = lock::RegisterArgs { owner, flags: 0 };
            client.call::<lock_call::Register>(&args).await?;
        }
        _ if !daemon.sockets.contains(&Socket::ReadOnly) => bail!("nobody knows what to ask it"),
        "virtproxyd" => load::open_driver(client, "qemu").await?,
        name => {
            let driver = name.strip_prefix("virt").unwrap_or(name);
            load::open_driver(client, driver.strip_suffix('d').unwrap_or(driver)).await?;
        }
    }
    Ok(())
}

/// The same call directly, through the proxy, and of the peer, each in turn with bare ping-pongs: once all of it on one
/// processor, where nothing but work counts, and once wherever the kernel puts it. A processor that slept takes longer to
/// wake than a call takes, and which of the three programs shares one with which is the kernel's choice alone.
fn proxy(ours: &mut Values, theirs: &mut Values, peer: bool) -> Result<()> {
    let everywhere = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|cpu| everywhere.is_set(*cpu));
    let mut one = CpuSet::new();
    one.set(first.context("there is no processor")?);
    for (ending, processors) in [(ON_ONE, &one), ("", &everywhere)] {
        // Daemons and threads started from here on inherit it.
        sched_setaffinity(None, processors)?;
        let measured = proxy_as_placed(ending, ours, theirs, peer);
        sched_setaffinity(None, &everywhere)?;
        measured?;
    }
    Ok(())
}

/// As [`proxy`], with names of figures that end so.
fn proxy_as_placed(ending: &str, ours: &mut Values, theirs: &mut Values, peer: bool) -> Result<()> {
    let instance = Instance::below(Path::new("/var/tmp"), &crate::release_folder()?)?;
    let (mut qemu, mut proxy) = (instance.daemon("virtqemud"), instance.daemon("virtproxyd"));
    qemu.start()?;
    proxy.start()?;
    let mut peer = peer.then(|| daemons::Daemon::prepare(Kind::Peer)).transpose()?;
    if let Some(peer) = &mut peer {
        cold::first_reply(peer)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let open = |socket: &Path| Ok::<_, anyhow::Error>(Arc::new(runtime.block_on(load::open(socket))?));
    let (direct, proxied) = (open(&qemu.socket())?, open(&proxy.socket())?);
    let other = peer.as_ref().map(|peer| open(&peer.socket())).transpose()?;
    let (mut bare, mut relayed) = (PingPong::start()?, PingPong::relayed()?);
    let mut noted = |name: &str, value| note(ours, &format!("{name}{ending}"), value);
    for _ in 0..TURNS {
        let ping_pong = bare.seconds(CALLS)?;
        let relayed = relayed.seconds(CALLS)?;
        let direct = runtime.block_on(calls(&direct))?;
        let proxied = runtime.block_on(calls(&proxied))?;
        noted("pingpong", ping_pong);
        noted("direct_call", direct);
        noted("proxied_call", proxied);
        noted("relay_adds", (relayed - ping_pong) / ping_pong);
        noted("proxy_adds", (proxied - direct) / ping_pong);
        noted("proxy_times", proxied / direct);
        if let Some(other) = &other {
            note(
                theirs,
                &format!("direct_call{ending}"),
                runtime.block_on(calls(other))?,
            );
        }
    }
    drop((direct, proxied, other));
    proxy.stop()?;
    qemu.stop()?;
    peer.map_or(Ok(()), |mut peer| peer.stop())
}

/// Seconds of one trivial call, the median of a turn. A task of its own, as callers are: what a runtime blocks on is
/// looked after differently.
async fn calls(client: &Arc<Client>) -> Result<f64> {
    let client = Arc::clone(client);
    let calls = tokio::spawn(async move {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let start = Instant::now();
            client.call::<ConnectGetLibVersion>(&()).await?;
            times.push(start.elapsed().as_secs_f64());
        }
        Ok::<_, anyhow::Error>(times)
    });
    median(&calls.await??).context("nothing was measured")
}
