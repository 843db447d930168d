//! Load from this project's own client: it costs little enough to leave the daemon the bottleneck.

use anyhow::{Context, Result};
use client::Client;
use protocol::remote::procedure::{AuthList, ConnectGetLibVersion, ConnectListAllDomains, ConnectOpen};
use protocol::remote::{ConnectListAllDomainsArgs, ConnectOpenArgs};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;

/// Clients at the same time.
const CLIENTS: usize = 32;

/// How long they call.
const TIME: Duration = Duration::from_secs(3);

async fn open(socket: &Path) -> Result<Client> {
    let stream = UnixStream::connect(socket).await.context("cannot connect")?;
    let client = Client::over(rpc::Transport::unix(stream));
    client.call::<AuthList>(&()).await?;
    client
        .call::<ConnectOpen>(&ConnectOpenArgs {
            name: Some("qemu:///system".to_owned()),
            flags: 0,
        })
        .await?;
    Ok(client)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// Calls a second of many clients together.
pub(super) fn calls(socket: &Path) -> Result<f64> {
    let socket = socket.to_owned();
    runtime()?.block_on(async move {
        let mut tasks = Vec::new();
        for _ in 0..CLIENTS {
            let client = open(&socket).await?;
            tasks.push(tokio::spawn(async move {
                let (start, mut count) = (Instant::now(), 0_u32);
                while start.elapsed() < TIME {
                    client.call::<ConnectGetLibVersion>(&()).await?;
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

/// Seconds that a list of all domains takes, the median of some.
pub(super) fn list(socket: &Path) -> Result<f64> {
    const TIMES: usize = 15;
    let socket = socket.to_owned();
    runtime()?.block_on(async move {
        let client = open(&socket).await?;
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let start = Instant::now();
            client
                .call::<ConnectListAllDomains>(&ConnectListAllDomainsArgs {
                    need_results: 1,
                    flags: 0,
                })
                .await?;
            times.push(start.elapsed().as_secs_f64());
        }
        super::median(&times).context("nothing was measured")
    })
}
