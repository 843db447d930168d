//! Names in a realm.

use crate::Refused;
use std::fmt::{Display, Formatter};

/// The longest name with its realm, in bytes.
const NAME_MAX: usize = 1024;

/// Who or what has keys in a realm: `fred@EXAMPLE.COM`, `libvirt/host.example.com@EXAMPLE.COM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    components: Vec<String>,
    realm: String,
}

impl Principal {
    /// One of these parts.
    ///
    /// # Errors
    /// [`Refused::Malformed`]: a part is no text that could be shown, or all of them are too long.
    pub fn new<'a>(components: impl IntoIterator<Item = &'a [u8]>, realm: &[u8]) -> Result<Self, Refused> {
        let mut length = 0;
        let mut text = |bytes: &[u8]| {
            length += bytes.len();
            let text = std::str::from_utf8(bytes).map_err(|_| Refused::Malformed("a name is no UTF-8"))?;
            if length > NAME_MAX || text.chars().any(char::is_control) {
                return Err(Refused::Malformed(
                    "a name is too long, or has control characters",
                ));
            }
            Ok(text.to_owned())
        };
        let realm = text(realm)?;
        let components = components.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        if realm.is_empty() || components.iter().all(String::is_empty) {
            return Err(Refused::Malformed("a name is empty"));
        }
        Ok(Self { components, realm })
    }

    /// The service, of one that is a service of a host.
    pub fn service(&self) -> Option<&str> {
        match &self.components[..] {
            [service, _] => Some(service),
            _ => None,
        }
    }

    /// Its realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Its name without the realm.
    pub fn name(&self) -> String {
        let parts: Vec<_> = self.components.iter().map(|part| escaped(part)).collect();
        parts.join("/")
    }
}

impl Display for Principal {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name(), escaped(&self.realm))
    }
}

/// What would be taken for the border of a part has a backslash before it.
fn escaped(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for letter in part.chars() {
        if matches!(letter, '/' | '@' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_so_that_no_two_look_the_same() {
        let written = |parts: &[&str], realm: &str| {
            let parts = parts.iter().map(|part| part.as_bytes());
            Principal::new(parts, realm.as_bytes()).map(|principal| principal.to_string())
        };
        for (parts, realm, expected) in [
            (&["fred"][..], "EXAMPLE.COM", "fred@EXAMPLE.COM"),
            (&["libvirt", "host"], "R", "libvirt/host@R"),
            (&["fred/admin@X"], "R", "fred\\/admin\\@X@R"),
            (&["a\\"], "R/S", "a\\\\@R\\/S"),
        ] {
            assert_eq!(written(parts, realm).unwrap(), expected);
        }
        for (parts, realm) in [
            (&["fred"][..], ""),
            (&[], "R"),
            (&[""], "R"),
            (&["a\n"], "R"),
            (&["a"], "R\0"),
        ] {
            assert!(written(parts, realm).is_err(), "{parts:?}");
        }
        assert!(written(&[&"a".repeat(1025)], "R").is_err());
        assert!(Principal::new([&b"\xff"[..]], b"R").is_err());
    }
}
