//! What a domain is doing and why, by the public header's numbers (`virDomainState` and its reasons).

/// What a domain is doing. Each variant carries the header's reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    /// The guest runs.
    Running(Running),
    /// Its processors stand still, its memory stays.
    Paused(Paused),
    /// It is shutting down.
    Shutdown(i32),
    /// It does not run.
    Shutoff(Shutoff),
    /// It ended badly and was kept as it was.
    Crashed(i32),
    /// It sleeps at its own wish.
    PmSuspended(i32),
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $text:literal),* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each name is the header's own")]
        pub(crate) enum $name { $($variant = $number),* }

        impl $name {
            /// The word status documents use.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The reason with that word.
            pub(crate) fn from_name(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}

reasons! {
    /// `virDomainRunningReason`.
    Running {
        Unknown = 0 "unknown", Booted = 1 "booted", Migrated = 2 "migrated", Restored = 3 "restored",
        FromSnapshot = 4 "from snapshot", Unpaused = 5 "unpaused", MigrationCanceled = 6 "migration canceled",
        SaveCanceled = 7 "save canceled", Wakeup = 8 "wakeup", Crashed = 9 "crashed", Postcopy = 10 "post-copy"
    }
    /// `virDomainPausedReason`.
    Paused {
        Unknown = 0 "unknown", User = 1 "user", Migration = 2 "migration", Save = 3 "save", Dump = 4 "dump",
        IoError = 5 "ioerror", Watchdog = 6 "watchdog", FromSnapshot = 7 "from snapshot",
        ShuttingDown = 8 "shutting down", Snapshot = 9 "creating snapshot", Crashed = 10 "crashed",
        StartingUp = 11 "starting up", Postcopy = 12 "post-copy", PostcopyFailed = 13 "post-copy failed",
        ApiError = 14 "api error"
    }
    /// `virDomainShutoffReason`.
    Shutoff {
        Unknown = 0 "unknown", Shutdown = 1 "shutdown", Destroyed = 2 "destroyed", Crashed = 3 "crashed",
        Migrated = 4 "migrated", Saved = 5 "saved", Failed = 6 "failed", FromSnapshot = 7 "from snapshot",
        Daemon = 8 "daemon"
    }
}

impl RunState {
    /// The state's number on the wire.
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Running(_) => 1,
            Self::Paused(_) => 3,
            Self::Shutdown(_) => 4,
            Self::Shutoff(_) => 5,
            Self::Crashed(_) => 6,
            Self::PmSuspended(_) => 7,
        }
    }

    /// The reason's number on the wire.
    pub(crate) const fn reason(self) -> i32 {
        match self {
            Self::Running(reason) => reason as i32,
            Self::Paused(reason) => reason as i32,
            Self::Shutoff(reason) => reason as i32,
            Self::Shutdown(reason) | Self::Crashed(reason) | Self::PmSuspended(reason) => reason,
        }
    }

    /// The state and reason as a status document names them.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Running(reason) => ("running", reason.as_str()),
            Self::Paused(reason) => ("paused", reason.as_str()),
            Self::Shutdown(_) => ("shutdown", "user"),
            Self::Shutoff(reason) => ("shutoff", reason.as_str()),
            Self::Crashed(_) => ("crashed", "panicked"),
            Self::PmSuspended(_) => ("pmsuspended", "unknown"),
        }
    }

    /// The state a status document names; an unknown reason is told as such.
    pub(crate) fn from_words(state: &str, reason: &str) -> Option<Self> {
        Some(match state {
            "running" => Self::Running(Running::from_name(reason).unwrap_or(Running::Unknown)),
            "paused" => Self::Paused(Paused::from_name(reason).unwrap_or(Paused::Unknown)),
            "shutdown" => Self::Shutdown(1),
            "shutoff" => Self::Shutoff(Shutoff::from_name(reason).unwrap_or(Shutoff::Unknown)),
            "crashed" => Self::Crashed(1),
            "pmsuspended" => Self::PmSuspended(0),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_the_state() {
        for state in [
            RunState::Running(Running::Booted),
            RunState::Paused(Paused::IoError),
            RunState::Shutoff(Shutoff::Destroyed),
            RunState::Crashed(1),
        ] {
            let (name, reason) = state.words();
            assert_eq!(RunState::from_words(name, reason), Some(state));
        }
        assert_eq!(RunState::from_words("dancing", ""), None);
        assert_eq!(RunState::Paused(Paused::ApiError).reason(), 14);
    }
}
