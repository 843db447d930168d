//! What is kept of a password: enough to recognise it, and not enough to show it to another server (RFC 5802).

use crate::prepared_password;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt::{Display, Formatter};
use std::str::FromStr;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// How often a password is hashed: the most that stock clients do, whose Cyrus SASL refuses more than 65536.
pub const ITERATIONS: u32 = 65_536;

/// The fewest that clients do (RFC 7677).
const ITERATIONS_MIN: u32 = 4096;

/// How many bytes a new salt has.
const SALT: usize = 16;

/// The longest salt that is read, in bytes.
const SALT_MAX: usize = 64;

const SCHEME: &str = "SCRAM-SHA-256";

/// A digest.
pub(crate) type Hash = [u8; 32];

/// What is kept of a password. It is written as RFC 5803 has it: `SCRAM-SHA-256$65536:SALT$STORED:SERVER`.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub(crate) iterations: u32,
    pub(crate) salt: Vec<u8>,
    /// Recognises who knows the password.
    stored: Hash,
    /// Shows the client that it talks to who has this.
    server: Hash,
}

/// HMAC-SHA-256. Takes keys of every length, so it does not fail.
pub(crate) fn sign(key: &[u8], message: &[u8]) -> Hash {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut signing) => {
            signing.update(message);
            signing.finalize().into_bytes().into()
        }
        Err(_) => Hash::default(),
    }
}

fn both(one: Hash, other: &Hash) -> Hash {
    let mut mixed = one;
    for (byte, other) in mixed.iter_mut().zip(other) {
        *byte ^= other;
    }
    mixed
}

impl Keys {
    /// The keys of a password, with a salt that is made up; takes a while.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn of_password(password: &str) -> Result<Self, getrandom::Error> {
        let mut salt = vec![0; SALT];
        getrandom::fill(&mut salt)?;
        Ok(Self::derive(password, salt, ITERATIONS))
    }

    /// The keys of a password with that salt.
    pub(crate) fn derive(password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let password = prepared_password(password);
        let mut salted = Zeroizing::new(Hash::default());
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut *salted);
        let client = Zeroizing::new(sign(&*salted, b"Client Key"));
        Self {
            iterations,
            salt,
            stored: Sha256::digest(*client).into(),
            server: sign(&*salted, b"Server Key"),
        }
    }

    /// Keys that belong to no password, with a salt that `secret` gives a name for ever.
    pub(crate) fn of_nobody(name: &str, secret: &[u8], iterations: u32) -> Self {
        let salt = sign(secret, name.as_bytes());
        Self {
            iterations,
            salt: salt.get(..SALT).unwrap_or_default().to_vec(),
            stored: sign(secret, &salt),
            server: Hash::default(),
        }
    }

    /// Whether it is their password; takes a while, and always the same.
    pub(crate) fn fit(&self, password: &str) -> Choice {
        let other = Self::derive(password, self.salt.clone(), self.iterations);
        self.stored.ct_eq(&other.stored)
    }

    /// Whether `proof` is the signature of `message` by who knows the password.
    pub(crate) fn prove(&self, message: &[u8], proof: &Hash) -> Choice {
        let client = Zeroizing::new(both(sign(&self.stored, message), proof));
        let stored: Hash = Sha256::digest(*client).into();
        self.stored.ct_eq(&stored)
    }

    /// The server's signature of `message`.
    pub(crate) fn signature(&self, message: &[u8]) -> Hash {
        sign(&self.server, message)
    }
}

impl Display for Keys {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored, &self.server].map(|key| STANDARD.encode(key));
        write!(f, "{SCHEME}${}:{salt}${stored}:{server}", self.iterations)
    }
}

impl FromStr for Keys {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('$');
        let (Some(scheme), Some(salting), Some(keys), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER is wanted");
        };
        if scheme != SCHEME {
            return Err("the scheme is not SCRAM-SHA-256");
        }
        let (iterations, salt) = salting.split_once(':').ok_or("there is no salt")?;
        let iterations = iterations.parse().ok();
        let iterations = iterations
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS).contains(count))
            .ok_or("the number of iterations is not from 4096 to 65536")?;
        let salt = STANDARD.decode(salt).map_err(|_| "the salt is no base64")?;
        if salt.is_empty() || salt.len() > SALT_MAX {
            return Err("the salt has not from 1 to 64 bytes");
        }
        let (stored, server) = keys.split_once(':').ok_or("there is one key only")?;
        let key = |text| {
            STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| Hash::try_from(bytes).ok())
        };
        let key = |text| key(text).ok_or("a key is not 32 bytes of base64");
        Ok(Self {
            iterations,
            salt,
            stored: key(stored)?,
            server: key(server)?,
        })
    }
}

/// Keys are for the file of users alone.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The password and salt of RFC 7677's example; its keys as PostgreSQL derives them.
    const EXAMPLE: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn keys_are_written_as_others_write_them() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = Keys::derive("pencil", salt, 4096);
        assert_eq!(keys.to_string(), EXAMPLE);
        assert_eq!(EXAMPLE.parse::<Keys>().unwrap(), keys);
        assert!(bool::from(keys.fit("pencil")) && !bool::from(keys.fit("pen")));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (from, to) in [
            ("SCRAM-SHA-256", "SCRAM-SHA-1"),
            ("4096", "4095"),
            ("4096", "65537"),
            ("4096", "-1"),
            ("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
            ("W22ZaJ0SNY7soEsUEjb6gQ==", "*"),
            (":W22ZaJ0SNY7soEsUEjb6gQ==", ""),
            ("WG5d", ""),
            ("$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:", "$"),
            ("dU=", "dU=$"),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert!(text.parse::<Keys>().is_err(), "{text}");
        }
    }

    #[test]
    fn nobodys_salt_is_his_for_ever_and_no_password_fits() {
        let one = Keys::of_nobody("a", b"secret", 4096);
        assert_eq!(one.salt, Keys::of_nobody("a", b"secret", 4096).salt);
        assert_ne!(one.salt, Keys::of_nobody("b", b"secret", 4096).salt);
        assert_ne!(one.salt, Keys::of_nobody("a", b"other", 4096).salt);
        assert_eq!(one.salt.len(), SALT);
        assert!(!bool::from(one.fit("")));
    }
}
