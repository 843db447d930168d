//! What a client and its realm say, for tests: every field may be set to what nobody would say.

use crate::acceptor::{USE_PROOF, USE_REPLY, USE_TICKET, WISHES};
use crate::context::Side;
use crate::keytab::written as written_keytab;
use crate::messages::{
    Checksum, Encrypted, EncryptionKey, Message as _, Name, Proof, Reply, ReplyContent, Request, Restriction,
    Ticket, TicketContent, VERSION, written,
};
use crate::{Context, Encryption, Key, Refused, token};
use der::asn1::{BitStringRef, GeneralStringRef, GeneralizedTime, OctetStringRef};
use der::{AnyRef, Decode as _, Tag};
use std::time::Duration;

/// A client with a ticket.
#[derive(Debug, Clone)]
pub struct Client {
    /// The parts of the service's name.
    pub service: Vec<&'static str>,
    /// The service's realm.
    pub service_realm: &'static str,
    /// The key that the ticket is encrypted with, and which of the service's keys the ticket says that it is.
    pub service_key: (Key, Option<u32>),
    /// The parts of the client's name.
    pub name: Vec<&'static str>,
    /// The client's realm.
    pub realm: &'static str,
    /// The name in the proof, if it is another.
    pub pretended: Option<Vec<&'static str>>,
    /// Flags of the ticket.
    pub flags: [u8; 4],
    /// From when to when the ticket is good, in seconds since 1970.
    pub times: (u64, u64),
    /// The time in the proof.
    pub now: u64,
    /// The key in the ticket.
    pub session_key: Key,
    /// A key of the client's own.
    pub subkey: Option<Key>,
    /// The number of its first message.
    pub sequence: i64,
    /// Bits of GSS.
    pub wishes: Option<u32>,
    /// Bits of the request.
    pub options: [u8; 4],
    /// Something that restricts the ticket, of that kind.
    pub restriction: Option<i32>,
    /// What is encrypted in the place of the ticket's content.
    pub content: Option<Vec<u8>>,
    /// What is encrypted in the place of the proof.
    pub proof: Option<Vec<u8>>,
}

impl Client {
    /// `fred@EXAMPLE.COM` with a ticket for `libvirt/host.example.com` that is good for an hour.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn new(service_key: Key, now: u64) -> Result<Self, Refused> {
        Ok(Self {
            service: vec!["libvirt", "host.example.com"],
            service_realm: "EXAMPLE.COM",
            service_key: (service_key, Some(1)),
            name: vec!["fred"],
            realm: "EXAMPLE.COM",
            pretended: None,
            flags: [0; 4],
            times: (now, now + 3600),
            now,
            session_key: Key::random(Encryption::Aes256Sha1)?,
            subkey: Some(Key::random(Encryption::Aes256Sha1)?),
            sequence: 1_000_000_000,
            wishes: Some(0x3e),
            options: [0x20, 0, 0, 0],
            restriction: Some(1),
            content: None,
            proof: None,
        })
    }

    /// A keytab with the service's key.
    pub fn keytab(&self) -> Vec<u8> {
        let (key, version) = &self.service_key;
        let version = version.unwrap_or(1);
        let line = (
            &self.service[..],
            self.service_realm,
            version,
            key.kind().number(),
            key.bytes(),
        );
        written_keytab(&[line])
    }

    /// What the ticket holds, before it is encrypted.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn content(&self) -> Result<Vec<u8>, Refused> {
        if let Some(content) = &self.content {
            return Ok(content.clone());
        }
        let content = TicketContent {
            flags: BitStringRef::from_bytes(&self.flags)?,
            key: key(&self.session_key)?,
            realm: word(self.realm)?,
            client: name(&self.name)?,
            transited: AnyRef::from_der(b"\x30\x09\xa0\x03\x02\x01\x01\xa1\x02\x04\x00")?,
            authenticated: time(self.times.0)?,
            start: Some(time(self.times.0)?),
            end: time(self.times.1)?,
            renewable: None,
            addresses: None,
            restrictions: self.restriction.map(restrictions).transpose()?,
        };
        written(TicketContent::NUMBER, &content)
    }

    /// The proof, before it is encrypted.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn proof(&self) -> Result<Vec<u8>, Refused> {
        if let Some(proof) = &self.proof {
            return Ok(proof.clone());
        }
        let wishes = self
            .wishes
            .map(|bits| [&[16, 0, 0, 0], &[0; 16][..], &bits.to_le_bytes()].concat());
        let wishes = wishes.as_deref().map(|bytes| {
            let bytes = OctetStringRef::new(bytes)?;
            Ok::<_, Refused>(Checksum { kind: WISHES, bytes })
        });
        let proof = Proof {
            version: VERSION,
            realm: word(self.realm)?,
            client: name(self.pretended.as_ref().unwrap_or(&self.name))?,
            wishes: wishes.transpose()?,
            microseconds: 123_456,
            time: time(self.now)?,
            subkey: self.subkey.as_ref().map(key).transpose()?,
            sequence: Some(self.sequence),
            restrictions: self.restriction.map(restrictions).transpose()?,
        };
        written(Proof::NUMBER, &proof)
    }

    /// Its first token.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn token(&self) -> Result<Vec<u8>, Refused> {
        let (service_key, version) = &self.service_key;
        let content = service_key.encryptor(USE_TICKET)?.encrypted(&self.content()?)?;
        let ticket = Ticket {
            version: VERSION,
            realm: word(self.service_realm)?,
            service: name(&self.service)?,
            content: Encrypted {
                kind: service_key.kind().number(),
                version: *version,
                bytes: OctetStringRef::new(&content)?,
            },
        };
        let ticket = written(Ticket::NUMBER, &ticket)?;
        let proof = self.session_key.encryptor(USE_PROOF)?.encrypted(&self.proof()?)?;
        let request = Request {
            version: VERSION,
            number: 14,
            options: BitStringRef::from_bytes(&self.options)?,
            ticket: AnyRef::from_der(&ticket)?,
            proof: Encrypted {
                kind: self.session_key.kind().number(),
                version: None,
                bytes: OctetStringRef::new(&proof)?,
            },
        };
        token::framed([1, 0], &written(Request::NUMBER, &request)?)
    }

    /// Its side of the conversation, after the service's answer if there was one.
    ///
    /// # Errors
    /// The answer is not this service's.
    pub fn context(&self, answer: Option<&[u8]>) -> Result<Context, Refused> {
        let own = self.subkey.as_ref().unwrap_or(&self.session_key);
        let first = u64::from(u32::try_from(self.sequence).unwrap_or_default());
        let Some(answer) = answer else {
            return Ok(Context::new(Side::Client, own.clone(), false, first, first));
        };
        let reply = Reply::read(token::unframed([2, 0], answer)?)?;
        let mut content = reply.content.bytes.as_bytes().to_vec();
        let content = self.session_key.encryptor(USE_REPLY)?.decrypt(&mut content)?;
        let content = ReplyContent::read(content)?;
        let proved = content.time == time(self.now)? && content.microseconds == 123_456;
        let (Some(key), Some(theirs), true) = (content.subkey, content.sequence, proved) else {
            return Err(Refused::Malformed("an answer to somebody else"));
        };
        Ok(Context::new(Side::Client, key.key()?, true, first, theirs.into()))
    }
}

fn restrictions<'a>(kind: i32) -> Result<Vec<Restriction<'a>>, Refused> {
    let content = OctetStringRef::new(b"\x30\x00")?;
    Ok(vec![Restriction { kind, content }])
}

fn time(seconds: u64) -> Result<GeneralizedTime, Refused> {
    Ok(GeneralizedTime::from_unix_duration(Duration::from_secs(seconds))?)
}

fn word(text: &str) -> Result<GeneralStringRef<'_>, Refused> {
    Ok(AnyRef::new(Tag::GeneralString, text.as_bytes())?.decode_as()?)
}

fn name<'a>(parts: &[&'a str]) -> Result<Name<'a>, Refused> {
    let parts = parts.iter().map(|part| word(part)).collect::<Result<_, _>>()?;
    Ok(Name { kind: 1, parts })
}

fn key(key: &Key) -> Result<EncryptionKey<'_>, Refused> {
    Ok(EncryptionKey {
        kind: key.kind().number(),
        bytes: OctetStringRef::new(key.bytes())?,
    })
}
