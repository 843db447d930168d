//! The kernel's settings of links and of what it passes on (`/proc/sys/net`).
//!
//! They are those of the name space that the thread is in, whatever is mounted at `/proc`.

use crate::failure::system;
use error::Result;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where they lie.
const FOLDER: &str = "/proc/sys/net";

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// Sets one where it is another, so that a host on which it is set already need not let us write.
fn set(name: &str, value: &str) -> Result<()> {
    let path = path(name);
    if fs::read_to_string(&path).is_ok_and(|old| old.trim() == value) {
        return Ok(());
    }
    fs::write(&path, value).map_err(|err| system(format!("cannot set '{}' to {value}", path.display()), err))
}

/// As [`set`], where the kernel has it.
fn set_where_there(name: &str, value: &str) -> Result<()> {
    match fs::metadata(path(name)) {
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(()),
        _ => set(name, value),
    }
}

/// Has the host pass on IPv4 between its links.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(crate) fn forward_v4() -> Result<()> {
    set("ipv4/ip_forward", "1")
}

/// Has the host pass on IPv6 between its links.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(crate) fn forward_v6() -> Result<()> {
    set("ipv6/conf/all/forwarding", "1")
}

/// Whether the host passes IPv6 on already.
pub(crate) fn forwards_v6() -> bool {
    fs::read_to_string(path("ipv6/conf/all/forwarding")).is_ok_and(|value| value.trim() == "1")
}

/// How a link treats what routers advertise: 0 not at all, 1 unless the host passes IPv6 on, 2 always.
pub(crate) fn accepts_advertisements(link: &str) -> Option<u8> {
    let text = fs::read_to_string(path(&format!("ipv6/conf/{link}/accept_ra"))).ok()?;
    text.trim().parse().ok()
}

/// Prepares a bridge of ours for IPv6, or keeps it off there: the host is the router, and believes no other on it.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(crate) fn ipv6_of_bridge(bridge: &str, wanted: bool) -> Result<()> {
    let name = |setting: &str| format!("ipv6/conf/{bridge}/{setting}");
    set_where_there(&name("disable_ipv6"), if wanted { "0" } else { "1" })?;
    if wanted {
        set_where_there(&name("accept_ra"), "0")?;
        set_where_there(&name("autoconf"), "0")?;
    }
    Ok(())
}
