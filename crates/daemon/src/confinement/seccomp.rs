//! The kernel's filter of system calls.
//!
//! What is not on the list does not exist for the process (`ENOSYS`): the C library has older ways for what newer kernels can do,
//! and takes them by that answer. What no daemon has a use for, but somebody who broke into one, ends the process.

use super::syscalls::DEADLY;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allows these system calls and no others, for the process and all that it becomes. Whether that holds now.
pub(super) fn restrict(allowed: &[i64]) -> bool {
    match try_restrict(allowed) {
        Ok(()) => true,
        Err(failure) => {
            tracing::warn!(%failure, "the kernel filters no system calls: this daemon may make them all");
            false
        }
    }
}

fn try_restrict(allowed: &[i64]) -> Result<(), seccompiler::Error> {
    // The first installed must let the second be installed.
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    install(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?;
    let mut rules: Rules = allowed.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, local_sockets()?);
    rules.insert(libc::SYS_clone, same_name_spaces()?);
    let unknown = u32::try_from(libc::ENOSYS).unwrap_or_default();
    install(rules, SeccompAction::Errno(unknown), SeccompAction::Allow)
}

fn install(rules: Rules, other: SeccompAction, listed: SeccompAction) -> Result<(), seccompiler::Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let program: BpfProgram = SeccompFilter::new(rules, other, listed, architecture)?.try_into()?;
    seccompiler::apply_filter(&program)
}

/// Sockets of this host. Those of networks were opened before.
fn local_sockets() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let family = u64::try_from(libc::AF_UNIX).unwrap_or_default();
    let local = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family)?;
    Ok(vec![SeccompRule::new(vec![local])?])
}

/// Threads and processes, but none with a name space of its own.
fn same_name_spaces() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let flags = [
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUTS,
    ];
    let mask = flags.into_iter().fold(0, |mask, flag| mask | flag);
    let mask = u64::from(mask.cast_unsigned());
    let none = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), 0)?;
    Ok(vec![SeccompRule::new(vec![none])?])
}
