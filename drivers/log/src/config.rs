//! The driver's keys in `virtlogd.conf`.

use daemon::config::schema;

schema! {
    /// How logs roll over and when they are thrown away.
    pub struct LogConfig {
        /// The largest size of a log file in bytes; what would exceed it goes into a new one. 0 for no limit, with which a
        /// guest can fill the disk.
        max_size: u64 = 2 * 1024 * 1024,
        /// How many former files of a log are kept.
        max_backups: u32 = 3,
        /// Days after its last change at which a file below `log_root` is removed, whoever wrote it; 0 for never.
        max_age_days: u32 = 0,
        /// The folder in which `max_age_days` holds; the instance's log folder unless set.
        log_root: Option<String> = None,
    }
    elsewhere {
    }
}

/// How one log rolls over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of a file at most; 0 for no limit.
    pub(crate) max_size: u64,
    /// Former files that are kept.
    pub(crate) max_backups: u32,
}

impl LogConfig {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_size: self.max_size,
            max_backups: self.max_backups,
        }
    }
}
