//! From nothing to the first answer, and what the disk allows.

use super::daemons::Daemon;
use anyhow::{Context, Result};
use client::Client;
use protocol::remote::ConnectOpenArgs;
use protocol::remote::procedure::{AuthList, ConnectOpen};
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

/// Starts the daemon and gives the seconds until it has answered that the connection is open.
pub(super) fn first_reply(daemon: &mut Daemon) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let start = daemon.start()?;
    let stream = daemon.connect()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        let client = Client::over(rpc::Transport::unix(tokio::net::UnixStream::from_std(stream)?));
        client.call::<AuthList>(&()).await.context("auth_list")?;
        let name = Some("qemu:///system".to_owned());
        client
            .call::<ConnectOpen>(&ConnectOpenArgs { name, flags: 0 })
            .await
            .context("connect_open")?;
        Ok(start.elapsed().as_secs_f64())
    })
}

/// Seconds that the disk takes to keep one small file for good.
pub(super) fn disk_limit(folder: &Path) -> Result<f64> {
    const FILES: u32 = 200;
    let place = folder.join("limit");
    fs::create_dir_all(&place)?;
    let handle = File::open(&place)?;
    let content = vec![b'x'; 2048];
    let start = Instant::now();
    for number in 0..FILES {
        let (new, file) = (place.join("new"), place.join(format!("{number}.xml")));
        fs::write(&new, &content)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &file)?;
        handle.sync_all()?;
    }
    let each = start.elapsed().as_secs_f64() / f64::from(FILES);
    fs::remove_dir_all(&place)?;
    Ok(each)
}
