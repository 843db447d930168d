//! The file of a service's keys, in the second version of MIT's format, which all tools write.
//!
//! ```text
//! 05 02 { length: i32 | parts: u16, realm, part ..., kind of name: u32, time: u32, version: u8, type: u16, key, [version: u32] }
//! ```
//! Texts and keys stand behind their lengths of 16 bits. A negative length is a hole where an entry was.

use crate::{Encryption, Key, Principal};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeytabError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// It is too large to be one.
    #[error("it is larger than 1 MiB, so it is no keytab")]
    Large,
    /// It is something else.
    #[error("it is no keytab of version 2")]
    Format,
    /// An entry ends where it should not.
    #[error("its entry at byte {0} is broken")]
    Entry(usize),
}

/// A service's keys.
#[derive(Debug, Default)]
pub struct Keytab {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    principal: Principal,
    version: u32,
    /// Only its last 8 bits are known.
    short: bool,
    key: Key,
}

impl Keytab {
    /// Reads a file; blocks.
    ///
    /// # Errors
    /// It cannot be read, or is no keytab.
    pub fn read(path: &Path) -> Result<Self, KeytabError> {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut file = File::open(path)?.take(FILE_MAX + 1);
        file.read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX {
            return Err(KeytabError::Large);
        }
        Self::parse(&bytes)
    }

    /// The keys in a file's bytes. Those of types that are not taken are left out.
    ///
    /// # Errors
    /// It is no keytab.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeytabError> {
        let mut rest = bytes.strip_prefix(&[5, 2]).ok_or(KeytabError::Format)?;
        let mut keytab = Self::default();
        loop {
            let place = bytes.len() - rest.len();
            let broken = || KeytabError::Entry(place);
            let Some((length, behind)) = rest.split_first_chunk() else {
                // Some writers leave zeros at the end.
                return if rest.iter().all(|byte| *byte == 0) {
                    Ok(keytab)
                } else {
                    Err(broken())
                };
            };
            let length = i32::from_be_bytes(*length);
            if length == 0 {
                return Ok(keytab);
            }
            let size = usize::try_from(length.unsigned_abs()).map_err(|_| broken())?;
            let (entry, behind) = behind.split_at_checked(size).ok_or_else(broken)?;
            rest = behind;
            if length > 0 {
                keytab.entries.extend(read_entry(entry).ok_or_else(broken)?);
            }
        }
    }

    /// Whether it has a key of that service of any host.
    pub fn serves(&self, service: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.principal.service() == Some(service))
    }

    /// The keys of a principal that may be meant, each with its number among the principal's keys where that is told.
    pub(crate) fn keys(
        &self,
        principal: &Principal,
        kind: Encryption,
        version: Option<u32>,
    ) -> impl Iterator<Item = &Key> {
        let meant = move |entry: &&Entry| match version {
            None => true,
            Some(version) if entry.short => version & 0xff == entry.version,
            Some(version) => version == entry.version,
        };
        let entries = self.entries.iter().filter(meant);
        let entries = entries.filter(move |entry| entry.key.kind() == kind && entry.principal == *principal);
        entries.map(|entry| &entry.key)
    }
}

/// An entry, if its key is one that is taken; `None` outside if it is broken.
fn read_entry(bytes: &[u8]) -> Option<Option<Entry>> {
    let mut fields = Fields(bytes);
    let parts = fields.number()?;
    let realm = fields.text()?;
    let mut components = Vec::new();
    for _ in 0..parts {
        components.push(fields.text()?);
    }
    let _kind_and_time = fields.take(8)?;
    let short = *fields.take(1)?.first()?;
    let kind = fields.number()?;
    let key = fields.text()?;
    let long = fields.take(4).and_then(|bytes| bytes.first_chunk());
    let long = long
        .map(|bytes| u32::from_be_bytes(*bytes))
        .filter(|version| *version != 0);
    let principal = Principal::new(components, realm);
    let (Ok(principal), Ok(key)) = (principal, Key::new(i32::from(kind), key)) else {
        return Some(None);
    };
    Some(Some(Entry {
        principal,
        version: long.unwrap_or(u32::from(short)),
        short: long.is_none(),
        key,
    }))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.first_chunk()?;
        Some(u16::from_be_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

/// An entry as it is written: the parts of the name, the realm, version, type and key.
#[cfg(any(test, feature = "client"))]
pub(crate) type Line<'a> = (&'a [&'a str], &'a str, u32, i32, &'a [u8]);

/// A keytab's bytes, as tools write them.
#[cfg(any(test, feature = "client"))]
pub(crate) fn written(lines: &[Line<'_>]) -> Vec<u8> {
    let text = |text: &[u8]| [&(text.len() as u16).to_be_bytes(), text].concat();
    let mut bytes = vec![5, 2];
    for (parts, realm, version, kind, key) in lines {
        let mut entry = (parts.len() as u16).to_be_bytes().to_vec();
        entry.extend(text(realm.as_bytes()));
        entry.extend(parts.iter().flat_map(|part| text(part.as_bytes())));
        entry.extend([0, 0, 0, 1, 1, 2, 3, 4, *version as u8]);
        entry.extend((*kind as u16).to_be_bytes());
        entry.extend(text(key));
        entry.extend(version.to_be_bytes());
        bytes.extend((entry.len() as u32).to_be_bytes());
        bytes.extend(entry);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[&str] = &["libvirt", "host"];

    fn found(keytab: &Keytab, version: Option<u32>) -> Vec<u8> {
        let host = Principal::new(HOST.iter().map(|part| part.as_bytes()), b"R").unwrap();
        let keys = keytab.keys(&host, Encryption::Aes128Sha1, version);
        keys.map(|key| key.bytes()[0]).collect()
    }

    #[test]
    fn keys_are_found_by_name_type_and_version() {
        let mut bytes = written(&[
            (HOST, "R", 1, 17, &[1; 16]),
            (HOST, "R", 2, 17, &[2; 16]),
            (HOST, "R", 258, 17, &[3; 16]),
            (HOST, "R", 2, 18, &[4; 32]),
            (HOST, "R", 2, 23, &[5; 16]),
            (&["libvirt", "other"], "R", 2, 17, &[6; 16]),
            (HOST, "S", 2, 17, &[7; 16]),
        ]);
        // A hole, and zeros at the end.
        bytes.extend((-3i32).to_be_bytes());
        bytes.extend([9, 9, 9]);
        bytes.extend([0; 7]);
        let keytab = Keytab::parse(&bytes).unwrap();
        assert_eq!(found(&keytab, None), [1, 2, 3]);
        assert_eq!(found(&keytab, Some(2)), [2]);
        assert_eq!(found(&keytab, Some(258)), [3]);
        assert_eq!(found(&keytab, Some(3)), []);
        assert!(keytab.serves("libvirt") && !keytab.serves("host"));

        // Without the long version, which older writers leave out, only its last bits are known.
        let mut bytes = written(&[(HOST, "R", 258, 17, &[3; 16])]);
        bytes.truncate(bytes.len() - 4);
        bytes[5] -= 4;
        let keytab = Keytab::parse(&bytes).unwrap();
        assert_eq!(found(&keytab, Some(2)), [3]);
        assert_eq!(found(&keytab, Some(514)), [3]);
        assert_eq!(found(&keytab, Some(1)), []);
    }

    #[test]
    fn what_is_no_keytab_is_refused() {
        let refused = |bytes: &[u8]| Keytab::parse(bytes).unwrap_err().to_string();
        assert_eq!(refused(b""), "it is no keytab of version 2");
        assert_eq!(refused(b"\x05\x01"), "it is no keytab of version 2");
        let bytes = written(&[(HOST, "R", 1, 17, &[1; 16]), (HOST, "R", 1, 17, &[1; 16])]);
        let first = bytes.len() / 2 + 1;
        for end in 2..bytes.len() {
            match Keytab::parse(&bytes[..end]) {
                // The length's first bytes are zeros, and look like those that may stand at the end.
                Ok(keytab) if end < first => assert!(end < 6 && keytab.entries.is_empty()),
                Ok(keytab) => assert!(end < first + 4 && keytab.entries.len() == 1),
                Err(KeytabError::Entry(place)) => assert_eq!(place, if end < first { 2 } else { first }),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(Keytab::parse(&[5, 2]).unwrap().entries.is_empty());
    }
}
