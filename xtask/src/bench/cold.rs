//! From nothing to the first answer, and what the disk allows.

use super::daemons::Daemon;
use super::load;
use anyhow::Result;
use client::Client;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

/// Starts the daemon and gives the seconds until it has answered that the connection is open.
pub(super) fn first_reply(daemon: &mut Daemon) -> Result<f64> {
    let start = daemon.start()?;
    let stream = daemon.connect()?;
    load::block_on(async {
        load::open_driver(&client(stream)?, "qemu").await?;
        Ok(start.elapsed().as_secs_f64())
    })
}

/// A client over a connection that is there.
pub(super) fn client(stream: UnixStream) -> Result<Client> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::UnixStream::from_std(stream)?;
    Ok(Client::over(rpc::Transport::unix(stream)))
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
