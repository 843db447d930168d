//! Who is at the other end of a connection, and on whose behalf it calls.

use serde::{Deserialize, Serialize};
use tokio::net::unix::UCred;

use crate::transport::Peer;

/// The process at the other end of a UNIX socket, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process, where the kernel tells it.
    pub pid: Option<i32>,
    /// When the process started, in clock ticks since boot: tells it from a later one with the same number.
    pub start_time: Option<u64>,
}

impl Identity {
    /// What the kernel told, and when the process started.
    pub(crate) fn of(credentials: UCred) -> Self {
        let pid = credentials.pid();
        Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid,
            start_time: pid.and_then(start_time),
        }
    }

    /// This process.
    pub fn own() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            pid: Some(pid),
            start_time: start_time(pid),
        }
    }

    /// The name of the user, if it has one. Directory services may be slow, so this runs beside the async workers.
    pub async fn user_name(&self) -> Option<String> {
        let uid = self.uid;
        let found = tokio::task::spawn_blocking(move || uzers::get_user_by_uid(uid))
            .await
            .ok()??;
        Some(found.name().to_string_lossy().into_owned())
    }

    /// The name of the group, if it has one; as [`user_name`](Self::user_name).
    pub async fn group_name(&self) -> Option<String> {
        let gid = self.gid;
        let found = tokio::task::spawn_blocking(move || uzers::get_group_by_gid(gid))
            .await
            .ok()??;
        Some(found.name().to_string_lossy().into_owned())
    }
}

/// Field 22 of the process's `stat` file. The command in field 2 may hold anything, so counting starts behind it.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The label of a process, where this kernel uses SELinux. The socket itself knows the label that its peer had when it
/// connected, but only unsafe code can ask it (`SO_PEERSEC`); as with the start time, a process that has the number of one that is gone
/// is taken for it.
fn selinux_context(pid: i32) -> Option<String> {
    const IN_USE: &str = "/sys/fs/selinux/enforce";
    if !std::path::Path::new(IN_USE).exists() {
        return None;
    }
    let label = std::fs::read_to_string(format!("/proc/{pid}/attr/current")).ok()?;
    Some(label.trim_end_matches(['\0', '\n']).to_owned()).filter(|label| !label.is_empty())
}

/// On whose behalf calls are made: what access is granted to. Daemons tell it each other with `connect_set_identity`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The process on this host, if it is one.
    pub process: Option<Identity>,
    /// Its SELinux label.
    pub selinux_context: Option<String>,
    /// The name in the certificate of a client of TLS.
    pub certificate_name: Option<String>,
    /// The name that a client proved with SASL.
    pub sasl_name: Option<String>,
    /// Whether it is a daemon of this host that calls for itself, as a secret of the daemons proves.
    pub system: bool,
}

impl Caller {
    /// Whoever is connected.
    pub(crate) fn at(process: Option<Identity>, peer: &Peer) -> Self {
        Self {
            process,
            selinux_context: process.and_then(|process| selinux_context(process.pid?)),
            certificate_name: peer.certificate_name.clone(),
            ..Self::default()
        }
    }
}
