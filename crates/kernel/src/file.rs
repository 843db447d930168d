//! Files on disks.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

/// Has the disk begin to take these bytes of a file, and waits for no more than room in its queue (sync_file_range(2)). They are on
/// the disk only after a sync, which then has less to wait for.
///
/// # Errors
/// The kernel refuses: the file is on no disk, or the disk failed.
pub fn begin_to_sync(file: impl AsFd, bytes: Range<u64>) -> io::Result<()> {
    let large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let start = i64::try_from(bytes.start).map_err(large)?;
    let length = i64::try_from(bytes.end.saturating_sub(bytes.start)).map_err(large)?;
    if length == 0 {
        // The kernel would take that for all to the end.
        return Ok(());
    }
    let file = file.as_fd().as_raw_fd();
    // SAFETY: Nothing of this process's memory is passed, and the descriptor is open during the call.
    #[expect(unsafe_code, reason = "no crate has a safe call")]
    let outcome = unsafe { libc::sync_file_range(file, start, length, libc::SYNC_FILE_RANGE_WRITE) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn what_is_on_a_disk_can_be_asked_for_and_nothing_else() {
        let own = File::open("/proc/self/exe").unwrap();
        begin_to_sync(&own, 0..4096).unwrap();
        begin_to_sync(&own, 7..7).unwrap();
        assert!(begin_to_sync(&own, 0..u64::MAX).is_err());
        let (pipe, _other) = io::pipe().unwrap();
        assert!(begin_to_sync(&pipe, 0..4096).is_err());
    }
}
