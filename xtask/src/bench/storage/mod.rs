//! Pools and volumes: virtstoraged beside the peer, in turn, over the same folders of the disk.

mod hung;
mod plain;
mod transfer;

use super::daemons::{self, Daemon, Kind};
use super::{AtLeast, AtMost, Figure, RatioAtLeast, RatioAtMost, Told, Values, figure, floor, load, note};
use crate::progress::say;
use anyhow::{Context, Result, ensure};
use client::Client;
use protocol::remote::procedure as p;
use protocol::remote::{
    StoragePool, StoragePoolCreateXmlArgs, StoragePoolListAllVolumesArgs, StoragePoolLookupByNameArgs,
    StorageVolLookupByNameRet,
};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How many times each daemon is measured.
const ROUNDS: usize = 5;

/// Volumes in the pool that is looked at.
const VOLUMES: u32 = 10_000;

/// Every figure, in the order in which it is told.
pub(super) const TABLE: &[Figure] = &[
    figure(
        "pool_refresh",
        "refresh of a pool of 10,000 volumes",
        ("ms", 1e3),
        RatioAtMost(0.6),
    ),
    figure(
        "volume_list",
        "list of its volumes",
        ("ms", 1e3),
        RatioAtMost(0.4),
    ),
    figure(
        "volume_lookup",
        "look-up of one of its volumes by name",
        ("ms", 1e3),
        RatioAtMost(0.05),
    ),
    figure(
        "volume_create",
        "volumes of the format qcow2 made",
        ("/s", 0.0),
        RatioAtLeast(2.0),
    ),
    figure("volume_delete", "volumes removed", ("/s", 0.0), Told),
    figure("upload", "upload of 512 MiB", ("MB/s", 0.0), RatioAtLeast(1.5)),
    figure(
        "download",
        "download of 512 MiB",
        ("MB/s", 0.0),
        RatioAtLeast(1.5),
    ),
    figure(
        "upload_bare",
        "the upload, by a client that does nothing else",
        ("MB/s", 0.0),
        RatioAtLeast(1.5),
    ),
    figure(
        "download_bare",
        "the download, by a client that does nothing else",
        ("MB/s", 0.0),
        RatioAtLeast(1.5),
    ),
    figure(
        "upload_of_plain",
        "upload, in times of a plain copy over a UNIX socket",
        ("x", 1.0),
        AtLeast(0.7),
    ),
    figure(
        "download_of_plain",
        "download, in times of a plain copy over a UNIX socket",
        ("x", 1.0),
        AtLeast(0.7),
    ),
    figure(
        "others_p99",
        "calls while one pool's storage hangs, p99: of another pool",
        ("ms", 1e3),
        AtMost(20.0),
    ),
    figure(
        "hung_p99",
        "the same: looks at the pool that hangs",
        ("ms", 1e3),
        AtMost(20.0),
    ),
    figure("hung_destroy", "stop of the pool that hangs", ("s", 1.0), Told),
];

/// Measures all of it; into `floor` goes what remains without a daemon.
pub(super) fn measure(ours: &mut Values, theirs: &mut Values, floor: &mut Values) -> Result<()> {
    let peer = daemons::peer_is_there();
    if !peer {
        say("* The peer is not measured: that needs libvirtd (package libvirt-daemon-system) and root");
    }
    say("* 10,000 volumes");
    let many = Many::make()?;
    let mut own = Host::start(Kind::Ours, &many)?;
    let mut other = peer.then(|| Host::start(Kind::Peer, &many)).transpose()?;
    let answers = own.answers()?;
    let machine = floor::answer(answers, own.daemon.folder())?;
    for round in 1..=ROUNDS {
        say(&format!("* Round {round} of {ROUNDS}"));
        own.calls(ours)?;
        lists(&machine, &[MANY], floor)?;
        passed_on(&machine, floor)?;
        let copied = own.transfers(ours)?;
        if let Some(other) = &other {
            other.calls(theirs)?;
            other.transfers(theirs)?;
        }
        // What the disk does by itself changes from one round to the next.
        let plain = own.plain_copies(floor)?;
        note(ours, "upload_of_plain", plain.up / copied.up);
        note(ours, "download_of_plain", plain.down / copied.down);
    }
    own.daemon.stop()?;
    if let Some(other) = &mut other {
        other.daemon.stop()?;
    }
    say("* A pool whose storage hangs");
    hung::measure(ours)
}

/// The pools' names.
const MANY: &str = "many";
const WORK: &str = "work";

/// The volume that is filled and read, in the pool for work.
const IMAGE: &str = "image";

/// How long that is, in bytes.
const LENGTH: u64 = 512 << 20;

/// A folder with many volumes, half of them qcow2, which is only looked at.
struct Many(TempDir);

impl Many {
    fn make() -> Result<Self> {
        let folder = tempfile::tempdir_in("/var/tmp").context("no temporary folder")?;
        let first = folder.path().join("v00001.qcow2");
        let mut command = Command::new("qemu-img");
        command
            .args(["create", "-q", "-f", "qcow2"])
            .arg(&first)
            .arg("8G");
        ensure!(
            command.status().context("cannot run qemu-img")?.success(),
            "{command:?}"
        );
        let image = fs::read(&first)?;
        for number in 0..VOLUMES {
            if number % 2 == 0 {
                let path = folder.path().join(format!("v{number:05}.img"));
                File::create(path)?.set_len(1 << 30)?;
            } else {
                let path = folder.path().join(format!("v{number:05}.qcow2"));
                // Its header is all that is looked at.
                fs::write(&path, image.get(..4096).unwrap_or(&image))?;
                File::options()
                    .write(true)
                    .open(&path)?
                    .set_len(image.len() as u64)?;
            }
        }
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// How long copies took, in seconds a megabyte.
struct Copies {
    up: f64,
    down: f64,
}

/// A daemon with both pools.
struct Host {
    daemon: Daemon,
    runtime: tokio::runtime::Runtime,
    /// Goes before the folder does.
    client: Client,
}

impl Host {
    fn start(kind: Kind, many: &Many) -> Result<Self> {
        let mut daemon = Daemon::prepare_for(kind, "virtstoraged")?;
        daemon.start()?;
        drop(daemon.connect()?);
        let work = daemon.folder().join(WORK);
        fs::create_dir(&work)?;
        transfer::fill(&work.join(IMAGE), LENGTH)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let socket = daemon.socket();
        let client = runtime.block_on(async {
            let client = load::connect(&socket).await?;
            load::open_driver(&client, "storage").await?;
            for (name, path) in [(MANY, many.path()), (WORK, &work)] {
                let xml = format!(
                    "<pool type='dir'><name>{name}</name><target><path>{}</path></target></pool>",
                    path.display()
                );
                client
                    .call::<p::StoragePoolCreateXml>(&StoragePoolCreateXmlArgs { xml, flags: 0 })
                    .await?;
            }
            Ok::<_, anyhow::Error>(client)
        })?;
        Ok(Self {
            daemon,
            runtime,
            client,
        })
    }

    /// What it answers to whoever lists the large pool, and asks for one of its volumes.
    fn answers(&self) -> Result<floor::Answers> {
        let mut answers = floor::opening()?;
        self.runtime.block_on(async {
            let args = StoragePoolLookupByNameArgs {
                name: MANY.to_owned(),
            };
            let found = self.client.call::<p::StoragePoolLookupByName>(&args).await?;
            floor::note::<p::StoragePoolLookupByName>(&mut answers, &found)?;
            let listed = self
                .client
                .call::<p::StoragePoolListAllVolumes>(&all_of(found.pool))
                .await?;
            if let Some(vol) = listed.vols.last().cloned() {
                let found = StorageVolLookupByNameRet { vol };
                floor::note::<p::StorageVolLookupByName>(&mut answers, &found)?;
            }
            floor::note::<p::StoragePoolListAllVolumes>(&mut answers, &listed)
        })?;
        Ok(answers)
    }

    fn calls(&self, values: &mut Values) -> Result<()> {
        lists(&self.daemon.uri_of("storage"), &[MANY, WORK], values)
    }

    /// The same volume filled and read, by a bare client and by the stock one.
    fn transfers(&self, values: &mut Values) -> Result<Copies> {
        self.settle()?;
        let mut caller = transfer::Caller::open(&self.daemon.socket())?;
        let volume = transfer::volume(WORK, IMAGE);
        let copies = Copies {
            up: caller.upload(volume.clone(), LENGTH)? / megabytes(),
            down: caller.download(volume, LENGTH)? / megabytes(),
        };
        note(values, "upload_bare", copies.up);
        note(values, "download_bare", copies.down);
        self.settle()?;
        passed_on(&self.daemon.uri_of("storage"), values)?;
        self.settle()?;
        Ok(copies)
    }

    fn image(&self) -> PathBuf {
        self.daemon.folder().join(WORK).join(IMAGE)
    }

    /// What is written in a turn is the disk's before the next one begins, whoever left it in memory.
    fn settle(&self) -> Result<()> {
        File::open(self.image())?
            .sync_all()
            .context("cannot sync the volume")
    }

    /// What the same takes without a daemon, from and to the same file.
    fn plain_copies(&self, values: &mut Values) -> Result<Copies> {
        self.settle()?;
        let path = self.image();
        let copies = Copies {
            up: plain::upload(&path, LENGTH)? / megabytes(),
            down: plain::download(&path, LENGTH)? / megabytes(),
        };
        note(values, "upload_bare", copies.up);
        note(values, "download_bare", copies.down);
        Ok(copies)
    }
}

fn megabytes() -> f64 {
    LENGTH as f64 / 1e6
}

fn all_of(pool: StoragePool) -> StoragePoolListAllVolumesArgs {
    StoragePoolListAllVolumesArgs {
        pool,
        need_results: 1,
        flags: 0,
    }
}

/// The volume filled and read by the stock Python client.
fn passed_on(uri: &str, values: &mut Values) -> Result<()> {
    let script = include_str!("../clients/transfers.py");
    for (name, seconds) in super::python(script, &[uri, WORK, IMAGE, &LENGTH.to_string()])? {
        note(values, &name, seconds / megabytes());
    }
    Ok(())
}

/// The stock Python client's calls about the first pool, and with a second one those that change it.
fn lists(uri: &str, pools: &[&str], values: &mut Values) -> Result<()> {
    let arguments = [&[uri], pools].concat();
    for (name, value) in super::python(include_str!("../clients/volumes.py"), &arguments)? {
        note(values, &name, value);
    }
    Ok(())
}
