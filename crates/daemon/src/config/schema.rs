//! Tables of keys: what [`schema!`] makes, and reading a file against one.

use super::syntax::{Entry, parse};
use super::{ConfigError, text_of};
use std::collections::HashMap;
use std::path::Path;

/// One key of a table, for documentation and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its Rust type.
    pub kind: &'static str,
    /// Its default, as the table writes it.
    pub default: &'static str,
    /// Its meaning, line by line.
    pub doc: &'static [&'static str],
}

/// A table of keys; made by [`schema!`].
pub trait Schema: Default {
    /// Every key, in the order of the table.
    const KEYS: &'static [Key];

    /// The file where `key` works, if it is not this one.
    fn elsewhere(key: &str) -> Option<&'static str>;

    /// Sets the key of `entry`, if the table has it.
    ///
    /// # Errors
    /// What the key wants instead.
    fn set(&mut self, entry: Entry) -> Result<Read, String>;

    /// Each key with its value as a file writes it; `None` where it is unset.
    fn written(&self) -> Vec<(&'static Key, Option<String>)>;
}

/// Whether a table has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It has, and its value is set.
    Known,
    /// It has not.
    Unknown,
}

/// A file read against a table.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The values, defaults where the file says nothing.
    pub values: T,
    /// What an administrator should hear about, with file, line and key.
    pub warnings: Vec<String>,
    /// The line of each key that the file sets.
    lines: HashMap<String, u32>,
}

impl<T: Schema> Loaded<T> {
    /// The file at `path`; all defaults if there is none.
    ///
    /// # Errors
    /// The file cannot be read, is malformed, or sets a key that does not exist, twice, or to a value it cannot have.
    pub fn file(path: &Path) -> Result<Self, ConfigError> {
        Self::shared_file(path, false, T::default(), &[])
    }

    /// As [`Self::file`] or, where it was `named`, [`Self::named_file`], of a file that holds the keys of another table,
    /// too: those are passed over. `defaults` hold where the file says nothing.
    ///
    /// # Errors
    /// As these.
    pub fn shared_file(path: &Path, named: bool, defaults: T, others: &[Key]) -> Result<Self, ConfigError> {
        let text = match text_of(path)? {
            None if named => return Err(missing(path)),
            text => text.unwrap_or_default(),
        };
        Self::read(path, &text, defaults, others)
    }

    /// As [`Self::file`], but the file must be there: an administrator named it.
    ///
    /// # Errors
    /// As [`Self::file`], or there is none.
    pub fn named_file(path: &Path) -> Result<Self, ConfigError> {
        Self::shared_file(path, true, T::default(), &[])
    }

    /// `text` as the content of the file `path`.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::read(path, text, T::default(), &[])
    }

    fn read(path: &Path, text: &str, defaults: T, others: &[Key]) -> Result<Self, ConfigError> {
        let entries = parse(text).map_err(|fault| ConfigError::Syntax {
            path: path.to_owned(),
            line: fault.line,
            reason: fault.reason,
        })?;
        let mut loaded = Self {
            values: defaults,
            warnings: Vec::new(),
            lines: HashMap::new(),
        };
        for entry in entries {
            let (key, line) = (entry.key.clone(), entry.line);
            let refused = |reason| ConfigError::Key {
                path: path.to_owned(),
                line,
                key: key.clone(),
                reason,
            };
            if let Some(before) = loaded.lines.insert(key.clone(), line) {
                return Err(refused(format!("set in line {before} already")));
            }
            if loaded.values.set(entry).map_err(&refused)? == Read::Known {
                continue;
            }
            if others.iter().any(|other| other.name == key) {
                continue;
            }
            let Some(file) = T::elsewhere(&key) else {
                return Err(refused(unknown::<T>(&key, others)));
            };
            loaded.warnings.push(format!(
                "{}:{line}: {key}: has no effect here; it belongs into {file}",
                path.display()
            ));
        }
        Ok(loaded)
    }

    /// The error that refuses what the file says of `key`, for what only shows when keys are looked at together.
    pub fn refuse(&self, path: &Path, key: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::Key {
            path: path.to_owned(),
            line: self.lines.get(key).copied().unwrap_or(0),
            key: key.to_owned(),
            reason: reason.into(),
        }
    }
}

fn missing(path: &Path) -> ConfigError {
    ConfigError::Unreadable {
        path: path.to_owned(),
        source: std::io::ErrorKind::NotFound.into(),
    }
}

/// What is said of an unknown key: the nearest known one, if it looks like a slip of the hand.
fn unknown<T: Schema>(key: &str, others: &[Key]) -> String {
    let nearest = T::KEYS
        .iter()
        .chain(others)
        .map(|known| (distance(key, known.name), known.name))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    match nearest {
        Some((_, name)) => format!("unknown key; is '{name}' meant?"),
        None => "unknown key".to_owned(),
    }
}

/// The number of single-byte edits between two keys.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.bytes().zip(row.iter().skip(1).copied()) {
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// Declares a table of keys as a struct: each field is a key with its meaning, type ([`super::FromValue`]) and default.
/// `elsewhere` lists keys that work in another file.
///
/// ```
/// daemon::config::schema! {
///     /// The keys of `example.conf`.
///     pub struct Example {
///         /// How many doors.
///         doors: u32 = 4,
///         /// Whose car it is; nobody's unless set.
///         owner: Option<String> = None,
///     }
///     elsewhere { "boat.conf": keel, mast }
/// }
/// let loaded = daemon::config::Loaded::<Example>::text("example.conf".as_ref(), "doors = 2\nmast = 1").unwrap();
/// assert_eq!(loaded.values.doors, 2);
/// assert_eq!(loaded.warnings.len(), 1);
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __config_schema {
    (
        $(#[doc = $title:literal])*
        $visibility:vis struct $name:ident {
            $($(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr,)*
        }
        $(elsewhere { $($file:literal: $($foreign:ident),* $(,)?);* $(;)? })?
    ) => {
        $(#[doc = $title])*
        #[derive(Debug, Clone, PartialEq)]
        $visibility struct $name {
            $($(#[doc = $doc])* pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::config::Schema for $name {
            const KEYS: &'static [$crate::config::Key] = &[$($crate::config::Key {
                name: stringify!($key),
                kind: stringify!($type),
                default: stringify!($default),
                doc: &[$($doc),*],
            },)*];

            fn elsewhere(key: &str) -> Option<&'static str> {
                match key {
                    $($($(stringify!($foreign))|* => Some($file),)*)?
                    _ => None,
                }
            }

            fn set(&mut self, entry: $crate::config::Entry) -> Result<$crate::config::Read, String> {
                match entry.key.as_str() {
                    $(stringify!($key) => self.$key = $crate::config::FromValue::from_value(entry.value)?,)*
                    _ => return Ok($crate::config::Read::Unknown),
                }
                Ok($crate::config::Read::Known)
            }

            fn written(&self) -> Vec<(&'static $crate::config::Key, Option<String>)> {
                let values = [$($crate::config::FromValue::written(&self.$key)),*];
                Self::KEYS.iter().zip(values).collect()
            }
        }
    };
}

pub use crate::__config_schema as schema;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Octal, OneOrMore};

    schema! {
        /// A table for these tests.
        struct Sample {
            /// A number.
            number: u32 = 5,
            /// A switch.
            switch: bool = true,
            /// Bits.
            bits: Octal = Octal(0o700),
            /// Names.
            names: OneOrMore = OneOrMore(vec![]),
        }
        elsewhere { "other.conf": foreign }
    }

    fn refusal(text: &str) -> String {
        Loaded::<Sample>::text(Path::new("/x.conf"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn typed_values_with_defaults() {
        let loaded = Loaded::<Sample>::text(Path::new("x"), "number = 7\nnames = 'a'\nforeign = 1").unwrap();
        assert_eq!(
            loaded.values,
            Sample {
                number: 7,
                names: OneOrMore(vec!["a".into()]),
                ..Sample::default()
            }
        );
        assert_eq!(
            loaded.warnings,
            ["x:3: foreign: has no effect here; it belongs into other.conf"]
        );
        assert_eq!(Sample::KEYS[0].doc, [" A number."]);
        let written = loaded.values.written();
        let written: Vec<_> = written
            .iter()
            .map(|(key, value)| (key.name, value.as_deref().unwrap()))
            .collect();
        assert_eq!(
            written,
            [
                ("number", "7"),
                ("switch", "1"),
                ("bits", "\"0700\""),
                ("names", "[ \"a\" ]")
            ]
        );
    }

    #[test]
    fn a_refusal_names_file_line_and_key() {
        assert_eq!(
            refusal("number = 'x'"),
            "/x.conf:1: number: an integer is wanted, not a string"
        );
        assert_eq!(
            refusal("\nnumber = -1"),
            "/x.conf:2: number: an integer from 0 to 4294967295 is wanted"
        );
        assert_eq!(
            refusal("number = 1\nnumber = 1"),
            "/x.conf:2: number: set in line 1 already"
        );
        assert_eq!(
            refusal("numbr = 1"),
            "/x.conf:1: numbr: unknown key; is 'number' meant?"
        );
        assert_eq!(refusal("colour = 1"), "/x.conf:1: colour: unknown key");
        assert_eq!(refusal("switch = 2"), "/x.conf:1: switch: 0 or 1 is wanted");
        assert_eq!(
            refusal("names = [1]"),
            "/x.conf:1: names: a string is wanted, not an integer"
        );
        for bad in ["'9'", "'01777'", "'+7'", "''", "7"] {
            assert!(refusal(&format!("bits = {bad}")).contains(": bits: "), "{bad}");
        }
    }

    #[test]
    fn a_missing_file_is_all_defaults_unless_it_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.conf");
        assert_eq!(Loaded::<Sample>::file(&path).unwrap().values, Sample::default());
        assert!(Loaded::<Sample>::named_file(&path).is_err());
        std::fs::write(&path, b"number = 1\n\xff").unwrap();
        let refusal = Loaded::<Sample>::file(&path).unwrap_err().to_string();
        assert!(refusal.ends_with("x.conf:2: not UTF-8"), "{refusal}");
    }
}
