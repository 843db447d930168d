//! The system calls that daemons make which run no guests, and those that none of them ever makes.
//!
//! The list is what was seen of the daemons under their tests, and beside each call its other forms: those that the C library of
//! another release takes, and those that it falls back on. Programs that they run (their own successor, xmllint) live by it, too.

use nix::libc;

/// Calls by name, for any architecture.
macro_rules! calls {
    ($($name:ident)*) => { &[$(libc::$name),*] };
}

/// Files and folders.
const FILES: &[i64] = calls![
    SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_read SYS_readv SYS_pread64 SYS_preadv SYS_preadv2 SYS_write SYS_writev
    SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_lseek SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_getdents64
    SYS_readlinkat SYS_faccessat SYS_faccessat2 SYS_ftruncate SYS_truncate SYS_fallocate SYS_fsync SYS_fdatasync
    SYS_sync_file_range SYS_fadvise64 SYS_readahead SYS_copy_file_range SYS_sendfile SYS_splice SYS_tee SYS_flock SYS_mkdirat
    SYS_mknodat SYS_unlinkat SYS_renameat2 SYS_linkat SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat
    SYS_umask SYS_getcwd SYS_chdir SYS_fchdir SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_ioctl SYS_memfd_create SYS_getxattr
    SYS_lgetxattr SYS_fgetxattr SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
];

/// Sockets; which ones may be made is told by the filter.
const SOCKETS: &[i64] = calls![
    SYS_socket SYS_socketpair SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_shutdown SYS_getsockname SYS_getpeername
    SYS_getsockopt SYS_setsockopt SYS_sendto SYS_sendmsg SYS_sendmmsg SYS_recvfrom SYS_recvmsg SYS_recvmmsg
];

/// Waiting and time.
const WAITING: &[i64] = calls![
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_ppoll SYS_pselect6 SYS_eventfd2 SYS_signalfd4
    SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_timer_create SYS_timer_settime SYS_timer_delete SYS_nanosleep
    SYS_clock_nanosleep SYS_clock_gettime SYS_clock_getres SYS_gettimeofday SYS_times SYS_setitimer SYS_futex SYS_futex_waitv
    SYS_restart_syscall
];

/// Memory.
const MEMORY: &[i64] = calls![
    SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_msync SYS_mincore SYS_brk SYS_mlock SYS_mlock2 SYS_munlock
    SYS_membarrier
];

/// The process, its threads and children.
const PROCESSES: &[i64] = calls![
    SYS_clone SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tgkill SYS_tkill
    SYS_pidfd_open SYS_pidfd_send_signal SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending
    SYS_rt_sigtimedwait SYS_rt_sigsuspend SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_sigaltstack SYS_set_tid_address SYS_set_robust_list SYS_get_robust_list
    SYS_rseq SYS_sched_yield SYS_sched_getaffinity SYS_sched_getparam SYS_sched_getscheduler SYS_getcpu SYS_getpid SYS_getppid SYS_gettid
    SYS_getpgid SYS_getsid SYS_setsid SYS_setpgid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups
    SYS_getpriority SYS_prlimit64 SYS_getrusage SYS_prctl SYS_capget SYS_capset SYS_uname SYS_sysinfo SYS_getrandom SYS_seccomp
    SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
];

/// What older architectures have beside, and the C library there still uses.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = calls![
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_mkdir SYS_mknod SYS_rmdir SYS_unlink SYS_rename SYS_renameat
    SYS_link SYS_symlink SYS_chmod SYS_chown SYS_lchown SYS_getdents SYS_dup2 SYS_pipe SYS_poll SYS_select SYS_epoll_create
    SYS_epoll_wait SYS_eventfd SYS_fork SYS_vfork SYS_arch_prctl SYS_getrlimit SYS_setrlimit SYS_time SYS_alarm SYS_pause SYS_getpgrp
    SYS_utimes SYS_futimesat SYS_inotify_init
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What ends the process: ways into the kernel, into other processes and other name spaces that no daemon here and nothing that it
/// runs has a use for.
pub(super) const DEADLY: &[i64] = calls![
    SYS_acct SYS_bpf SYS_chroot SYS_clock_settime SYS_delete_module SYS_finit_module SYS_fsmount SYS_fsopen SYS_fspick
    SYS_init_module SYS_io_uring_enter SYS_io_uring_register SYS_io_uring_setup SYS_kcmp SYS_kexec_load SYS_mount
    SYS_mount_setattr SYS_move_mount SYS_open_by_handle_at SYS_open_tree SYS_perf_event_open SYS_personality SYS_pidfd_getfd
    SYS_pivot_root SYS_process_vm_readv SYS_process_vm_writev SYS_ptrace SYS_quotactl SYS_reboot
    SYS_setdomainname SYS_sethostname SYS_setns SYS_settimeofday SYS_swapoff SYS_swapon SYS_syslog SYS_umount2 SYS_unshare
    SYS_userfaultfd SYS_vhangup
];

/// All that is allowed, in order.
pub(super) fn allowed() -> Vec<i64> {
    let mut all = [FILES, SOCKETS, WAITING, MEMORY, PROCESSES, OLDER].concat();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_listed_once() {
        let mut all = allowed();
        all.extend_from_slice(DEADLY);
        all.sort_unstable();
        let twice: Vec<_> = all.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert_eq!(twice, Vec::<&[i64]>::new());
    }
}
