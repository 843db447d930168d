//! The last known figures of a running guest.
//!
//! A sample never changes; a newer one takes its place. Whoever needs figures asks for a fresh one within its patience
//! and takes the last known where QEMU does not answer in time, so that a stuck guest costs nobody anything.

use super::Live;
use super::names::DiskName;
use model::domain::Domain as Model;
use qmp::types::{BalloonStats, BlockStats, CpuInfo, IoThreadInfo};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one answer may take before the guest counts as not answering.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Figures at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// When they were taken; never where QEMU has not been asked yet.
    pub taken: Option<Instant>,
    /// KiB that the balloon leaves the guest.
    pub balloon: Option<u64>,
    /// What the guest says of its memory.
    pub memory: Option<Arc<BalloonStats>>,
    /// The guest's processors.
    pub vcpus: Arc<[CpuInfo]>,
    /// The traffic of each disk.
    pub blocks: Arc<[BlockStats]>,
    /// The I/O threads.
    pub iothreads: Arc<[IoThreadInfo]>,
}

impl Sample {
    /// The traffic of a disk. QEMU names it by its device, or by a path in its object tree that ends with it.
    pub(crate) fn block(&self, disk: &DiskName) -> Option<&BlockStats> {
        self.blocks.iter().find(|one| {
            let device = one.qdev.as_deref().or(one.device.as_deref()).unwrap_or_default();
            device.split('/').any(|part| part == &*disk.alias)
        })
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
    /// The disks' traffic.
    pub blocks: bool,
    /// The I/O threads.
    pub iothreads: bool,
}

impl Ask {
    /// Whether nothing is asked.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The way to a balloon's figures.
const BALLOON: &str = "/machine/peripheral/balloon0";

impl Live {
    /// Takes a fresh sample of what is asked; what QEMU does not answer stays as it was last known.
    ///
    /// # Errors
    /// The first error of the monitor.
    pub(crate) async fn refresh(&self, ask: Ask) -> qmp::Result<()> {
        let Ok(monitor) = self.monitor() else {
            return Ok(());
        };
        let mut sample = Sample::clone(&self.sample.load());
        if ask.memory {
            match monitor.query_balloon(ANSWER_WAIT).await {
                Ok(info) => sample.balloon = Some(info.actual / 1024),
                // A guest without balloon has what it was given.
                Err(qmp::Error::Command { .. }) => {}
                Err(err) => return Err(err),
            }
            match monitor
                .qom_get::<BalloonStats>(BALLOON, "guest-stats", ANSWER_WAIT)
                .await
            {
                Ok(stats) => sample.memory = Some(Arc::new(stats)),
                Err(qmp::Error::Command { .. }) => {}
                Err(err) => return Err(err),
            }
        }
        if ask.vcpus {
            sample.vcpus = monitor.query_cpus_fast(ANSWER_WAIT).await?.into();
        }
        if ask.blocks {
            sample.blocks = monitor.query_blockstats(false, ANSWER_WAIT).await?.into();
        }
        if ask.iothreads {
            sample.iothreads = monitor.query_iothreads(ANSWER_WAIT).await?.into();
        }
        sample.taken = Some(Instant::now());
        self.sample.store(Arc::new(sample));
        Ok(())
    }

    /// Whether asking makes sense: QEMU answered the last question.
    pub(crate) fn answers(&self) -> bool {
        self.monitor().is_ok_and(qmp::Monitor::is_responsive)
    }

    /// Notes what QEMU told of the balloon by itself.
    pub(crate) fn note_balloon(&self, kib: u64) {
        let mut sample = Sample::clone(&self.sample.load());
        sample.balloon = Some(kib);
        self.sample.store(Arc::new(sample));
    }
}
