//! Mounts that are the host's, and not this daemon's own.
//!
//! What guests and other daemons are to see must be mounted where they look. A daemon that systemd keeps in a view of its own
//! (`ProtectSystem=` and the like, systemd.exec(5)) hears of the host's mounts, but the host does not hear of its mounts. There
//! it has systemd run `mount` and `umount`, as a unit that ends with the program and with the daemon; it needs no power to mount
//! by itself then. Elsewhere it runs them itself.

use crate::failure::{refused, system};
use error::{Code, Result};
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tool::{Cancel, Tool};

/// How long systemd lets the program run, in seconds: longer than anybody waits here.
const DEADLINE: u32 = 20;

/// Where the daemon and systemd both see a file: the daemon's own folder, of a daemon that systemd runs.
const SCRATCH: &str = "/run/libvirt/storage";

/// The longest words of a program that are passed on, in bytes.
const WORDS: u64 = 2048;

/// Whether a table of mounts (proc_pid_mountinfo(5)) is of a view that only follows another one.
fn follows(table: &str) -> bool {
    let optional = |line: &str| {
        let mut fields = line.split(' ').skip(4);
        let is_root = fields.next() == Some("/");
        let _options = fields.next();
        is_root
            && fields
                .take_while(|field| *field != "-")
                .any(|field| field.starts_with("master:"))
    };
    table.lines().any(optional)
}

/// Whether others do not see what this process mounts.
fn are_private() -> bool {
    Path::new("/run/systemd/system").is_dir()
        && std::fs::read_to_string("/proc/self/mountinfo").is_ok_and(|table| follows(&table))
}

/// The unit that this process is of, as its control group tells (cgroups(7)).
fn own_unit(groups: &str) -> Option<&str> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|name| name.ends_with(".service"))
}

/// Runs a program that changes mounts where the host sees it.
///
/// # Errors
/// As [`Tool::run`].
pub(crate) fn run(tool: &Tool, cancel: &Cancel) -> Result<()> {
    if are_private() {
        by_systemd(tool, cancel)
    } else {
        tool.run(cancel).map(drop)
    }
}

/// Takes a mount out of sight without asking whoever serves it, which may be dead.
///
/// # Errors
/// As [`Tool::run`].
pub(crate) fn detach(path: &Path, cancel: &Cancel) -> Result<()> {
    // With these options the program looks at nothing on the way.
    let blind = ["--lazy", "--no-canonicalize", "--internal-only"];
    run(&Tool::new("umount").with(blind).with([path]), cancel)
}

fn by_systemd(tool: &Tool, cancel: &Cancel) -> Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let unit = format!("virtstoraged-mount-{}-{number}.service", std::process::id());
    let complaints = tempfile::Builder::new()
        .prefix("mount-")
        .tempfile_in(SCRATCH)
        .map_err(|err| system(format!("no file for complaints in {SCRATCH}"), err))?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // One that changes mounts must not outlive whoever would know what it did.
    let bound = own_unit(&groups).map(|own| format!("--property=BindsTo={own}"));
    let ran = Tool::new("systemd-run")
        .with(["--quiet", "--collect", "--service-type=oneshot"])
        .with([format!("--unit={unit}")])
        .with([format!("--property=TimeoutStartSec={DEADLINE}")])
        .with([format!(
            "--property=StandardError=truncate:{}",
            complaints.path().display()
        )])
        // File systems that are programs go on when `mount` has ended.
        .with(["--property=KillMode=process", "--setenv=LC_ALL=C"])
        .with(bound)
        .with(["--"])
        .with(tool.line()?)
        .run(cancel);
    let Err(failure) = ran else {
        return Ok(());
    };
    if failure.code() == Code::OperationAborted {
        // Whether it stops is nobody's to wait for.
        let stop = ["stop", "--no-block", &unit];
        let _ = Tool::new("systemctl").with(stop).run(&Cancel::default());
        return Err(failure);
    }
    let mut words = String::new();
    let heard = complaints.as_file().take(WORDS).read_to_string(&mut words);
    let words = words.trim();
    match heard {
        Ok(_) if !words.is_empty() => Err(refused(
            failure.code(),
            format!("'{}' failed: {words}", tool.name()),
        )),
        _ => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_follows_the_hosts_is_known() {
        let host = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n23 22 0:4 / /proc rw shared:2 master:9 - proc proc rw\n";
        let own = "99 98 8:1 / / rw,relatime shared:300 master:1 - ext4 /dev/sda1 rw\n";
        let apart = "69 68 254:0 / / rw,relatime - ext4 /dev/master: rw\n";
        assert_eq!([host, own, apart].map(follows), [false, true, false]);
    }

    #[test]
    fn a_unit_is_known_by_its_control_group() {
        let groups = "12:devices:/x.service\n0::/system.slice/virtstoraged.service\n";
        assert_eq!(own_unit(groups), Some("virtstoraged.service"));
        assert_eq!(own_unit("0::/user.slice/session-1.scope\n"), None);
        assert_eq!(own_unit(""), None);
    }
}
