//! Load from this project's own client: it costs little enough to leave the daemon the bottleneck.

use super::median;
use anyhow::{Context, Result};
use client::Client;
use protocol::Procedure;
use protocol::remote::procedure as p;
use protocol::remote::{ConnectGetAllDomainStatsArgs, ConnectListAllDomainsArgs, ConnectOpenArgs};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;

/// Clients at the same time.
const CLIENTS: usize = 32;

/// How long they call.
const TIME: Duration = Duration::from_secs(3);

/// How often one call is timed.
const TIMES: usize = 15;

/// How many calls of a crowd wait for their replies at a time.
const IN_FLIGHT: usize = 8;

/// Asks for every domain.
pub(crate) const ALL_DOMAINS: ConnectListAllDomainsArgs = ConnectListAllDomainsArgs {
    need_results: 1,
    flags: 0,
};

/// Asks for every figure of every domain.
pub(crate) const ALL_FIGURES: ConnectGetAllDomainStatsArgs = ConnectGetAllDomainStatsArgs {
    doms: Vec::new(),
    stats: 0,
    flags: 0,
};

/// A client of QEMU's driver behind that socket.
pub(crate) async fn open(socket: &Path) -> Result<Client> {
    let client = connect(socket).await?;
    open_driver(&client, "qemu").await?;
    Ok(client)
}

/// A client that has opened no driver yet.
pub(crate) async fn connect(socket: &Path) -> Result<Client> {
    let stream = UnixStream::connect(socket).await.context("cannot connect")?;
    Ok(Client::over(rpc::Transport::unix(stream)))
}

/// Opens a driver as clients do.
pub(crate) async fn open_driver(client: &Client, driver: &str) -> Result<()> {
    client.call::<p::AuthList>(&()).await.context("auth_list")?;
    let name = Some(format!("{driver}:///system"));
    let args = ConnectOpenArgs { name, flags: 0 };
    client.call::<p::ConnectOpen>(&args).await.context("connect_open")
}

/// Runs what a client does.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Calls a second of many clients together.
pub(crate) fn calls(socket: &Path) -> Result<f64> {
    let socket = socket.to_owned();
    block_on(async move {
        let mut tasks = Vec::new();
        for _ in 0..CLIENTS {
            let client = open(&socket).await?;
            tasks.push(tokio::spawn(async move {
                let (start, mut count) = (Instant::now(), 0_u32);
                while start.elapsed() < TIME {
                    client.call::<p::ConnectGetLibVersion>(&()).await?;
                    count += 1;
                }
                Ok::<u32, anyhow::Error>(count)
            }));
        }
        let mut total = 0.0;
        for task in tasks {
            total += f64::from(task.await??);
        }
        Ok(total / TIME.as_secs_f64())
    })
}

/// Seconds of one call, the median of some, with `pause` between two.
async fn timed<P: Procedure>(client: &Client, args: &P::Args, pause: Duration) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        tokio::time::sleep(pause).await;
        let start = Instant::now();
        client.call::<P>(args).await?;
        times.push(start.elapsed().as_secs_f64());
    }
    median(&times).context("nothing was measured")
}

/// Seconds that a list of all domains takes.
pub(crate) async fn list(client: &Client) -> Result<f64> {
    timed::<p::ConnectListAllDomains>(client, &ALL_DOMAINS, Duration::ZERO).await
}

/// Seconds that the figures of all domains take, with `pause` between two calls.
pub(crate) async fn stats(client: &Client, pause: Duration) -> Result<f64> {
    timed::<p::ConnectGetAllDomainStats>(client, &ALL_FIGURES, pause).await
}

/// Makes one call for each of `all`, some at a time.
pub(crate) async fn each<P>(client: &Arc<Client>, all: impl IntoIterator<Item = P::Args>) -> Result<()>
where
    P: Procedure,
    P::Args: Send + Sync + 'static,
    P::Ret: Send,
{
    let mut running = tokio::task::JoinSet::new();
    for args in all {
        if running.len() >= IN_FLIGHT
            && let Some(done) = running.join_next().await
        {
            done??;
        }
        let client = Arc::clone(client);
        running.spawn(async move {
            client.call::<P>(&args).await?;
            Ok::<(), anyhow::Error>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
