//! A client shows a ticket and proves that it knows the ticket's key; we prove that we could open it.
//!
//! ```text
//! client                                                     service
//!   request: ticket {for us: session key, client, times}
//!            proof  {session key: client, time, key 1} ────► ticket by the keytab, proof by the ticket
//!   proof of ours, key 2 ◄──────────────────────────────────  reply {session key: that time, key 2}
//!                            messages {key 2}
//! ```
//! Where the client does not ask for our proof there is no reply, and messages use key 1.

use crate::context::Side;
use crate::messages::{
    Checksum, Encrypted, EncryptionKey, FLAG_INVALID, FLAG_TRANSITED_CHECKED, Message as _,
    OPTION_USE_SESSION_KEY, Proof, RESTRICTION_IF_RELEVANT, Reply, ReplyContent, Request, Restriction,
    Ticket, TicketContent, VERSION, flag, written,
};
use crate::replays::{Replays, Shown};
use crate::{Context, Encryption, Key, Keytab, Principal, Refused, SKEW, token};
use der::asn1::{GeneralizedTime, OctetStringRef};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// The uses of keys (RFC 4120, 7.5.1).
pub(crate) const USE_TICKET: u32 = 2;
pub(crate) const USE_PROOF: u32 = 11;
pub(crate) const USE_REPLY: u32 = 12;

/// The kind of checksum that is none.
pub(crate) const WISHES: i32 = 0x8003;
/// The client wants our proof.
const WISH_MUTUAL: u32 = 2;
/// A third message follows.
const WISH_DCE_STYLE: u32 = 0x1000;

/// A service, whichever its host is called.
#[derive(Debug)]
pub struct Acceptor {
    service: &'static str,
    replays: Mutex<Replays>,
}

/// A client that is believed.
#[derive(Debug)]
pub struct Accepted {
    /// Who it is.
    pub client: Principal,
    /// Whether it is of the service's own realm.
    pub is_local: bool,
    /// The token that answers it, where it wants one.
    pub answer: Option<Vec<u8>>,
    /// What both sides say from now on.
    pub context: Context,
}

impl Acceptor {
    /// The service of that name.
    pub fn new(service: &'static str) -> Self {
        let replays = Mutex::default();
        Self { service, replays }
    }

    /// Takes a client's first token; `now` is the time of this host.
    ///
    /// # Errors
    /// Why the client is not believed.
    pub fn accept(&self, token: &[u8], keytab: &Keytab, now: SystemTime) -> Result<Accepted, Refused> {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let request = Request::read(token::request(token)?)?;
        of_version(request.version)?;
        if u32::from(request.number) != Request::NUMBER {
            return Err(Refused::Malformed("its number is another message's"));
        }
        if flag(request.options, OPTION_USE_SESSION_KEY) {
            return Err(Refused::Unwanted("a ticket between users"));
        }
        let ticket = Ticket::within(request.ticket)?;
        of_version(ticket.version)?;
        let service = ticket.service.at(ticket.realm)?;
        if service.service() != Some(self.service) {
            return Err(Refused::Service(service));
        }
        let content = opened(&ticket.content, &service, keytab)?;
        let content = TicketContent::read(&content)?;
        let client = content.client.at(content.realm)?;
        let session_key = content.key.key()?;

        let mut proof = Zeroizing::new(request.proof.bytes.as_bytes().to_vec());
        Encryption::from_number(request.proof.kind).and_then(|kind| same_kind(kind, &session_key))?;
        let proof = session_key.encryptor(USE_PROOF)?.decrypt(&mut proof);
        let proof = proof.map_err(|_| Refused::Proof(client.clone()))?;
        let proof = Proof::read(proof)?;
        of_version(proof.version)?;
        if proof.client.at(proof.realm)? != client {
            return Err(Refused::Proof(client));
        }
        check_ticket(&content, &service, &client, now)?;
        check_time(proof.time, &client, now)?;
        only_relevant(content.restrictions.as_deref())?;
        only_relevant(proof.restrictions.as_deref())?;
        let wishes = wishes(proof.wishes.as_ref())?;
        if wishes & WISH_DCE_STYLE != 0 {
            return Err(Refused::Unwanted("a third message"));
        }
        // Once it is known who has shown it: strangers cannot fill the memory of proofs.
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        match replays.show(request.proof.bytes.as_bytes(), now) {
            Shown::First => drop(replays),
            Shown::Again => return Err(Refused::Replay(client)),
            Shown::Crowded => return Err(Refused::Crowded),
        }

        let is_local = client.realm() == service.realm();
        let key = proof.subkey.as_ref().map(EncryptionKey::key).transpose()?;
        let key = key.unwrap_or_else(|| session_key.clone());
        let theirs = sequence(proof.sequence.unwrap_or_default())?;
        if wishes & WISH_MUTUAL == 0 {
            // The service's messages have the same numbers as the client's.
            let context = Context::new(Side::Service, key, false, theirs, theirs);
            return Ok(Accepted {
                client,
                is_local,
                answer: None,
                context,
            });
        }
        let key = Key::random(key.kind())?;
        // Some peers take it for a number with a sign, which must not turn.
        let ours = random_number()? & 0x3fff_ffff;
        let answer = Some(answer(&proof, &session_key, &key, ours)?);
        let context = Context::new(Side::Service, key, true, ours, theirs);
        Ok(Accepted {
            client,
            is_local,
            answer,
            context,
        })
    }
}

fn of_version(version: u8) -> Result<(), Refused> {
    if version == VERSION {
        Ok(())
    } else {
        Err(Refused::Malformed("it is of another version of Kerberos"))
    }
}

fn same_kind(kind: Encryption, key: &Key) -> Result<(), Refused> {
    if kind == key.kind() {
        Ok(())
    } else {
        Err(Refused::Malformed(
            "its encryption is of another type than its key",
        ))
    }
}

/// What is in a ticket, decrypted with a key of the keytab.
fn opened(
    encrypted: &Encrypted<'_>,
    service: &Principal,
    keytab: &Keytab,
) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let kind = Encryption::from_number(encrypted.kind)?;
    let mut refused = Refused::NoKey {
        service: service.clone(),
        kind,
        version: encrypted.version,
    };
    for key in keytab.keys(service, kind, encrypted.version) {
        let mut bytes = Zeroizing::new(encrypted.bytes.as_bytes().to_vec());
        match key.encryptor(USE_TICKET)?.decrypt(&mut bytes) {
            Ok(content) => return Ok(Zeroizing::new(content.to_vec())),
            Err(_) => refused = Refused::Ticket(service.clone()),
        }
    }
    Err(refused)
}

fn seconds(time: GeneralizedTime) -> u64 {
    time.to_unix_duration().as_secs()
}

/// Whether the ticket is good now, and the realm has done what it must have done.
fn check_ticket(
    content: &TicketContent<'_>,
    service: &Principal,
    client: &Principal,
    now: u64,
) -> Result<(), Refused> {
    let start = seconds(content.start.unwrap_or(content.authenticated));
    if flag(content.flags, FLAG_INVALID) || start > now.saturating_add(SKEW) {
        return Err(Refused::Early(client.clone()));
    }
    if now > seconds(content.end).saturating_add(SKEW) {
        return Err(Refused::Expired(client.clone()));
    }
    if client.realm() != service.realm() && !flag(content.flags, FLAG_TRANSITED_CHECKED) {
        return Err(Refused::Unwanted("its way through other realms to be checked"));
    }
    Ok(())
}

fn check_time(time: GeneralizedTime, client: &Principal, now: u64) -> Result<(), Refused> {
    let seconds = seconds(time).abs_diff(now);
    if seconds > SKEW {
        let client = client.clone();
        return Err(Refused::Skew { client, seconds });
    }
    Ok(())
}

/// None of the restrictions is one that has to be understood.
fn only_relevant(restrictions: Option<&[Restriction<'_>]>) -> Result<(), Refused> {
    let mut restrictions = restrictions.unwrap_or_default().iter();
    if restrictions.any(|restriction| restriction.kind != RESTRICTION_IF_RELEVANT) {
        return Err(Refused::Unwanted("restrictions of its ticket to be understood"));
    }
    Ok(())
}

/// What the client wishes: bits of GSS. Addresses that both sides could compare and credentials that are lent to us follow or go
/// before, and nobody here asks for them.
fn wishes(checksum: Option<&Checksum<'_>>) -> Result<u32, Refused> {
    let bytes = checksum
        .filter(|checksum| checksum.kind == WISHES)
        .map(|checksum| checksum.bytes.as_bytes());
    let bytes = bytes.and_then(|bytes| bytes.get(20..)?.first_chunk());
    bytes
        .map(|bytes| u32::from_le_bytes(*bytes))
        .ok_or(Refused::Malformed("it does not say what it wishes"))
}

/// The number of a peer's first message.
fn sequence(number: i64) -> Result<u64, Refused> {
    let unsigned = u32::try_from(number).ok();
    let signed = i32::try_from(number).ok().map(i32::cast_unsigned);
    unsigned
        .or(signed)
        .map(u64::from)
        .ok_or(Refused::Malformed("its sequence begins nowhere"))
}

fn random_number() -> Result<u64, Refused> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(Refused::Random)?;
    Ok(u64::from(u32::from_be_bytes(bytes)))
}

/// The token that proves to the client who we are, and tells it the key for what follows.
fn answer(proof: &Proof<'_>, session_key: &Key, key: &Key, first: u64) -> Result<Vec<u8>, Refused> {
    let content = ReplyContent {
        time: proof.time,
        microseconds: proof.microseconds,
        subkey: Some(EncryptionKey {
            kind: key.kind().number(),
            bytes: OctetStringRef::new(key.bytes())?,
        }),
        sequence: u32::try_from(first).ok(),
    };
    let content = Zeroizing::new(written(ReplyContent::NUMBER, &content)?);
    let encrypted = session_key.encryptor(USE_REPLY)?.encrypted(&content)?;
    let reply = Reply {
        version: VERSION,
        number: 15,
        content: Encrypted {
            kind: session_key.kind().number(),
            version: None,
            bytes: OctetStringRef::new(&encrypted)?,
        },
    };
    token::reply(&written(Reply::NUMBER, &reply)?)
}

#[cfg(test)]
mod tests;
