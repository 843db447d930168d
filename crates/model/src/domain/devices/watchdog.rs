//! `<watchdog>` and `<panic>`: devices by which a guest in trouble is noticed.

use xml::{Element, Value};

use super::info::DeviceInfo;

/// A watchdog timer.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "watchdog")]
pub struct Watchdog {
    #[xml(attr)]
    pub model: WatchdogModel,
    /// `reset` where missing.
    #[xml(attr)]
    pub action: Option<WatchdogAction>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Models of watchdogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum WatchdogModel {
    #[xml("i6300esb")]
    I6300esb,
    #[xml("ib700")]
    Ib700,
    #[xml("diag288")]
    Diag288,
    /// Part of the Q35 chipset.
    #[xml("itco")]
    Itco,
}

/// What happens when the timer runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
pub enum WatchdogAction {
    #[default]
    #[xml("reset")]
    Reset,
    #[xml("shutdown")]
    Shutdown,
    #[xml("poweroff")]
    PowerOff,
    #[xml("pause")]
    Pause,
    #[xml("dump")]
    Dump,
    #[xml("none")]
    None,
    #[xml("inject-nmi")]
    InjectNmi,
}

/// A device by which the guest's kernel tells that it has crashed.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "panic")]
pub struct Panic {
    /// As the architecture suggests where missing.
    #[xml(attr)]
    pub model: Option<PanicModel>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Ways to tell of a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum PanicModel {
    #[xml("default")]
    Default,
    #[xml("isa")]
    Isa,
    #[xml("pseries")]
    Pseries,
    #[xml("hyperv")]
    HyperV,
    #[xml("s390")]
    S390,
    #[xml("pvpanic")]
    PvPanic,
}
