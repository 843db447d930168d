//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
//!
//! Written here because the crates there are, rsasl first, tell a client whether a name exists: by an error of its own, and by a
//! salt that is another one each time. Theirs also panics when it is called after an error.

use crate::keys::{Hash, Keys};
use crate::users::Users;
use crate::{Refused, only_itself, prepare};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How many random bytes the server adds.
pub(crate) const NONCE: usize = 18;

/// What the client has to answer.
#[derive(Debug)]
pub(crate) struct Challenge {
    name: String,
    /// Whom the client wants to act as.
    wanted: String,
    known: bool,
    keys: Keys,
    /// What the client's last message has to begin with.
    begin: String,
    /// What both sides sign, up to the client's last message.
    signed: String,
}

/// The next part of a message, which has that letter.
fn part<'a>(parts: &mut impl Iterator<Item = &'a str>, letter: char) -> Result<&'a str, Refused> {
    parts
        .next()
        .and_then(|part| part.strip_prefix(letter)?.strip_prefix('='))
        .ok_or(Refused::Malformed("a part of it is missing"))
}

/// A name as messages have it, where "," and "=" are written in another way.
fn unescaped(text: &str) -> Result<String, Refused> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Refused::Malformed("its name has a stray '='")),
        };
        name.push(letter);
        name.push_str(rest);
    }
    Ok(name)
}

fn text(message: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(message).map_err(|_| Refused::Malformed("it is no UTF-8"))
}

/// Answers the client's first message.
pub(crate) fn first(
    message: &[u8],
    users: &Users,
    nonce: &[u8; NONCE],
) -> Result<(Challenge, Vec<u8>), Refused> {
    let message = text(message)?;
    let mut parts = message.splitn(3, ',');
    let (binding, wanted) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let bare = parts.next().ok_or(Refused::Malformed("it has no header"))?;
    // "y": the client could bind the channel and saw that the server cannot, which is so.
    if !matches!(binding, "n" | "y") {
        return Err(Refused::Malformed("it asks for channel binding"));
    }
    let header = format!("{binding},{wanted},");
    let wanted = match wanted.strip_prefix("a=") {
        Some(wanted) => unescaped(wanted)?,
        None if wanted.is_empty() => String::new(),
        None => return Err(Refused::Malformed("its header has an unknown part")),
    };
    // An extension that has to be understood would stand in front ("m="), and is none of these.
    let mut parts = bare.split(',');
    let name = prepare(&unescaped(part(&mut parts, 'n')?)?)?;
    let theirs = part(&mut parts, 'r')?;
    if theirs.is_empty() || !theirs.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refused::Malformed("its nonce is none"));
    }
    let (keys, known) = users.find(&name);
    let nonce = format!("{theirs}{}", STANDARD.encode(nonce));
    let answer = format!(
        "r={nonce},s={},i={}",
        STANDARD.encode(&keys.salt),
        keys.iterations
    );
    let challenge = Challenge {
        begin: format!("c={},r={nonce}", STANDARD.encode(header)),
        signed: format!("{bare},{answer},"),
        name,
        wanted,
        known,
        keys,
    };
    Ok((challenge, answer.into_bytes()))
}

impl Challenge {
    /// Judges the client's last message: its name, and the server's proof.
    pub(crate) fn finish(self, message: &[u8]) -> Result<(String, Vec<u8>), Refused> {
        let message = text(message)?;
        let (unproved, proof) = message
            .rsplit_once(",p=")
            .ok_or(Refused::Malformed("it has no proof"))?;
        // Behind what it has to begin with there may be extensions, which mean nothing here.
        let rest = unproved.strip_prefix(self.begin.as_str());
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(',')) {
            return Err(Refused::Malformed("it answers another challenge"));
        }
        let proof = STANDARD.decode(proof).ok();
        let proof = proof.and_then(|proof| Hash::try_from(proof).ok());
        let proof = proof.ok_or(Refused::Malformed("its proof is not 32 bytes of base64"))?;
        let signed = format!("{}{unproved}", self.signed);
        let proved = bool::from(self.keys.prove(signed.as_bytes(), &proof));
        if !self.known {
            return Err(Refused::Unknown(self.name));
        }
        if !proved {
            return Err(Refused::Password(self.name));
        }
        only_itself(&self.name, &self.wanted)?;
        let signature = STANDARD.encode(self.keys.signature(signed.as_bytes()));
        Ok((self.name, format!("v={signature}").into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let mut users = Users::default();
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        users.set("user", Keys::derive("pencil", salt, 4096));
        users
    }

    /// RFC 7677's example, with the server's part of the nonce as its text.
    fn example(challenge: impl FnOnce(&mut Challenge)) -> Result<(String, Vec<u8>), Refused> {
        let (mut first, _) = first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", &users(), &[0; NONCE]).unwrap();
        let ours = STANDARD.encode([0; NONCE]);
        let theirs = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        first.begin = first.begin.replace(&ours, theirs);
        first.signed = first.signed.replace(&ours, theirs);
        challenge(&mut first);
        first.finish(
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        )
    }

    #[test]
    fn the_example_of_the_standard_is_understood() {
        let (name, answer) = example(|_| ()).unwrap();
        assert_eq!(name, "user");
        assert_eq!(answer, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn whatever_is_wrong_ends_it() {
        let other = Keys::derive("pen", vec![1], 4096);
        let said = format!("{:?}", example(|challenge| challenge.keys = other));
        assert_eq!(said, "Err(Password(\"user\"))");
        let said = format!("{:?}", example(|challenge| challenge.known = false));
        assert_eq!(said, "Err(Unknown(\"user\"))");
        let said = format!("{:?}", example(|challenge| challenge.wanted = "root".to_owned()));
        assert_eq!(said, "Err(OnBehalf(\"user\", \"root\"))");
        let said = format!("{:?}", example(|challenge| challenge.begin.push('x')));
        assert!(said.starts_with("Err(Malformed("), "{said}");
    }

    #[test]
    fn first_messages_are_read_closely() {
        let users = users();
        let answer = |message: &str| first(message.as_bytes(), &users, &[7; NONCE]);
        for good in [
            "n,,n=user,r=a",
            "y,,n=user,r=a",
            "n,a=user,n=user,r=a",
            "n,,n=user,r=a,x=extension",
            "n,,n=a=2Cb=3Dc,r=a",
        ] {
            assert!(answer(good).is_ok(), "{good}");
        }
        assert_eq!(answer("n,,n=a=2Cb=3Dc,r=a").unwrap().0.name, "a,b=c");
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,r=a,n=user",
            "n,,m=x,n=user,r=a",
            "p=tls-unique,,n=user,r=a",
            "n,b=user,n=user,r=a",
            "n,,n=,r=a",
            "n,,n=a=b,r=a",
            "n,,n=user,r=",
            "n,,n=user,r=ä",
            "n,,n=a:b,r=a",
        ] {
            assert!(answer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_is_answered_like_any_other() {
        let users = users();
        let answer = |name: &str| {
            let (_, answer) = first(format!("n,,n={name},r=a").as_bytes(), &users, &[7; NONCE]).unwrap();
            String::from_utf8(answer).unwrap()
        };
        assert_eq!(answer("nobody"), answer("nobody"));
        assert_ne!(answer("nobody"), answer("somebody"));
        assert_eq!(answer("nobody").len(), answer("user").len());
        assert!(answer("nobody").ends_with(",i=4096"));
    }
}
