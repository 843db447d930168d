//! How threads are scheduled, and which nodes memory comes from.

use std::io;

/// Who runs before whom (sched(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// Work that nobody waits for.
    Batch,
    /// Only what nothing else wants.
    Idle,
    /// Until it waits, before all that is not of real time.
    Fifo,
    /// The same, by turns with others of its priority.
    RoundRobin,
}

/// Sets the scheduler of a thread; `priority` counts for those of real time alone.
///
/// # Errors
/// The kernel refuses: there is no such thread, it is not this process's to set, or the priority is not possible.
pub fn set_scheduler(thread: i32, scheduler: Scheduler, priority: u32) -> io::Result<()> {
    let (policy, real_time) = match scheduler {
        Scheduler::Batch => (libc::SCHED_BATCH, false),
        Scheduler::Idle => (libc::SCHED_IDLE, false),
        Scheduler::Fifo => (libc::SCHED_FIFO, true),
        Scheduler::RoundRobin => (libc::SCHED_RR, true),
    };
    let priority = if real_time {
        i32::try_from(priority).unwrap_or(i32::MAX)
    } else {
        0
    };
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: The parameters are read during the call and live longer.
    #[expect(unsafe_code, reason = "no crate has a safe call")]
    let outcome = unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Where memory comes from (set_mempolicy(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryPolicy {
    /// Only from the nodes.
    Strict,
    /// From the first node if it has any left.
    Preferred,
    /// From the nodes by turns.
    Interleave,
}

/// Sets where the calling thread, and what becomes of it, gets new memory from.
///
/// # Errors
/// The kernel refuses: one of the nodes does not exist or may not be used.
pub fn set_memory_policy(policy: MemoryPolicy, nodes: impl IntoIterator<Item = u32>) -> io::Result<()> {
    const BITS: u32 = u64::BITS;
    /// The kernel's own limit, `1 << CONFIG_NODES_SHIFT` at most.
    const MOST: u32 = 1024;
    let mode = match policy {
        MemoryPolicy::Preferred => 1_i32,
        MemoryPolicy::Strict => 2,
        MemoryPolicy::Interleave => 3,
    };
    let mut mask = Vec::new();
    for node in nodes {
        let word = usize::try_from(node / BITS).unwrap_or(usize::MAX);
        if node >= MOST {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        if mask.len() <= word {
            mask.resize(word + 1, 0_u64);
        }
        if let Some(bits) = mask.get_mut(word) {
            *bits |= 1 << (node % BITS);
        }
    }
    // The kernel leaves out the last of the bits that it is told of.
    let bits = mask.len() * BITS as usize + 1;
    // SAFETY: The mask has all bits that are told of but the last, which is not read, and lives longer than the call.
    #[expect(unsafe_code, reason = "no crate has a safe call")]
    let outcome = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask.as_ptr(), bits) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_becomes_less_important() {
        let set = std::thread::spawn(|| set_scheduler(0, Scheduler::Batch, 7));
        set.join().unwrap().unwrap();
        assert!(set_scheduler(i32::MAX, Scheduler::Idle, 0).is_err());
    }

    #[test]
    fn nodes_that_nobody_has_are_refused() {
        let refused = std::thread::spawn(|| set_memory_policy(MemoryPolicy::Strict, [5000]));
        assert!(refused.join().unwrap().is_err());
    }
}
