//! The secret by which the daemons of an instance know each other: whoever can read it has their power.
//!
//! It lies in `/run/libvirt/common/system.token`, in the form that libvirt's daemons give it, and is made by whichever daemon
//! needs it first. Creating and reading hold a lock on the file, so that nobody reads half of one.

use crate::{Layout, durable};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, fstat};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Its length: 16 random bytes in hexadecimal.
const LENGTH: usize = 32;

/// The secret of one instance's daemons; overwritten when dropped.
pub struct SystemToken(Zeroizing<String>);

impl std::fmt::Debug for SystemToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemToken")
    }
}

impl SystemToken {
    /// The token of an instance, which is made if there is none. Waits for the disk and for other daemons that do the
    /// same.
    ///
    /// # Errors
    /// The system's, with the path; a file that others may read or that is not a token.
    pub fn of(layout: &Layout) -> io::Result<Self> {
        let folder = Self::folder(layout);
        durable::create_folder(&folder, 0o700)?;
        let path = folder.join("system.token");
        read_or_make(&path).map_err(|cause| {
            io::Error::new(
                cause.kind(),
                format!("the system token {}: {cause}", path.display()),
            )
        })
    }

    /// Where it lies. Whoever is shown it reads it there, and makes it where it is the first.
    pub fn folder(layout: &Layout) -> PathBuf {
        layout.run_dir().join("common")
    }

    /// Whether this is it; how long the answer takes tells nothing.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The token, to be told to another daemon.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

fn read_or_make(path: &Path) -> io::Result<SystemToken> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?);
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    let found = fstat(&file)?;
    let own = rustix::process::geteuid().as_raw();
    if !FileType::from_raw_mode(found.st_mode).is_file() || found.st_uid != own || found.st_mode & 0o077 != 0
    {
        return Err(io::Error::other(
            "others than its daemons can get at it; remove it, and end the daemons that have read it",
        ));
    }
    // Room for all of it, so that it never moves.
    let mut text = Zeroizing::new(String::with_capacity(2 * LENGTH));
    Read::by_ref(&mut file)
        .take(LENGTH as u64 + 1)
        .read_to_string(&mut text)?;
    if text.len() < LENGTH {
        // New, or left by a daemon that was killed before it had written it.
        let mut bytes = Zeroizing::new([0; LENGTH / 2]);
        getrandom::fill(&mut *bytes).map_err(io::Error::other)?;
        text.clear();
        for byte in bytes.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        file.set_len(0)?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())?;
    }
    if text.len() != LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no token; remove it",
        ));
    }
    Ok(SystemToken(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode as For;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn all_daemons_of_an_instance_have_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(For::System, dir.path());
        let all: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| SystemToken::of(&layout).unwrap()))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let first = all.first().unwrap();
        assert!(all.iter().all(|token| token.is(first.expose())));
        assert!(!first.is("") && !first.is(&"0".repeat(LENGTH)) && !first.is(&first.expose()[1..]));
        let file = layout.run_dir().join("common/system.token");
        assert_eq!(fs::read_to_string(&file).unwrap(), first.expose());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn what_a_crash_left_is_completed_and_what_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(For::System, dir.path());
        let first = SystemToken::of(&layout).unwrap();
        let file = layout.run_dir().join("common/system.token");
        fs::write(&file, &first.expose()[..7]).unwrap();
        let second = SystemToken::of(&layout).unwrap();
        assert!(!second.is(first.expose()) && second.expose().len() == LENGTH);
        fs::write(&file, "x".repeat(LENGTH)).unwrap();
        assert!(SystemToken::of(&layout).is_err());
        fs::write(&file, first.expose()).unwrap();
        assert!(SystemToken::of(&layout).unwrap().is(first.expose()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = SystemToken::of(&layout).unwrap_err().to_string();
        assert!(
            refused.contains("system.token") && refused.contains("remove it"),
            "{refused}"
        );
        fs::remove_file(&file).unwrap();
        symlink("/etc/hostname", &file).unwrap();
        assert!(SystemToken::of(&layout).is_err());
    }
}
