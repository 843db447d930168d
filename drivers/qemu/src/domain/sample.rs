//! The last known figures of a running guest.
//!
//! A sample never changes; a newer one takes its place. Whoever needs figures asks for a fresh one within its patience
//! and takes the last known where QEMU does not answer in time, so that a stuck guest costs nobody anything. One guest
//! is asked by one asker at a time: who comes meanwhile waits for that answer and shares it.

use super::Live;
use super::names::DiskName;
use model::domain::Domain as Model;
use qmp::Monitor;
use qmp::types::{BalloonStats, BlockDeviceStats, BlockNode, BlockStats, CpuInfo, IoThreadInfo};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long one refresh may take before the guest counts as not answering.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Figures at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// When QEMU last answered, and what it had been asked; never where it has not been asked yet.
    pub taken: Option<(Instant, Ask)>,
    /// KiB that the balloon leaves the guest.
    pub balloon: Option<u64>,
    /// What the guest says of its memory.
    pub memory: Option<Arc<BalloonStats>>,
    /// The guest's processors.
    pub vcpus: Arc<[Vcpu]>,
    /// The disks.
    pub blocks: Arc<[Block]>,
    /// Their images, by the numbers of their nodes.
    pub layers: Layers,
    /// The I/O threads.
    pub iothreads: Arc<[IoThreadInfo]>,
    /// The last measurement of how fast the guest writes to its memory.
    pub dirty_rate: Option<Arc<DirtyRate>>,
    /// Held by who asks QEMU at present; every sample of a guest has the same.
    turn: Arc<Mutex<()>>,
}

/// A processor of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vcpu {
    /// Its number.
    pub index: u32,
    /// The thread that runs it.
    pub thread: i64,
}

/// A disk of the guest.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// QEMU's name of the device: its id, or a path in the object tree that has it as a part.
    device: Box<str>,
    /// Its traffic.
    pub stats: BlockDeviceStats,
}

/// An image of a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The highest byte written since the start.
    pub written: u64,
    /// Bytes that the guest sees.
    pub capacity: u64,
    /// Bytes that it occupies on the host; where QEMU does not know, as many as the guest sees.
    pub physical: u64,
}

/// Images by the numbers of their nodes.
type Layers = Arc<HashMap<u32, Layer>>;

/// `query-dirty-rate`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DirtyRate {
    /// `unstarted`, `measuring` or `measured`.
    pub status: String,
    /// When the measurement began, in seconds since QEMU's start.
    pub start_time: i64,
    /// How many seconds it took.
    pub calc_time: i64,
    /// `page-sampling`, `dirty-bitmap` or `dirty-ring`.
    #[serde(default)]
    pub mode: Option<String>,
    /// MiB per second, once measured.
    #[serde(default)]
    pub dirty_rate: Option<i64>,
    /// The same for each processor, where the mode tells.
    #[serde(default)]
    pub vcpu_dirty_rate: Vec<VcpuDirtyRate>,
}

/// How fast one processor writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct VcpuDirtyRate {
    /// The processor's number.
    pub id: i64,
    /// MiB per second.
    pub dirty_rate: i64,
}

impl Sample {
    /// A disk's figures.
    pub(crate) fn block(&self, disk: &DiskName) -> Option<&Block> {
        let is_own = |one: &&Block| one.device.split('/').any(|part| part == &*disk.alias);
        self.blocks.iter().find(is_own)
    }

    /// What is known before QEMU was asked.
    pub(crate) fn of(model: &Model) -> Self {
        Self {
            balloon: Some(model.current_memory.unwrap_or(model.memory.size).0),
            ..Self::default()
        }
    }
}

/// What is asked of QEMU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The balloon and what the guest says of its memory.
    pub memory: bool,
    /// The processors' threads.
    pub vcpus: bool,
    /// The disks' traffic and sizes.
    pub blocks: bool,
    /// The I/O threads.
    pub iothreads: bool,
    /// How fast the guest writes to its memory.
    pub dirty_rate: bool,
}

impl Ask {
    /// Whether nothing is asked.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn covers(self, other: Self) -> bool {
        (self.memory || !other.memory)
            && (self.vcpus || !other.vcpus)
            && (self.blocks || !other.blocks)
            && (self.iothreads || !other.iothreads)
            && (self.dirty_rate || !other.dirty_rate)
    }
}

/// The way to a balloon's figures.
const BALLOON: &str = "/machine/peripheral/balloon0";

impl Live {
    /// Takes a fresh sample of what is asked, or shares one that is being taken; what QEMU does not answer stays as it
    /// was last known.
    ///
    /// # Errors
    /// [`qmp::Error::Timeout`] after two seconds; what else the monitor says of processors, disks or I/O threads.
    pub(crate) async fn refresh(&self, mut ask: Ask) -> qmp::Result<()> {
        ask.iothreads &= self.names.iothreads;
        if ask.is_empty() {
            return Ok(());
        }
        let Ok(monitor) = self.monitor() else {
            return Ok(());
        };
        let began = Instant::now();
        let deadline = began + ANSWER_WAIT;
        let turn = Arc::clone(&self.sample.load().turn);
        let late = || qmp::Error::Timeout {
            command: "an earlier command".to_owned(),
            after: ANSWER_WAIT,
            sent: false,
        };
        let _turn = match turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = tokio::time::timeout_at(deadline, turn.lock()).await;
                let turn = turn.map_err(|_| late())?;
                // Who was asked before us waited in vain, so we should too.
                if !monitor.is_responsive() {
                    return Err(late());
                }
                turn
            }
        };
        let shared = |(taken, asked): (Instant, Ask)| taken >= began && asked.covers(ask);
        if self.sample.load().taken.is_some_and(shared) {
            return Ok(());
        }
        let answers = Answers::of(monitor, ask, deadline.saturating_duration_since(Instant::now())).await?;
        self.sample.rcu(|last| {
            let mut sample = Sample::clone(last);
            answers.store(&mut sample);
            sample.taken = Some((Instant::now(), ask));
            sample
        });
        Ok(())
    }

    /// Whether asking makes sense: QEMU answered the last question.
    pub(crate) fn answers(&self) -> bool {
        self.monitor().is_ok_and(Monitor::is_responsive)
    }

    /// Notes what QEMU told of the balloon by itself.
    pub(crate) fn note_balloon(&self, kib: u64) {
        self.sample.rcu(|last| Sample {
            balloon: Some(kib),
            ..Sample::clone(last)
        });
    }
}

/// What QEMU answered; nothing where it was not asked or could not tell.
#[derive(Debug)]
struct Answers {
    balloon: Option<u64>,
    memory: Option<Arc<BalloonStats>>,
    vcpus: Option<Arc<[Vcpu]>>,
    blocks: Option<(Arc<[Block]>, Layers)>,
    iothreads: Option<Arc<[IoThreadInfo]>>,
    dirty_rate: Option<Arc<DirtyRate>>,
}

impl Answers {
    /// Asks everything at once: QEMU answers in turn, but nobody waits for one answer before the next question.
    async fn of(monitor: &Monitor, ask: Ask, wait: Duration) -> qmp::Result<Self> {
        let (balloon, memory, vcpus, blocks, nodes, iothreads, dirty_rate) = tokio::try_join!(
            optional(ask.memory, async { lenient(monitor.query_balloon(wait).await) }),
            optional(ask.memory, async {
                lenient(monitor.qom_get(BALLOON, "guest-stats", wait).await)
            }),
            optional(ask.vcpus, monitor.query_cpus_fast(wait)),
            optional(ask.blocks, monitor.query_blockstats(false, wait)),
            optional(ask.blocks, monitor.query_named_block_nodes(wait)),
            optional(ask.iothreads, monitor.query_iothreads(wait)),
            optional(ask.dirty_rate, async {
                lenient(monitor.execute("query-dirty-rate", (), wait).await)
            }),
        )?;
        let vcpu = |one: CpuInfo| Vcpu {
            index: one.cpu_index,
            thread: one.thread_id,
        };
        Ok(Self {
            balloon: balloon.flatten().map(|info| info.actual / 1024),
            memory: memory.flatten().map(Arc::new),
            vcpus: vcpus.map(|all| all.into_iter().map(vcpu).collect()),
            blocks: blocks.map(|stats| {
                let layers = layers_of(&stats, &nodes.unwrap_or_default());
                (stats.into_iter().map(Block::of).collect(), Arc::new(layers))
            }),
            iothreads: iothreads.map(Into::into),
            dirty_rate: dirty_rate.flatten().map(Arc::new),
        })
    }

    fn store(&self, sample: &mut Sample) {
        sample.balloon = self.balloon.or(sample.balloon);
        sample.memory = self.memory.clone().or(sample.memory.take());
        sample.dirty_rate = self.dirty_rate.clone().or(sample.dirty_rate.take());
        if let Some(vcpus) = &self.vcpus {
            sample.vcpus = Arc::clone(vcpus);
        }
        if let Some((blocks, layers)) = &self.blocks {
            sample.blocks = Arc::clone(blocks);
            sample.layers = Arc::clone(layers);
        }
        if let Some(iothreads) = &self.iothreads {
            sample.iothreads = Arc::clone(iothreads);
        }
    }
}

async fn optional<T>(wanted: bool, answer: impl Future<Output = qmp::Result<T>>) -> qmp::Result<Option<T>> {
    if wanted { answer.await.map(Some) } else { Ok(None) }
}

/// The answer of a guest that may not have what is asked for: a balloon, a way to measure.
fn lenient<T>(answer: qmp::Result<T>) -> qmp::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(err) if err.is_timeout() || err.is_closed() => Err(err),
        Err(err) => {
            tracing::debug!(%err, "a figure that this guest does not have");
            Ok(None)
        }
    }
}

impl Block {
    fn of(one: BlockStats) -> Self {
        let device = one.qdev.as_deref().or(one.device.as_deref()).unwrap_or_default();
        Self {
            device: device.into(),
            stats: one.stats,
        }
    }
}

/// Puts the sizes of images and how far they were written together.
fn layers_of(stats: &[BlockStats], nodes: &[BlockNode]) -> HashMap<u32, Layer> {
    let mut layers = HashMap::new();
    // An image of a format with a header has two nodes; the one of the format is what the guest sees.
    for kind in ["storage", "format"] {
        for node in nodes {
            let (Some(number), Some(image)) = (number(node.node_name.as_deref(), kind), node.image.as_ref())
            else {
                continue;
            };
            let layer = Layer {
                written: 0,
                capacity: image.virtual_size,
                physical: image.actual_size.unwrap_or(image.virtual_size),
            };
            layers.insert(number, layer);
        }
        for device in stats {
            for node in std::iter::successors(Some(device), |node| node.backing.as_deref()) {
                let number = number(node.node_name.as_deref(), kind);
                if let Some(layer) = number.and_then(|number| layers.get_mut(&number)) {
                    layer.written = node.stats.wr_highest_offset;
                }
            }
        }
    }
    layers
}

/// The number in a node's name, `libvirt-2-format`, where it is of that kind.
fn number(node: Option<&str>, kind: &str) -> Option<u32> {
    let number = node?.strip_prefix("libvirt-")?.strip_suffix(kind)?;
    number.strip_suffix('-')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_chain_is_put_together_from_both_answers() {
        let stats = json!([{
            "qdev": "/machine/peripheral/virtio-disk0/virtio-backend", "node-name": "libvirt-2-format",
            "stats": { "rd_bytes": 512, "wr_highest_offset": 7 },
            "backing": { "node-name": "libvirt-3-storage", "stats": {} },
        }, { "qdev": "ide0-1-0", "stats": {} }]);
        let image = |name: &str, capacity: u64, more: &str| {
            let text = format!(
                r#"{{"node-name":"{name}","image":{{"filename":"/a","format":"x","virtual-size":{capacity}{more}}}}}"#
            );
            serde_json::from_str::<BlockNode>(&text).unwrap()
        };
        let nodes = [
            image("libvirt-2-format", 64, r#","actual-size":32"#),
            image("libvirt-2-storage", 48, r#","actual-size":32"#),
            image("libvirt-3-storage", 16, ""),
            image("#block123", 1, ""),
            image("libvirt-CoR-vda", 1, ""),
        ];
        let stats: Vec<BlockStats> = from_value(stats).unwrap();
        let layers = layers_of(&stats, &nodes);
        let sample = Sample {
            blocks: stats.into_iter().map(Block::of).collect(),
            ..Sample::default()
        };
        let disk = |alias: &str| DiskName {
            target: "vda".into(),
            source: None,
            alias: alias.into(),
            node: None,
            below: Box::default(),
        };
        let layer = |written, capacity, physical| Layer {
            written,
            capacity,
            physical,
        };
        assert_eq!(sample.block(&disk("virtio-disk0")).unwrap().stats.rd_bytes, 512);
        assert!(sample.block(&disk("ide0-1-0")).is_some());
        assert!(sample.block(&disk("virtio-disk")).is_none());
        assert_eq!(layers.len(), 2);
        assert_eq!(layers[&2], layer(7, 64, 32));
        assert_eq!(layers[&3], layer(0, 16, 16));
    }

    #[test]
    fn an_answer_is_shared_with_who_asks_no_more() {
        let all = Ask {
            memory: true,
            blocks: true,
            ..Ask::default()
        };
        let one = Ask {
            blocks: true,
            ..Ask::default()
        };
        assert!(all.covers(one) && all.covers(Ask::default()));
        assert!(!one.covers(all));
    }
}
