//! `<clock>`: the guest's idea of time.

use xml::{Element, Value, YesNo};

/// How the guest's clock starts, and its timers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "clock")]
pub struct Clock {
    /// UTC where missing.
    #[xml(attr)]
    pub offset: Option<ClockOffset>,
    /// With `variable`: seconds to add; with `utc` and `localtime`: the same at first start, or `reset`.
    #[xml(attr)]
    pub adjustment: Option<Adjustment>,
    /// With `variable`: what the adjustment is relative to.
    #[xml(attr)]
    pub basis: Option<ClockBasis>,
    #[xml(attr)]
    pub timezone: Option<String>,
    /// With `absolute`: seconds since 1970 at each start.
    #[xml(attr)]
    pub start: Option<u64>,
    #[xml(children = "timer")]
    pub timers: Vec<Timer>,
}

/// What the clock is set to at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ClockOffset {
    #[xml("utc")]
    Utc,
    #[xml("localtime")]
    LocalTime,
    #[xml("variable")]
    Variable,
    #[xml("timezone")]
    Timezone,
    #[xml("absolute")]
    Absolute,
}

/// UTC or the host's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ClockBasis {
    #[xml("utc")]
    Utc,
    #[xml("localtime")]
    LocalTime,
}

/// What a guest did to its clock in earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// Forgotten at each start.
    Reset,
    /// Kept, in seconds.
    Seconds(i64),
}

impl Value for Adjustment {
    const EXPECTED: &'static str = "number of seconds or 'reset'";

    fn parse(text: &str) -> Option<Self> {
        if text == "reset" {
            Some(Self::Reset)
        } else {
            i64::parse(text).map(Self::Seconds)
        }
    }

    fn format(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Reset => "reset".into(),
            Self::Seconds(seconds) => seconds.to_string().into(),
        }
    }
}

/// One timer.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "timer")]
pub struct Timer {
    #[xml(attr)]
    pub name: TimerName,
    #[xml(attr)]
    pub present: Option<YesNo>,
    #[xml(attr)]
    pub tickpolicy: Option<TickPolicy>,
    #[xml(attr)]
    pub track: Option<TimerTrack>,
    /// In Hz; `tsc` only.
    #[xml(attr)]
    pub frequency: Option<u64>,
    #[xml(attr)]
    pub mode: Option<TimerMode>,
    #[xml(child)]
    pub catchup: Option<CatchUp>,
}

/// Timers that can be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum TimerName {
    #[xml("platform")]
    Platform,
    #[xml("pit")]
    Pit,
    #[xml("rtc")]
    Rtc,
    #[xml("hpet")]
    Hpet,
    #[xml("tsc")]
    Tsc,
    #[xml("kvmclock")]
    KvmClock,
    #[xml("hypervclock")]
    HypervClock,
    #[xml("armvtimer")]
    ArmVtimer,
}

/// What becomes of ticks that the guest missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TickPolicy {
    #[xml("delay")]
    Delay,
    #[xml("catchup")]
    CatchUp,
    #[xml("merge")]
    Merge,
    #[xml("discard")]
    Discard,
}

/// What the timer follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TimerTrack {
    #[xml("boot")]
    Boot,
    #[xml("guest")]
    Guest,
    #[xml("wall")]
    Wall,
    #[xml("realtime")]
    RealTime,
}

/// How the time-stamp counter is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TimerMode {
    #[xml("auto")]
    Auto,
    #[xml("native")]
    Native,
    #[xml("emulate")]
    Emulate,
    #[xml("paravirt")]
    Paravirt,
    #[xml("smpsafe")]
    SmpSafe,
}

/// Limits of `tickpolicy='catchup'`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "catchup")]
pub struct CatchUp {
    #[xml(attr)]
    pub threshold: Option<u64>,
    #[xml(attr)]
    pub slew: Option<u64>,
    #[xml(attr)]
    pub limit: Option<u64>,
}
