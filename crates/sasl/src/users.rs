//! The file of users: a line each, `NAME:KEYS`, and what it makes up for names that nobody has.

use crate::keys::{ITERATIONS, Keys};
use crate::{Refused, prepare};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// How many random bytes make up the salts of those who are not there.
const SECRET: usize = 32;

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file cannot be read.
    #[error("the users in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others may read the file, and try passwords on what it holds.
    #[error("the users in {} can be read by others than their owner; run chmod 600", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// A line is none.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Those who may come in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Users {
    keys: BTreeMap<String, Keys>,
    secret: Vec<u8>,
}

impl Users {
    /// Nobody, with a new secret for the salts of those who are not there.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn nobody() -> Result<Self, getrandom::Error> {
        let mut secret = vec![0; SECRET];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            keys: BTreeMap::new(),
            secret,
        })
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut users = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |reason: &str| (number, reason.to_owned());
            let (name, rest) = line
                .split_once(':')
                .ok_or_else(|| refused("NAME:KEYS is wanted"))?;
            if name.is_empty() {
                users.secret = STANDARD.decode(rest).map_err(|_| refused("no base64"))?;
                continue;
            }
            // One that is not in its prepared form would never be found.
            if prepare(name).ok().as_deref() != Some(name) {
                return Err(refused(
                    "the name is none, or not in the form in which names are compared",
                ));
            }
            if users
                .keys
                .insert(name.to_owned(), rest.parse().map_err(refused)?)
                .is_some()
            {
                return Err(refused("the user is there twice"));
            }
        }
        Ok(users)
    }

    /// The text of a file with these.
    pub fn written(&self) -> Zeroizing<String> {
        let mut text = format!(
            "# Users of libvirt's daemons, written by virt-sasl-user.\n:{}\n",
            STANDARD.encode(&self.secret)
        );
        for (name, keys) in &self.keys {
            // Writing into a string does not fail.
            let _ = writeln!(text, "{name}:{keys}");
        }
        Zeroizing::new(text)
    }

    /// Gives a user those keys, a new user as well. The name is in its prepared form.
    pub fn set(&mut self, name: &str, keys: Keys) {
        self.keys.insert(name.to_owned(), keys);
    }

    /// Takes a user away; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.keys.remove(name).is_some()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The keys of that name, and whether somebody has it; if not they look like everybody's, and always the same.
    pub(crate) fn find(&self, name: &str) -> (Keys, bool) {
        let usual = self
            .keys
            .values()
            .next()
            .map_or(ITERATIONS, |keys| keys.iterations);
        let made_up = Keys::of_nobody(name, &self.secret, usual);
        match self.keys.get(name) {
            Some(keys) => (keys.clone(), true),
            None => (made_up, false),
        }
    }
}

/// Where the users are; read anew for each exchange, so that a change counts at once.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// For a file that has no secret of its own.
    secret: Vec<u8>,
}

impl Store {
    /// The users in the file at `path`, which need not be there yet.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn new(path: PathBuf) -> Result<Self, getrandom::Error> {
        let secret = Users::nobody()?.secret;
        Ok(Self { path, secret })
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads them; blocks.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or a line is none.
    pub fn read(&self) -> Result<Users, UsersError> {
        let path = || self.path.clone();
        let text = self
            .text()
            .map_err(|source| UsersError::Unreadable { path: path(), source })?;
        let text = text.ok_or_else(|| UsersError::Open { path: path() })?;
        let mut users = Users::parse(&text).map_err(|(line, reason)| UsersError::Line {
            path: path(),
            line,
            reason,
        })?;
        if users.secret.is_empty() {
            users.secret.clone_from(&self.secret);
        }
        Ok(users)
    }

    /// The file's text; `None` if others may read it.
    fn text(&self) -> io::Result<Option<Zeroizing<String>>> {
        let file = std::fs::File::open(&self.path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Ok(None);
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > FILE_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(text))
    }
}

impl Refused {
    /// Whether it is the daemon's own fault and not the client's.
    pub fn is_own(&self) -> bool {
        matches!(
            self,
            Self::Users(_)
                | Self::Random(_)
                | Self::Keytab(_)
                | Self::NoKeytab
                | Self::Kerberos(kerberos::Refused::Random(_))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn two() -> Users {
        let mut users = Users::nobody().unwrap();
        users.set("fred", Keys::derive("secret", vec![1], 4096));
        users.set("joe@EXAMPLE.COM", Keys::derive("secret", vec![2], 5000));
        users
    }

    #[test]
    fn what_is_written_is_read() {
        let mut users = two();
        assert_eq!(Users::parse(&users.written()).unwrap(), users);
        assert!(users.find("fred").1 && !users.find("Fred").1);
        assert_eq!(users.find("nobody").0.iterations, 4096);
        assert!(users.remove("fred") && !users.remove("fred"));
        assert_eq!(users.names().collect::<Vec<_>>(), ["joe@EXAMPLE.COM"]);
    }

    #[test]
    fn the_line_that_is_none_is_named() {
        let good = two().written();
        let fred = good.lines().find(|line| line.starts_with("fred")).unwrap();
        for (line, words) in [
            ("fred", "NAME:KEYS"),
            (fred, "twice"),
            (":*", "base64"),
            ("a\u{ad}:SCRAM-SHA-256", "the form"),
            ("bob:x", "wanted"),
            ("bob:", "wanted"),
        ] {
            let (number, reason) = Users::parse(&format!("{}{line}\n", *good)).unwrap_err();
            assert_eq!(number, 5);
            assert!(reason.contains(words), "{reason}");
        }
    }

    #[test]
    fn a_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("users")).unwrap();
        assert!(store.read().unwrap_err().to_string().contains("No such file"));
        fs::write(store.path(), &*two().written()).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(store.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(store.read().is_ok(), good, "{mode:o}");
        }
        // Without a secret of its own the file still gives nobody a salt that stays.
        fs::remove_file(store.path()).unwrap();
        fs::write(store.path(), "").unwrap();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let salt = |name| store.read().unwrap().find(name).0.salt;
        assert_eq!(salt("a"), salt("a"));
        assert_ne!(salt("a"), salt("b"));
    }
}
