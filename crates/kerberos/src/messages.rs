//! The protocol's messages (RFC 4120, 5), as far as a service meets them.
//!
//! They are DER, and each has a number of its own around it. Texts are general strings that hold UTF-8 or whatever their realm uses.

use crate::{Key, Principal, Refused};
use der::asn1::{BitStringRef, GeneralStringRef, GeneralizedTime, OctetStringRef};
use der::{AnyRef, Decode, Encode, Sequence, Tag, TagNumber, Tagged as _};

/// The version of the protocol.
pub(crate) const VERSION: u8 = 5;

/// What stands around a message: `[APPLICATION number]`.
fn numbered(number: u32) -> Tag {
    Tag::Application {
        constructed: true,
        number: TagNumber(number),
    }
}

/// A message with its number around it.
pub(crate) trait Message<'a>: Decode<'a, Error = der::Error> {
    /// Its number.
    const NUMBER: u32;

    fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        Self::within(AnyRef::from_der(bytes)?)
    }

    fn within(message: AnyRef<'a>) -> Result<Self, Refused> {
        message.tag().assert_eq(numbered(Self::NUMBER))?;
        Ok(Self::from_der(message.value())?)
    }
}

/// A message as it is sent.
pub(crate) fn written(number: u32, message: &impl Encode) -> Result<Vec<u8>, Refused> {
    let inner = message.to_der()?;
    Ok(AnyRef::new(numbered(number), &inner)?.to_der()?)
}

#[derive(Sequence)]
pub(crate) struct Name<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) kind: i32,
    #[asn1(context_specific = "1")]
    pub(crate) parts: Vec<GeneralStringRef<'a>>,
}

impl Name<'_> {
    /// Whose it is in a realm.
    pub(crate) fn at(&self, realm: GeneralStringRef<'_>) -> Result<Principal, Refused> {
        Principal::new(
            self.parts.iter().map(GeneralStringRef::as_bytes),
            realm.as_bytes(),
        )
    }
}

#[derive(Sequence)]
pub(crate) struct Encrypted<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) kind: i32,
    #[asn1(context_specific = "1", optional = "true")]
    pub(crate) version: Option<u32>,
    #[asn1(context_specific = "2")]
    pub(crate) bytes: &'a OctetStringRef,
}

#[derive(Sequence)]
pub(crate) struct EncryptionKey<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) kind: i32,
    #[asn1(context_specific = "1")]
    pub(crate) bytes: &'a OctetStringRef,
}

impl EncryptionKey<'_> {
    pub(crate) fn key(&self) -> Result<Key, Refused> {
        Key::new(self.kind, self.bytes.as_bytes())
    }
}

/// Whether a bit of a field of flags is set; the first is 0.
pub(crate) fn flag(flags: BitStringRef<'_>, number: usize) -> bool {
    let byte = flags.raw_bytes().get(number / 8).copied().unwrap_or_default();
    byte & (0x80 >> (number % 8)) != 0
}

/// AP-REQ: what a client shows.
#[derive(Sequence)]
pub(crate) struct Request<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) version: u8,
    #[asn1(context_specific = "1")]
    pub(crate) number: u8,
    #[asn1(context_specific = "2")]
    pub(crate) options: BitStringRef<'a>,
    #[asn1(context_specific = "3")]
    pub(crate) ticket: AnyRef<'a>,
    #[asn1(context_specific = "4")]
    pub(crate) proof: Encrypted<'a>,
}

impl<'a> Message<'a> for Request<'a> {
    const NUMBER: u32 = 14;
}

/// The ticket is encrypted for another service, one that the client brings itself.
pub(crate) const OPTION_USE_SESSION_KEY: usize = 1;

#[derive(Sequence)]
pub(crate) struct Ticket<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) version: u8,
    #[asn1(context_specific = "1")]
    pub(crate) realm: GeneralStringRef<'a>,
    #[asn1(context_specific = "2")]
    pub(crate) service: Name<'a>,
    #[asn1(context_specific = "3")]
    pub(crate) content: Encrypted<'a>,
}

impl<'a> Message<'a> for Ticket<'a> {
    const NUMBER: u32 = 1;
}

/// EncTicketPart: what the realm tells the service about the client.
#[derive(Sequence)]
pub(crate) struct TicketContent<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) flags: BitStringRef<'a>,
    #[asn1(context_specific = "1")]
    pub(crate) key: EncryptionKey<'a>,
    #[asn1(context_specific = "2")]
    pub(crate) realm: GeneralStringRef<'a>,
    #[asn1(context_specific = "3")]
    pub(crate) client: Name<'a>,
    #[asn1(context_specific = "4")]
    pub(crate) transited: AnyRef<'a>,
    #[asn1(context_specific = "5")]
    pub(crate) authenticated: GeneralizedTime,
    #[asn1(context_specific = "6", optional = "true")]
    pub(crate) start: Option<GeneralizedTime>,
    #[asn1(context_specific = "7")]
    pub(crate) end: GeneralizedTime,
    #[asn1(context_specific = "8", optional = "true")]
    pub(crate) renewable: Option<GeneralizedTime>,
    #[asn1(context_specific = "9", optional = "true")]
    pub(crate) addresses: Option<AnyRef<'a>>,
    #[asn1(context_specific = "10", optional = "true")]
    pub(crate) restrictions: Option<Vec<Restriction<'a>>>,
}

impl<'a> Message<'a> for TicketContent<'a> {
    const NUMBER: u32 = 3;
}

/// The ticket has to be validated by the realm first.
pub(crate) const FLAG_INVALID: usize = 7;
/// The realm has looked at the other realms that the client came through.
pub(crate) const FLAG_TRANSITED_CHECKED: usize = 12;

/// AuthorizationData: something that restricts what a ticket is good for.
#[derive(Sequence)]
pub(crate) struct Restriction<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) kind: i32,
    #[asn1(context_specific = "1")]
    pub(crate) content: &'a OctetStringRef,
}

/// It may be left out of account by who does not understand it.
pub(crate) const RESTRICTION_IF_RELEVANT: i32 = 1;

/// Authenticator: the proof that the client knows the ticket's key.
#[derive(Sequence)]
pub(crate) struct Proof<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) version: u8,
    #[asn1(context_specific = "1")]
    pub(crate) realm: GeneralStringRef<'a>,
    #[asn1(context_specific = "2")]
    pub(crate) client: Name<'a>,
    #[asn1(context_specific = "3", optional = "true")]
    pub(crate) wishes: Option<Checksum<'a>>,
    #[asn1(context_specific = "4")]
    pub(crate) microseconds: u32,
    #[asn1(context_specific = "5")]
    pub(crate) time: GeneralizedTime,
    #[asn1(context_specific = "6", optional = "true")]
    pub(crate) subkey: Option<EncryptionKey<'a>>,
    /// Some peers take it for a number with a sign.
    #[asn1(context_specific = "7", optional = "true")]
    pub(crate) sequence: Option<i64>,
    #[asn1(context_specific = "8", optional = "true")]
    pub(crate) restrictions: Option<Vec<Restriction<'a>>>,
}

impl<'a> Message<'a> for Proof<'a> {
    const NUMBER: u32 = 2;
}

/// In GSS it is no checksum, but says what the client wishes (RFC 4121, 4.1.1).
#[derive(Sequence)]
pub(crate) struct Checksum<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) kind: i32,
    #[asn1(context_specific = "1")]
    pub(crate) bytes: &'a OctetStringRef,
}

/// AP-REP: what the service answers.
#[derive(Sequence)]
pub(crate) struct Reply<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) version: u8,
    #[asn1(context_specific = "1")]
    pub(crate) number: u8,
    #[asn1(context_specific = "2")]
    pub(crate) content: Encrypted<'a>,
}

impl<'a> Message<'a> for Reply<'a> {
    const NUMBER: u32 = 15;
}

/// EncAPRepPart: the proof that the service knows the ticket's key as well.
#[derive(Sequence)]
pub(crate) struct ReplyContent<'a> {
    #[asn1(context_specific = "0")]
    pub(crate) time: GeneralizedTime,
    #[asn1(context_specific = "1")]
    pub(crate) microseconds: u32,
    #[asn1(context_specific = "2", optional = "true")]
    pub(crate) subkey: Option<EncryptionKey<'a>>,
    #[asn1(context_specific = "3", optional = "true")]
    pub(crate) sequence: Option<u32>,
}

impl<'a> Message<'a> for ReplyContent<'a> {
    const NUMBER: u32 = 27;
}
