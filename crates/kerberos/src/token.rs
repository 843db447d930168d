//! The frame of tokens that open a context (RFC 4121, 4.1): whose they are, and which message of Kerberos they hold.

use crate::Refused;
use der::asn1::ObjectIdentifier;
use der::{AnyRef, Encode, Tag, TagNumber, Tagged as _};

/// Kerberos 5 as a mechanism of GSS (RFC 1964, 1).
const KERBEROS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113554.1.2.2");

/// `[APPLICATION 0]`
const FRAME: Tag = Tag::Application {
    constructed: true,
    number: TagNumber(0),
};

const REQUEST: [u8; 2] = [1, 0];
const REPLY: [u8; 2] = [2, 0];

/// The request in a client's first token.
pub(crate) fn request(token: &[u8]) -> Result<&[u8], Refused> {
    unframed(REQUEST, token)
}

/// A token with our reply.
pub(crate) fn reply(message: &[u8]) -> Result<Vec<u8>, Refused> {
    framed(REPLY, message)
}

pub(crate) fn unframed(kind: [u8; 2], token: &[u8]) -> Result<&[u8], Refused> {
    let frame = AnyRef::try_from(token)?;
    frame.tag().assert_eq(FRAME)?;
    let mechanism = KERBEROS.to_der()?;
    let inner = frame.value().strip_prefix(&mechanism[..]);
    let inner = inner.ok_or(Refused::Malformed("it is not of Kerberos 5"))?;
    inner
        .strip_prefix(&kind)
        .ok_or(Refused::Malformed("it is another message"))
}

pub(crate) fn framed(kind: [u8; 2], message: &[u8]) -> Result<Vec<u8>, Refused> {
    let inner = [&KERBEROS.to_der()?, &kind[..], message].concat();
    Ok(AnyRef::new(FRAME, &inner)?.to_der()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kerberos_is_spoken() {
        let token = framed(REQUEST, b"abc").unwrap();
        assert_eq!(token[..4], [0x60, 16, 6, 9]);
        assert_eq!(request(&token).unwrap(), b"abc");
        assert_eq!(reply(b"x").unwrap(), framed(REPLY, b"x").unwrap());
        for bad in [
            &framed(REPLY, b"abc").unwrap()[..],
            &token[1..],
            &token[..9],
            b"",
            b"\x60\x00",
            &[&token[..], &[0]].concat(),
        ] {
            assert!(request(bad).is_err(), "{bad:?}");
        }
        let mut other = token.clone();
        other[12] = 3;
        assert!(request(&other).is_err());
    }
}
