//! What a process keeps in memory.

use anyhow::{Context, Result};

/// Bytes of one line of `/proc/PID/smaps_rollup`.
pub(super) fn of(pid: u32, line: &str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let value = text.lines().find_map(|found| {
        found
            .strip_prefix(line)?
            .split_whitespace()
            .next()?
            .parse::<f64>()
            .ok()
    });
    value
        .map(|kib| kib * 1024.0)
        .with_context(|| format!("process {pid} has no '{line}'"))
}
