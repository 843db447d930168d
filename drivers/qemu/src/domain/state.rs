//! What is known of a domain, as everybody may read it at any time without asking its owner.
//!
//! A [`State`] never changes; the owner publishes a new one. A shut-off domain is its definition's text and a
//! [`Summary`]: a host may have ten thousand of them, so nothing that can be parsed again is kept.

use super::{Process, RunState, Sample};
use arc_swap::ArcSwap;
use qmp::Monitor;
use std::sync::Arc;

/// One published state.
#[derive(Debug, Clone)]
pub struct State {
    /// The domain's name.
    pub name: Arc<str>,
    /// What it is doing.
    pub run: RunState,
    /// The definition, where it is persistent.
    pub definition: Option<Arc<Document>>,
    /// Whether it starts with the daemon.
    pub autostart: bool,
    /// Whether a managed save image waits for the next start.
    pub managed_save: bool,
    /// Whether the definition was changed since it was first acknowledged or last started.
    pub updated: bool,
    /// What only a running domain has.
    pub live: Option<Arc<Live>>,
}

/// A document as text, with what calls ask of it most.
#[derive(Debug)]
pub struct Document {
    /// The whole document, passwords included.
    pub text: Box<str>,
    /// What is read off it.
    pub summary: Summary,
}

/// What calls ask of a domain most, so that they need not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
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
#[derive(Debug)]
pub struct Live {
    /// Its id, unique on this host until the daemon's state is wiped.
    pub id: i32,
    /// The document of the running guest, with aliases, addresses and everything chosen at start.
    pub document: Arc<Document>,
    /// The QEMU process.
    pub process: Arc<Process>,
    /// Its monitor, for calls that need no owner: figures.
    pub monitor: Monitor,
    /// The last known figures.
    pub sample: ArcSwap<Sample>,
}

impl State {
    /// The id while it runs, else -1.
    pub fn id(&self) -> i32 {
        self.live.as_ref().map_or(-1, |live| live.id)
    }

    /// Whether a QEMU process stands for it.
    pub fn is_active(&self) -> bool {
        self.live.is_some()
    }

    /// Whether it survives being stopped.
    pub fn is_persistent(&self) -> bool {
        self.definition.is_some()
    }

    /// Whether clients can see it: one that is only being defined or started reserves its name and no more.
    pub fn is_visible(&self) -> bool {
        self.is_active() || self.is_persistent()
    }

    /// The document that speaks of the present: the live one of a running domain.
    pub fn document(&self) -> Option<&Arc<Document>> {
        self.live.as_ref().map(|live| &live.document).or(self.definition.as_ref())
    }

    /// The document the next start will use: the definition, or of a transient domain the live one.
    pub fn next_document(&self) -> Option<&Arc<Document>> {
        self.definition.as_ref().or_else(|| self.document())
    }
}
