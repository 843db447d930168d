//! What two sides say that have proved who they are: messages with a number each, signed or encrypted (RFC 4121, 4.2).
//!
//! ```text
//! signed:    header | text | proof of text and header
//! encrypted: header | { random block | text | filler | header } proof
//! header:    05 04 | flags | ff | length of proof or filler: u16 | turned: u16 | number: u64
//! ```
//! What stands behind the header may come turned right by so many bytes.

use crate::cipher::BLOCK;
use crate::encryption::{Encryptor, PROOF_MAX};
use crate::{Encryption, Key, Refused};
use std::ops::Range;

const HEADER: usize = 16;

/// How many bytes more than its text an encrypted message has, at most.
pub const OVERHEAD: usize = HEADER + BLOCK + HEADER + PROOF_MAX;

const KIND: [u8; 2] = [5, 4];
const FROM_SERVICE: u8 = 1;
const ENCRYPTED: u8 = 2;
const KEY_OF_SERVICE: u8 = 4;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Service,
    Client,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Service => Self::Client,
            Self::Client => Self::Service,
        }
    }

    fn flag(self) -> u8 {
        match self {
            Self::Service => FROM_SERVICE,
            Self::Client => 0,
        }
    }

    /// The use of the key for its messages (RFC 4121, 2).
    fn key_use(self) -> u32 {
        match self {
            Self::Service => 22,
            Self::Client => 24,
        }
    }
}

/// What both sides of a conversation know.
pub struct Context {
    side: Side,
    key: Key,
    /// The flag of a key that the service chose.
    key_flag: u8,
    ours: u64,
    theirs: u64,
}

impl Context {
    /// With the key of all messages, whether the service chose it, and the numbers of each side's first.
    pub(crate) fn new(side: Side, key: Key, by_service: bool, ours: u64, theirs: u64) -> Self {
        let key_flag = if by_service { KEY_OF_SERVICE } else { 0 };
        Self {
            side,
            key,
            key_flag,
            ours,
            theirs,
        }
    }

    /// How messages are encrypted.
    pub fn encryption(&self) -> Encryption {
        self.key.kind()
    }

    /// Whether the service chose the key: then nothing that was said before can be said again.
    pub fn is_fresh(&self) -> bool {
        self.key_flag == KEY_OF_SERVICE
    }

    /// A message for the other side that whoever listens may read.
    ///
    /// # Errors
    /// None that an intact key leads to.
    pub fn sign(&mut self, text: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut header = Header {
            flags: self.side.flag() | self.key_flag,
            extra: 0,
            turned: 0,
            number: self.ours,
        };
        let proof = self
            .key
            .checksum(self.side.key_use())?
            .of(&[text, &header.bytes()]);
        header.extra = u16::try_from(proof.len()).map_err(|_| Refused::Message)?;
        self.ours = self.ours.wrapping_add(1);
        Ok([&header.bytes(), text, &proof].concat())
    }

    /// The text of the other side's message, which whoever listened could read.
    ///
    /// # Errors
    /// It is not the next one from there.
    pub fn verify(&mut self, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let other = self.side.other();
        let header = Header::expect(message, other.flag() | self.key_flag, self.theirs)?;
        let mut rest = message.get(HEADER..).unwrap_or_default().to_vec();
        turn_back(&mut rest, header.turned);
        let text = rest.len().checked_sub(usize::from(header.extra));
        let (text, proof) = text
            .and_then(|text| rest.split_at_checked(text))
            .ok_or(Refused::Message)?;
        let signed = Header {
            extra: 0,
            turned: 0,
            ..header
        };
        self.key
            .checksum(other.key_use())?
            .check(&[text, &signed.bytes()], proof)?;
        self.theirs = self.theirs.wrapping_add(1);
        Ok(text.to_vec())
    }

    /// From now on everything is encrypted, in both directions.
    ///
    /// # Errors
    /// None that an intact key leads to.
    pub fn into_layer(self) -> Result<(Sealing, Opening), Refused> {
        let (side, other) = (self.side, self.side.other());
        let sealing = Sealing {
            encryptor: self.key.encryptor(side.key_use())?,
            flags: side.flag() | ENCRYPTED | self.key_flag,
            next: self.ours,
        };
        let opening = Opening {
            encryptor: self.key.encryptor(other.key_use())?,
            flags: other.flag() | ENCRYPTED | self.key_flag,
            next: self.theirs,
        };
        Ok((sealing, opening))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Encrypts for the other side.
pub struct Sealing {
    encryptor: Encryptor,
    flags: u8,
    next: u64,
}

impl Sealing {
    /// Appends the message with that text, at most [`OVERHEAD`] bytes more, to `message`.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn seal(&mut self, text: &[u8], message: &mut Vec<u8>) -> Result<(), Refused> {
        let header = Header {
            flags: self.flags,
            extra: 0,
            turned: 0,
            number: self.next,
        };
        let header = header.bytes();
        let mut random = [0; BLOCK];
        getrandom::fill(&mut random).map_err(Refused::Random)?;
        message.reserve(text.len() + OVERHEAD);
        message.extend_from_slice(&header);
        let start = message.len();
        for part in [&random[..], text, &header] {
            message.extend_from_slice(part);
        }
        self.encryptor.encrypt(message, start)?;
        self.next = self.next.wrapping_add(1);
        Ok(())
    }
}

/// Decrypts what the other side sends.
pub struct Opening {
    encryptor: Encryptor,
    flags: u8,
    next: u64,
}

impl Opening {
    /// Decrypts a message in place; gives where its text is.
    ///
    /// # Errors
    /// It is not the next one from there.
    pub fn open(&mut self, message: &mut [u8]) -> Result<Range<usize>, Refused> {
        let header = Header::expect(message, self.flags, self.next)?;
        let inner = message.get_mut(HEADER..).unwrap_or_default();
        turn_back(inner, header.turned);
        let opened = self.encryptor.decrypt(inner)?;
        let inner = Header { turned: 0, ..header };
        let text = opened.strip_suffix(&inner.bytes()).ok_or(Refused::Message)?;
        let length = text
            .len()
            .checked_sub(usize::from(header.extra))
            .ok_or(Refused::Message)?;
        self.next = self.next.wrapping_add(1);
        let start = HEADER + BLOCK;
        Ok(start..start + length)
    }
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealing")
            .field("kind", &self.encryptor.kind())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening")
            .field("kind", &self.encryptor.kind())
            .finish_non_exhaustive()
    }
}

fn turn_back(bytes: &mut [u8], turned: u16) {
    if let Some(turned) = usize::from(turned).checked_rem(bytes.len()) {
        bytes.rotate_left(turned);
    }
}

#[derive(Clone, Copy)]
struct Header {
    flags: u8,
    /// The length of a proof, or of filler.
    extra: u16,
    turned: u16,
    number: u64,
}

impl Header {
    /// That of a message which has to have these flags and this number.
    fn expect(message: &[u8], flags: u8, number: u64) -> Result<Self, Refused> {
        let header: &[u8; HEADER] = message
            .first_chunk()
            .ok_or(Refused::Malformed("a message is too short"))?;
        let [a, b, came_flags, filler, e0, e1, t0, t1, number_bytes @ ..] = *header;
        if [a, b] != KIND || filler != 0xff || came_flags != flags {
            return Err(Refused::Malformed("a message is of another kind"));
        }
        let came = u64::from_be_bytes(number_bytes);
        if came != number {
            return Err(Refused::Sequence {
                came,
                expected: number,
            });
        }
        Ok(Self {
            flags,
            extra: u16::from_be_bytes([e0, e1]),
            turned: u16::from_be_bytes([t0, t1]),
            number,
        })
    }

    fn bytes(self) -> [u8; HEADER] {
        let [a, b] = KIND;
        let [e0, e1] = self.extra.to_be_bytes();
        let [t0, t1] = self.turned.to_be_bytes();
        let [n0, n1, n2, n3, n4, n5, n6, n7] = self.number.to_be_bytes();
        [
            a, b, self.flags, 0xff, e0, e1, t0, t1, n0, n1, n2, n3, n4, n5, n6, n7,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURNED: Range<usize> = 6..8;

    fn sides(kind: Encryption, by_service: bool) -> (Context, Context) {
        let key = Key::random(kind).unwrap();
        let service = Context::new(Side::Service, key.clone(), by_service, 7, u64::MAX);
        (service, Context::new(Side::Client, key, by_service, u64::MAX, 7))
    }

    #[test]
    fn signed_messages_come_once_and_in_order() {
        for kind in Encryption::ALL {
            let (mut service, mut client) = sides(kind, true);
            for text in [&b"one"[..], b"", b"three"] {
                let message = service.sign(text).unwrap();
                // By how much it is turned is nobody's proof, and may be as much as it is long.
                for place in (0..message.len()).filter(|place| !TURNED.contains(place)) {
                    let mut changed = message.clone();
                    changed[place] ^= 1;
                    assert!(client.verify(&changed).is_err(), "{place}");
                    assert!(client.verify(&message[..place]).is_err());
                }
                assert!(service.verify(&message).is_err());
                assert_eq!(client.verify(&message).unwrap(), text);
                assert!(client.verify(&message).is_err());
                let answer = client.sign(text).unwrap();
                assert_eq!(service.verify(&answer).unwrap(), text);
            }
        }
    }

    #[test]
    fn encrypted_messages_come_once_and_in_order() {
        for kind in Encryption::ALL {
            let (service, client) = sides(kind, false);
            let (mut sealing, _) = service.into_layer().unwrap();
            let (mut other, mut opening) = client.into_layer().unwrap();
            for length in [0, 1, 15, 16, 17, 1000] {
                let text = vec![b'x'; length];
                let mut message = b"before".to_vec();
                sealing.seal(&text, &mut message).unwrap();
                let message = message.strip_prefix(b"before").unwrap();
                assert!(message.len() <= length + OVERHEAD);
                for place in (0..message.len()).filter(|place| !TURNED.contains(place)) {
                    let mut changed = message.to_vec();
                    changed[place] ^= 0x80;
                    assert!(opening.open(&mut changed).is_err(), "{place}");
                    assert!(opening.open(&mut message[..place].to_vec()).is_err());
                }
                let mut opened = message.to_vec();
                let range = opening.open(&mut opened).unwrap();
                assert_eq!(opened[range], text);
                assert!(opening.open(&mut message.to_vec()).is_err(), "it came twice");
                let mut own = Vec::new();
                other.seal(&text, &mut own).unwrap();
                assert!(opening.open(&mut own).is_err(), "it is the client's own");
            }
        }
    }

    #[test]
    fn messages_may_come_turned_and_filled() {
        let (service, client) = sides(Encryption::Aes256Sha1, true);
        let encryptor = service.key.encryptor(22).unwrap();
        let (_, mut opening) = client.into_layer().unwrap();
        for (number, turned) in [(7, 0), (8, 1), (9, 28), (10, 60000)] {
            let header = Header {
                flags: FROM_SERVICE | ENCRYPTED | KEY_OF_SERVICE,
                extra: 3,
                turned: 0,
                number,
            };
            let inner = encryptor
                .encrypted(&[b"text", &b"xxx"[..], &header.bytes()].concat())
                .unwrap();
            let mut turned_inner = inner.clone();
            turned_inner.rotate_right(usize::from(turned) % inner.len());
            let mut message = [&Header { turned, ..header }.bytes()[..], &turned_inner].concat();
            let range = opening.open(&mut message).unwrap();
            assert_eq!(&message[range], b"text");
        }
        // More filler than there is anything.
        let header = Header {
            flags: FROM_SERVICE | ENCRYPTED | KEY_OF_SERVICE,
            extra: 8,
            turned: 0,
            number: 11,
        };
        let inner = encryptor
            .encrypted(&[b"text", &header.bytes()[..]].concat())
            .unwrap();
        assert!(opening.open(&mut [&header.bytes()[..], &inner].concat()).is_err());
    }
}
