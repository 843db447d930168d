//! The server's side of PLAIN (RFC 4616): one message with the password in it.

use crate::users::Users;
use crate::{Refused, only_itself, prepare};

/// The name of who sent `message`.
pub(crate) fn check(message: &[u8], users: &Users) -> Result<String, Refused> {
    let text = std::str::from_utf8(message).map_err(|_| Refused::Malformed("it is no UTF-8"))?;
    let mut parts = text.split('\0');
    let (Some(wanted), Some(name), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refused::Malformed("it has not three parts"));
    };
    let name = prepare(name)?;
    let (keys, known) = users.find(&name);
    // Hashed in any case: how long the answer takes tells nothing.
    let fits = bool::from(keys.fit(password));
    if !known {
        return Err(Refused::Unknown(name));
    }
    if !fits {
        return Err(Refused::Password(name));
    }
    only_itself(&name, wanted)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keys;

    #[test]
    fn the_password_decides() {
        let mut users = Users::default();
        users.set("fred", Keys::derive("secret", vec![1], 4096));
        for (message, expected) in [
            (&b"\0fred\0secret"[..], "Ok(\"fred\")"),
            (b"fred\0fred\0secret", "Ok(\"fred\")"),
            (b"\0fred\0Secret", "Err(Password(\"fred\"))"),
            (b"\0fred\0", "Err(Password(\"fred\"))"),
            (b"\0joe\0secret", "Err(Unknown(\"joe\"))"),
            (b"joe\0fred\0secret", "Err(OnBehalf(\"fred\", \"joe\"))"),
            (b"fred\0secret", "Err(Malformed("),
            (b"\0fred\0secret\0", "Err(Malformed("),
            (b"\0\xff\0secret", "Err(Malformed("),
            (b"\0\0secret", "Err(Name("),
            (b"", "Err(Malformed("),
        ] {
            let said = format!("{:?}", check(message, &users));
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
