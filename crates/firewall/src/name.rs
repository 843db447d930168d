//! Names of interfaces, which have signs in rules that mean more than themselves.

use std::fmt;

/// A name that no rule can be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAName(String);

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' cannot be the name of an interface in rules: it is empty, longer than 15 bytes, or has other signs than letters, \
             digits and _-.:+",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for NotAName {}

/// Whether a rule about the interface of that name is about it alone. A star would stand for all that start alike, and an `@` for
/// a set.
///
/// # Errors
/// [`NotAName`].
pub fn is_interface(name: &str) -> Result<(), NotAName> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:+".contains(&byte);
    if (1..=15).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(NotAName(name.to_owned()))
    }
}
