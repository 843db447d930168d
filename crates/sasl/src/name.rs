//! Names of users, in the one form in which they are compared (RFC 4013).

use crate::Refused;

/// The longest name, in bytes.
const NAME_MAX: usize = 256;

/// A name in its prepared form: what looks the same is the same. Those that the file of users could not hold are none.
///
/// # Errors
/// What keeps it from being one.
pub fn prepare(name: &str) -> Result<String, Refused> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(Refused::Name("it has to have from 1 to 256 bytes"));
    }
    let prepared =
        stringprep::saslprep(name).map_err(|_| Refused::Name("it has letters that no name may have"))?;
    if prepared.len() > NAME_MAX {
        return Err(Refused::Name("its prepared form has more than 256 bytes"));
    }
    if prepared.is_empty() || prepared.starts_with('#') || prepared.contains([':', '\n', '\r', '\0']) {
        return Err(Refused::Name(
            "it is empty, begins with '#', or has a colon or a control character",
        ));
    }
    // For a few letters the form has a form again; nobody who has one would be found.
    match stringprep::saslprep(&prepared) {
        Ok(again) if again == prepared => Ok(prepared.into_owned()),
        _ => Err(Refused::Name("it has no form in which it could be compared")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (name, prepared) in [
            ("fred", "fred"),
            ("fred@EXAMPLE.COM", "fred@EXAMPLE.COM"),
            ("I\u{ad}X", "IX"),
            ("\u{2168}", "IX"),
            ("a\u{a0}b", "a b"),
        ] {
            assert_eq!(prepare(name).unwrap(), prepared);
        }
        for bad in [
            "",
            "a\u{7}",
            "\u{ad}",
            "#a",
            "a:b",
            "a\nb",
            "\u{627}1",
            &"a".repeat(257),
            // Each becomes a space and a combining letter.
            &"\u{af}".repeat(128),
        ] {
            assert!(prepare(bad).is_err(), "{bad:?}");
        }
    }
}
