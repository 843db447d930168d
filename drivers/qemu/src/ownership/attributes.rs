//! What stands at a file of whose it was.

use super::Identity;
use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};
use rustix::io::{Errno, Result};
use std::path::Path;
use std::sync::OnceLock;

const OWNER: &str = "trusted.libvirt.security.dac";
const USERS: &str = "trusted.libvirt.security.ref_dac";
const BOOT: &str = "trusted.libvirt.security.timestamp_dac";

/// Who still uses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Other guests.
    Others,
    /// Nobody, and whose it was, if that was noted.
    Nobody(Option<Identity>),
    /// Nothing can be noted at this file.
    Unknown,
}

fn get(path: &Path, name: &str) -> Result<Option<String>> {
    let mut value = [0_u8; 64];
    match getxattr(path, name, &mut value[..]) {
        Ok(length) => {
            let value = value.get(..length).unwrap_or_default();
            Ok(Some(String::from_utf8_lossy(value).into_owned()))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(err) => Err(err),
    }
}

fn set(path: &Path, name: &str, value: &str) -> Result<()> {
    setxattr(path, name, value.as_bytes(), XattrFlags::empty())
}

fn clear(path: &Path) -> Result<()> {
    for name in [OWNER, USERS, BOOT] {
        match removexattr(path, name) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

/// Whether the file cannot have such attributes: its file system has none, or they are not this daemon's to set.
fn is_impossible(err: Errno) -> bool {
    matches!(err, Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::ROFS)
}

/// How many guests the file belongs to. What was noted before the host's boot is removed.
fn users(path: &Path) -> Result<Option<u32>> {
    let Some(users) = get(path, USERS)? else {
        return Ok(None);
    };
    if get(path, BOOT)?.as_deref() != Some(boot()) {
        clear(path)?;
        return Ok(None);
    }
    Ok(users.parse().ok())
}

/// Notes one more guest, and whose the file was before the first; how many there are, where that can be noted.
pub(super) fn add_user(path: &Path, owner: Identity) -> Result<Option<u32>> {
    let noted = || {
        let users = users(path)?.unwrap_or(0).saturating_add(1);
        if users == 1 {
            set(path, OWNER, &format!("+{}:+{}", owner.0, owner.1))?;
            set(path, BOOT, boot())?;
        }
        set(path, USERS, &users.to_string())?;
        Ok(Some(users))
    };
    match noted() {
        Err(err) if is_impossible(err) => Ok(None),
        outcome => outcome,
    }
}

/// Notes one guest less.
pub(super) fn remove_user(path: &Path) -> Result<Left> {
    let noted = || match users(path)? {
        None | Some(0) => Ok(Left::Nobody(None)),
        Some(1) => {
            let owner = get(path, OWNER)?.and_then(|text| identity(&text));
            clear(path)?;
            Ok(Left::Nobody(owner))
        }
        Some(users) => {
            set(path, USERS, &(users - 1).to_string())?;
            Ok(Left::Others)
        }
    };
    match noted() {
        Err(err) if is_impossible(err) => Ok(Left::Unknown),
        outcome => outcome,
    }
}

/// Whose the file was, as noted.
#[cfg(test)]
pub(super) fn remembered(path: &Path) -> Option<Identity> {
    identity(&get(path, OWNER).ok()??)
}

fn identity(text: &str) -> Option<Identity> {
    let (user, group) = text.split_once(':')?;
    let number = |text: &str| text.strip_prefix('+')?.parse().ok();
    Some((number(user)?, number(group)?))
}

/// When the host was booted, in seconds since 1970.
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("btime "));
        line.unwrap_or("0").trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers() {
        assert_eq!(identity("+0:+64055"), Some((0, 64055)));
        assert_eq!(identity("root:root"), None);
        assert_ne!(boot(), "0");
    }
}
