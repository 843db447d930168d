//! SASL as libvirt's daemons offer it: what the server does in an exchange, and whom it knows.
//!
//! An exchange is a value that a client's message turns into the next one or into a name:
//!
//! ```text
//! Mechanism::begin ► Exchange ► step(message, verifier) ► Step::Challenge(Exchange, answer)
//!                                                       ► Step::Proved(name, last answer, what encrypts the rest)
//! ```
//! Nothing here waits or talks to anybody. A step may read the file of users or the keytab and compute for tens of milliseconds, so it is
//! nothing for an async worker.
//!
//! A name that nobody has, a wrong password and a malformed message cost the same work where a client could measure it, and
//! end in the same way; [`Refused`] tells them apart for the log alone.

mod config;
mod gssapi;
mod keys;
mod name;
mod plain;
mod scram;
mod users;

pub use config::{Config, ConfigError, DEFAULT_MECHANISMS, keytab_file};
pub use gssapi::{Kerberos, Layer};
pub use keys::{ITERATIONS, Keys};
pub use name::prepare;
pub use users::{Store, Users, UsersError};

/// What encrypts.
pub use kerberos;

use zeroize::Zeroizing;

/// The longest message of a client that is looked at, in bytes: the longest that the protocol carries. Tickets tell of groups by
/// the hundred, where others need a few hundred bytes.
pub const MESSAGE_MAX: usize = 65_536;

/// The longest message of those that carry a name and a password.
const PASSWORD_MESSAGE_MAX: usize = 4096;

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// A ticket of Kerberos (RFC 4752).
    Gssapi,
    /// Both sides prove that they know a password, which does not travel (RFC 7677).
    ScramSha256,
    /// The password itself (RFC 4616).
    Plain,
}

/// What an exchange has to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// A name: something else encrypts what follows, or nobody can listen.
    NotNeeded,
    /// A name, and a layer that encrypts what follows at least as strongly, in bits of a key. Mechanisms that have no layer give
    /// none: who asks for it does not [offer](Mechanism::strength) them.
    Needed(u32),
}

/// What clients are held against.
#[derive(Debug)]
pub struct Verifier {
    /// Names and passwords.
    pub users: Store,
    /// Tickets, where there is a keytab.
    pub kerberos: Option<Kerberos>,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Gssapi, Self::ScramSha256, Self::Plain];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gssapi => "GSSAPI",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }

    /// The mechanism of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether who listens learns the password, so that something else has to encrypt.
    pub fn tells_password(self) -> bool {
        self == Self::Plain
    }

    /// How strongly it may encrypt what follows, in bits of a key; 0 if it does not.
    pub fn strength(self) -> u32 {
        match self {
            Self::Gssapi => 256,
            Self::ScramSha256 | Self::Plain => 0,
        }
    }

    /// An exchange at its beginning. The client speaks first.
    pub fn begin(self, protection: Protection) -> Exchange {
        Exchange(match self {
            Self::Gssapi => State::Ticket(protection),
            Self::ScramSha256 => State::ScramFirst,
            Self::Plain => State::Plain,
        })
    }
}

/// An exchange that waits for a message of the client.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    Ticket(Protection),
    Offer(gssapi::Offer),
    Choice(gssapi::Choice),
    ScramFirst,
    ScramFinal(scram::Challenge),
    Plain,
}

/// What came of a message.
#[derive(Debug)]
pub enum Step {
    /// The client is answered and has to speak again.
    Challenge(Exchange, Vec<u8>),
    /// The client is who it says.
    Proved(Proof),
}

/// Who a client is.
#[derive(Debug)]
pub struct Proof {
    /// Its name: of a client with a ticket the one in its realm, with the realm.
    pub name: String,
    /// What it is called within the service's own realm, which is how libvirt's lists name it.
    pub local_name: Option<String>,
    /// The last answer, where the mechanism has one.
    pub answer: Option<Vec<u8>>,
    /// What encrypts all that follows.
    pub layer: Option<Box<Layer>>,
}

impl Proof {
    fn of_password(name: String, answer: Option<Vec<u8>>) -> Self {
        Self {
            name,
            local_name: None,
            answer,
            layer: None,
        }
    }
}

/// Why somebody did not prove who he is: for the log, never for him.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The message is not what the mechanism wants.
    #[error("a malformed message: {0}")]
    Malformed(&'static str),
    /// The name is none.
    #[error("its name is none: {0}")]
    Name(&'static str),
    /// Nobody has that name.
    #[error("there is no user '{0}'")]
    Unknown(String),
    /// The user has another password.
    #[error("a wrong password for the user '{0}'")]
    Password(String),
    /// The client wants to act as another.
    #[error("the user '{0}' wants to act as {1:?}, which nobody may")]
    OnBehalf(String, String),
    /// The users cannot be read.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// There is no keytab, or none that can be read.
    #[error("the keytab: {0}")]
    Keytab(kerberos::KeytabError),
    /// There is no keytab.
    #[error("there is no keytab")]
    NoKeytab,
    /// The client's ticket or what it says with it.
    #[error(transparent)]
    Kerberos(#[from] kerberos::Refused),
    /// The client wants to be protected less than it has to be.
    #[error("{0} would be protected less than it has to be")]
    Unprotected(String),
}

impl Exchange {
    /// Takes a message. Reads what `verifier` holds it against and computes: not for an async worker.
    ///
    /// # Errors
    /// Why the exchange ended without a proof.
    pub fn step(self, message: &[u8], verifier: &Verifier) -> Result<Step, Refused> {
        let longest = match self.0 {
            State::Ticket(_) | State::Offer(_) | State::Choice(_) => MESSAGE_MAX,
            State::ScramFirst | State::ScramFinal(_) | State::Plain => PASSWORD_MESSAGE_MAX,
        };
        if message.len() > longest {
            return Err(Refused::Malformed("it is too long"));
        }
        let (state, answer) = match self.0 {
            State::Ticket(protection) => {
                let kerberos = verifier.kerberos.as_ref().ok_or(Refused::NoKeytab)?;
                match kerberos.accept(message, protection)? {
                    (offer, Some(answer)) => (State::Offer(offer), answer),
                    // Nothing to be proved to the client, so this is said at once.
                    (offer, None) => {
                        let (choice, answer) = offer.make(&[])?;
                        (State::Choice(choice), answer)
                    }
                }
            }
            State::Offer(offer) => {
                let (choice, answer) = offer.make(message)?;
                (State::Choice(choice), answer)
            }
            State::Choice(choice) => {
                return Ok(Step::Proved(choice.take(message)?));
            }
            State::ScramFirst => {
                let mut nonce = [0; scram::NONCE];
                getrandom::fill(&mut nonce).map_err(Refused::Random)?;
                let (challenge, answer) = scram::first(message, &verifier.users.read()?, &nonce)?;
                (State::ScramFinal(challenge), answer)
            }
            State::ScramFinal(challenge) => {
                let (name, answer) = challenge.finish(message)?;
                return Ok(Step::Proved(Proof::of_password(name, Some(answer))));
            }
            State::Plain => {
                let name = plain::check(message, &verifier.users.read()?)?;
                return Ok(Step::Proved(Proof::of_password(name, None)));
            }
        };
        Ok(Step::Challenge(Self(state), answer))
    }
}

/// Whether a client that is `name` may act as `wanted`: as itself only, and nothing wanted is itself.
fn only_itself(name: &str, wanted: &str) -> Result<(), Refused> {
    if wanted.is_empty() || prepare(wanted).is_ok_and(|wanted| wanted == name) {
        return Ok(());
    }
    Err(Refused::OnBehalf(name.to_owned(), wanted.to_owned()))
}

/// A password as it is hashed; one that is no text that can be prepared is taken as it is.
fn prepared_password(password: &str) -> Zeroizing<String> {
    Zeroizing::new(stringprep::saslprep(password).map_or_else(|_| password.to_owned(), Into::into))
}
