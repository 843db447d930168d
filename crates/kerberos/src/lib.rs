//! Kerberos 5 as a service sees it, in the words of its GSS mechanism (RFC 4121).
//!
//! ```text
//! token of a client ► Acceptor::accept ► Accepted: who it is, an answer that proves who we are, and a Context
//!                          ▲                        Context: sign ◄► verify, which anybody may read
//!                       Keytab                      Context::into_layer ► Sealing, Opening: for the two sides alone
//! ```
//! Tickets are opened with the keys of a keytab and nobody else is asked; the realm's servers are the client's business. Keys are those of
//! AES: encryption types 17 and 18 (RFC 3962), 19 and 20 (RFC 8009). DES and RC4 are not taken.
//!
//! Nothing here waits or talks to anybody, and whatever arrives is believed only once its key has been proved.

mod acceptor;
mod cipher;
#[cfg(any(test, feature = "client"))]
mod client;
mod context;
mod encryption;
mod keytab;
mod messages;
mod principal;
mod replays;
mod token;

pub use acceptor::{Accepted, Acceptor};
#[cfg(any(test, feature = "client"))]
pub use client::Client;
pub use context::{Context, OVERHEAD, Opening, Sealing};
pub use encryption::{Encryption, Key};
pub use keytab::{Keytab, KeytabError};
pub use principal::Principal;

/// How far the clocks of the two sides may differ, in seconds.
pub const SKEW: u64 = 300;

/// Why a client is not believed: for the log, never for the client.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not what the protocol has at this place.
    #[error("a malformed token: {0}")]
    Malformed(&'static str),
    /// A part of it is no DER, or no message of Kerberos.
    #[error("a malformed token: {0}")]
    Der(#[from] der::Error),
    /// Something that is possible, and that this service does not do.
    #[error("it wants {0}, which is not done here")]
    Unwanted(&'static str),
    /// An encryption type that is not taken.
    #[error("a key of the encryption type {0}: only those of AES (17 to 20) are taken")]
    Encryption(i32),
    /// A key of another length than its type has.
    #[error("a key for {kind} of {length} bytes", kind = kind.name())]
    Length {
        /// Its type.
        kind: Encryption,
        /// Its length in bytes.
        length: usize,
    },
    /// The ticket is for a service that this is not.
    #[error("its ticket is for {0}, which is not this service")]
    Service(Principal),
    /// There is no key for the ticket.
    #[error(
        "the keytab has no key of {service} for {kind}{}; it may have been changed in the realm since the keytab was made",
        version.map(|version| format!(" with version {version}")).unwrap_or_default(), kind = kind.name()
    )]
    NoKey {
        /// For whom the ticket is.
        service: Principal,
        /// How it is encrypted.
        kind: Encryption,
        /// Which of the service's keys it is encrypted with, if it says so.
        version: Option<u32>,
    },
    /// The ticket was encrypted with another key, or was changed.
    #[error("its ticket for {0} does not fit the key in the keytab")]
    Ticket(Principal),
    /// What only who owns the ticket could have encrypted was not.
    #[error("the proof of {0} does not fit its ticket")]
    Proof(Principal),
    /// The ticket's time has not come.
    #[error("the ticket of {0} is not valid yet")]
    Early(Principal),
    /// The ticket's time is over.
    #[error("the ticket of {0} has expired")]
    Expired(Principal),
    /// The two clocks differ by too much.
    #[error("the clock of {client} differs from this host's by {seconds} seconds")]
    Skew {
        /// Whose clock it is.
        client: Principal,
        /// By how many seconds.
        seconds: u64,
    },
    /// The proof was shown before.
    #[error("the proof of {0} was used before")]
    Replay(Principal),
    /// So many came in that their proofs cannot be remembered.
    #[error("too many proofs were shown in the last minutes to remember another")]
    Crowded,
    /// A message is not the one that has to come now.
    #[error("a message out of turn, number {came} instead of {expected}")]
    Sequence {
        /// Its number.
        came: u64,
        /// The number that it had to have.
        expected: u64,
    },
    /// A message was changed on its way, or is another's.
    #[error("a message does not fit the key")]
    Message,
    /// The system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}
