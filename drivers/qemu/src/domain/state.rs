//! What is known of a domain, as everybody may read it at any time without asking its owner.
//!
//! A [`State`] never changes; the owner publishes a new one. A shut-off domain is its definition's text and a
//! [`Summary`]: a host may have ten thousand of them, so nothing that can be parsed again is kept.

use super::guest::ADOPTION_WAIT;
use super::{Names, Process, RunState, Sample};
use crate::agent::Channel;
use crate::flags::Impact;
use crate::groups::GuestGroups;
use crate::images::DiskFigures;
use crate::lifecycle::volumes::VolumePath;
use arc_swap::ArcSwap;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::lifecycle::LifecycleAction;
use qmp::Monitor;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::SetOnce;

/// One published state.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The domain's name.
    pub name: Arc<str>,
    /// What it is doing.
    pub run: RunState,
    /// The definition, where it is persistent.
    pub definition: Option<Arc<Document>>,
    /// Whether it starts with the daemon.
    pub autostart: Autostart,
    /// Whether a managed save image waits for the next start.
    pub managed_save: bool,
    /// Whether the definition was changed since it was first acknowledged or last started.
    pub updated: bool,
    /// What only a running domain has.
    pub live: Option<Arc<Live>>,
}

/// Whether a domain starts with the host, by its marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Autostart {
    /// At every boot.
    pub always: bool,
    /// At the next boot.
    pub once: bool,
}

/// One of the marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// [`Autostart::always`].
    Always,
    /// [`Autostart::once`].
    Once,
}

impl Autostart {
    /// Whether the mark is there.
    pub(crate) fn has(self, mark: Mark) -> bool {
        match mark {
            Mark::Always => self.always,
            Mark::Once => self.once,
        }
    }

    /// With the mark, or without it.
    pub(crate) fn with(self, mark: Mark, wanted: bool) -> Self {
        match mark {
            Mark::Always => Self {
                always: wanted,
                ..self
            },
            Mark::Once => Self { once: wanted, ..self },
        }
    }
}

/// A document as text, with what calls ask of it most.
#[derive(Debug)]
pub(crate) struct Document {
    /// The whole document, passwords included.
    pub text: Box<str>,
    /// What is read off it.
    pub summary: Summary,
    /// Its disks, with the last known sizes of their images: what a shut-off domain's figures are told from.
    pub disks: Box<[DiskFigures]>,
}

/// What calls ask of a domain most, so that they need not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Memory the guest can have at most, in KiB.
    pub max_memory: u64,
    /// Memory it has, in KiB.
    pub memory: u64,
    /// Virtual processors at most.
    pub max_vcpus: u32,
    /// Virtual processors in use.
    pub vcpus: u32,
    /// `hvm` and the like.
    pub os_type: Box<str>,
}

/// What only a running domain has.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Its id, unique on this host until the daemon's state is wiped.
    pub id: i32,
    /// The document of the running guest, with aliases, addresses and everything chosen at start.
    pub document: Arc<Document>,
    /// The document it was started from, without what was chosen at start.
    pub origin: Arc<Document>,
    /// The QEMU process.
    pub process: Arc<Process>,
    /// Its control groups, where it has some.
    pub groups: Option<GuestGroups>,
    /// Its monitor, once it has answered; of an adopted guest that may be never.
    pub monitor_slot: Arc<SetOnce<Monitor>>,
    /// Where its monitor listens.
    pub monitor_path: PathBuf,
    /// Where its guest agent is reached, when the document has such a channel.
    pub agent: Option<Arc<Channel>>,
    /// What its own doings lead to.
    pub actions: Actions,
    /// What its devices are called.
    pub names: Arc<Names>,
    /// Where those of its disks lie that are volumes of pools, which the document does not tell.
    pub volumes: Arc<[VolumePath]>,
    /// The last known figures.
    pub sample: Arc<ArcSwap<Sample>>,
    /// The session that takes it down when it ends (`VIR_DOMAIN_START_AUTODESTROY`).
    pub bound_to: Option<u64>,
}

impl State {
    /// The target of the running guest's disk that a client calls by its target or its source; else what it said.
    pub(crate) fn disk_target<'a>(&'a self, name: &'a str) -> &'a str {
        let disk = self.live.as_ref().and_then(|live| live.names.disk(name));
        disk.map_or(name, |disk| &disk.target)
    }
}

impl Live {
    /// Where the volume lies that a disk is.
    pub(crate) fn volume_path(&self, target: &str) -> Option<&str> {
        let volume = self.volumes.iter().find(|volume| volume.target == target)?;
        Some(&volume.path)
    }

    /// A file, of a name nobody else has, in the folder that QEMU's user owns: for what QEMU writes and we read.
    pub(crate) fn scratch_file(&self, what: &str) -> PathBuf {
        self.monitor_path
            .with_file_name(format!("{what}-{}", uuid::Uuid::new_v4()))
    }
}

/// What a guest's own doings lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Actions {
    /// When it switches itself off.
    pub poweroff: LifecycleAction,
    /// When it crashes.
    pub crash: LifecycleAction,
}

impl Actions {
    /// Those of a document.
    pub(crate) fn of(domain: &model::domain::Domain) -> Self {
        Self {
            poweroff: domain.on_poweroff.unwrap_or(LifecycleAction::Destroy),
            crash: domain.on_crash.unwrap_or(LifecycleAction::Destroy),
        }
    }
}

impl Document {
    /// A document as it is kept.
    pub(crate) fn of(domain: &model::domain::Domain) -> Arc<Self> {
        Arc::new(Self {
            text: domain.to_xml().into(),
            summary: Summary::of(domain),
            disks: domain.devices.disks.iter().map(DiskFigures::of).collect(),
        })
    }

    /// The document as types.
    ///
    /// # Errors
    /// Never for what this daemon wrote, unless memory or the disk is broken.
    pub(crate) fn parse(&self) -> Result<model::domain::Domain> {
        model::domain::Domain::from_xml(&self.text)
    }
}

impl Summary {
    /// What is read off a document.
    pub(crate) fn of(domain: &model::domain::Domain) -> Self {
        Self {
            max_memory: domain.memory.size.0,
            memory: domain.current_memory.unwrap_or(domain.memory.size).0,
            max_vcpus: domain.vcpu.maximum,
            vcpus: domain.vcpu.current(),
            os_type: domain.os.r#type.kind.as_str().into(),
        }
    }
}

impl Live {
    /// Its monitor, for calls that need no owner. That of a guest which this daemon has only just found is waited for.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`] when its QEMU does not answer within [`ADOPTION_WAIT`].
    pub(crate) async fn reached(&self) -> Result<&Monitor> {
        match tokio::time::timeout(ADOPTION_WAIT, self.monitor_slot.wait()).await {
            Ok(monitor) => Ok(monitor),
            Err(_) => self.monitor(),
        }
    }

    /// Its monitor as far as it is there: for jobs, which begin when it is reached, and for figures.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`] when an adopted guest's QEMU has not answered yet.
    pub(crate) fn monitor(&self) -> Result<&Monitor> {
        self.monitor_slot.get().ok_or_else(|| {
            let text = format!(
                "QEMU process {} has not answered since the daemon started",
                self.process.pid()
            );
            Error::new(Code::OperationTimeout, ErrorDomain::Qemu, text)
        })
    }
}

impl State {
    /// What a running domain has.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it does not run.
    pub(crate) fn running(&self) -> Result<&Arc<Live>> {
        self.live
            .as_ref()
            .ok_or_else(|| Error::new(Code::OperationInvalid, ErrorDomain::Qemu, "domain is not running"))
    }

    /// The id while it runs, else -1.
    pub(crate) fn id(&self) -> i32 {
        self.live.as_ref().map_or(-1, |live| live.id)
    }

    /// Whether a QEMU process stands for it.
    pub(crate) fn is_active(&self) -> bool {
        self.live.is_some()
    }

    /// Whether it survives being stopped.
    pub(crate) fn is_persistent(&self) -> bool {
        self.definition.is_some()
    }

    /// Whether clients can see it: one that is only being defined or started reserves its name and no more.
    pub(crate) fn is_visible(&self) -> bool {
        self.is_active() || self.is_persistent()
    }

    /// The document that speaks of the present: the live one of a running domain.
    pub(crate) fn document(&self) -> Option<&Arc<Document>> {
        self.live
            .as_ref()
            .map(|live| &live.document)
            .or(self.definition.as_ref())
    }

    /// The document the next start will use: the definition, or what a transient domain was started from.
    pub(crate) fn next_document(&self) -> Option<&Arc<Document>> {
        self.definition
            .as_ref()
            .or_else(|| self.live.as_ref().map(|live| &live.origin))
    }

    /// The document that `VIR_DOMAIN_AFFECT_*` mean, and what they mean: the live one wherever the running guest is meant.
    ///
    /// # Errors
    /// As [`Impact::of`].
    pub(crate) fn meant(&self, flags: u32) -> Result<(Model, Impact)> {
        let impact = Impact::of(flags, self.is_active(), self.is_persistent())?;
        let document = if impact.live {
            self.document()
        } else {
            self.next_document()
        };
        let model = document.ok_or_else(crate::lifecycle::not_running)?.parse()?;
        Ok((model, impact))
    }
}
