//! What a domain may be called.

use error::{Code, Domain, Error, Result};

/// Whether a domain may have that name: it becomes part of file names.
///
/// # Errors
/// [`Code::NoName`] for none at all, [`Code::XmlError`] for one that no file could have.
pub fn check_name(name: &str) -> Result<()> {
    /// The longest name of a file, less the longest ending the driver adds to a domain's.
    const LONGEST: usize = 255 - ".xml.tmpXXXXXX".len();
    let refused = |sentence: String| Err(Error::new(Code::XmlError, Domain::Domain, sentence));
    match name {
        "" => Err(Error::new(
            Code::NoName,
            Domain::Domain,
            "the domain's <name> is missing or empty",
        )),
        "." | ".." => refused(format!("<name>: '{name}' cannot be the name of a domain")),
        _ if name.contains('/') => refused(format!("<name>: '{name}' cannot contain '/'")),
        _ if name.contains('\n') => refused(format!(
            "<name>: '{}' cannot contain a line break",
            name.escape_debug()
        )),
        _ if name.len() > LONGEST => refused(format!("<name>: longer than {LONGEST} bytes")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        assert!(check_name("web 1-ü").is_ok());
        for bad in ["../x", "a/b", "..", "a\nb", &"x".repeat(300)] {
            assert_eq!(check_name(bad).unwrap_err().code(), Code::XmlError, "{bad}");
        }
        assert_eq!(check_name("").unwrap_err().code(), Code::NoName);
    }
}
