//! What the driver tells clients of its own accord, as the driver knows it: the wire form is made where it is sent.

/// A change in a domain's life, with the header's numbers for its detail (`virDomainEventType` and `...DetailType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the header's own")]
pub(crate) enum Lifecycle {
    Defined(Defined),
    Undefined(Undefined),
    Started(Started),
    Suspended(Suspended),
    Resumed(Resumed),
    Stopped(Stopped),
    Shutdown(Finished),
    PmSuspended(PmSuspended),
    Crashed(Crashed),
}

macro_rules! details {
    ($($name:ident { $($variant:ident = $number:literal),* })*) => {$(
        /// Details of the lifecycle event of (nearly) that name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, dead_code, clippy::enum_variant_names, reason = "each name is the header's own, used or not")]
        pub(crate) enum $name { $($variant = $number),* }
    )*};
}

details! {
    Defined { Added = 0, Updated = 1, Renamed = 2, FromSnapshot = 3 }
    Undefined { Removed = 0, Renamed = 1 }
    Started { Booted = 0, Migrated = 1, Restored = 2, FromSnapshot = 3, Wakeup = 4 }
    Suspended { Paused = 0, Migrated = 1, IoError = 2, Watchdog = 3, Restored = 4, FromSnapshot = 5, ApiError = 6,
        Postcopy = 7, PostcopyFailed = 8 }
    Resumed { Unpaused = 0, Migrated = 1, FromSnapshot = 2, Postcopy = 3, PostcopyFailed = 4 }
    Stopped { Shutdown = 0, Destroyed = 1, Crashed = 2, Migrated = 3, Saved = 4, Failed = 5, FromSnapshot = 6 }
    Finished { Finished = 0, Guest = 1, Host = 2 }
    PmSuspended { Memory = 0, Disk = 1 }
    Crashed { Panicked = 0, Crashloaded = 1 }
}

impl Lifecycle {
    /// The event's number and its detail's.
    pub(crate) const fn numbers(self) -> (i32, i32) {
        match self {
            Self::Defined(detail) => (0, detail as i32),
            Self::Undefined(detail) => (1, detail as i32),
            Self::Started(detail) => (2, detail as i32),
            Self::Suspended(detail) => (3, detail as i32),
            Self::Resumed(detail) => (4, detail as i32),
            Self::Stopped(detail) => (5, detail as i32),
            Self::Shutdown(detail) => (6, detail as i32),
            Self::PmSuspended(detail) => (7, detail as i32),
            Self::Crashed(detail) => (8, detail as i32),
        }
    }
}
