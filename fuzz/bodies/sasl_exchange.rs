//! Any messages of a client that wants in by SASL: it is refused, or is the one user there is.

use sasl::{Keys, Mechanism, Protection, Step, Store, Users, Verifier};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;

/// What stands in a message for the nonce that the server made.
const NONCE: &str = "@";

/// A file with the user fred, whose password is "secret".
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("sasl-exchange-{}", std::process::id()));
    let made = || -> Result<Verifier, Box<dyn std::error::Error>> {
        let mut users = Users::nobody()?;
        // As few iterations as there may be: each message costs them.
        let keys: Keys = include_str!("../seeds/sasl_files/keys").trim_end().parse()?;
        users.set("fred", keys);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(users.written().as_bytes())?;
        Ok(Verifier {
            users: Store::new(path.clone())?,
            kerberos: None,
        })
    };
    match made() {
        Ok(verifier) => verifier,
        Err(failure) => panic!("no users: {failure}"),
    }
});

/// The first byte chooses the mechanism, the rest is messages with a line end behind each.
pub(crate) fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    // Tickets have a target of their own.
    let mechanism = if which % 2 == 0 {
        Mechanism::ScramSha256
    } else {
        Mechanism::Plain
    };
    let mut exchange = mechanism.begin(Protection::NotNeeded);
    let mut nonce = String::new();
    for message in bytes.split(|byte| *byte == b'\n') {
        let message = match std::str::from_utf8(message) {
            Ok(text) => text.replace(NONCE, &nonce).into_bytes(),
            Err(_) => message.to_vec(),
        };
        match exchange.step(&message, &VERIFIER) {
            Ok(Step::Challenge(next, answer)) => {
                let Ok(answer) = String::from_utf8(answer) else {
                    panic!("an answer is no text");
                };
                let first = answer.split(',').next().and_then(|part| part.strip_prefix("r="));
                first.unwrap_or_default().clone_into(&mut nonce);
                assert!(!nonce.is_empty());
                exchange = next;
            }
            Ok(Step::Proved(proof)) => {
                assert_eq!(proof.name, "fred");
                assert_eq!(proof.answer.is_some(), mechanism == Mechanism::ScramSha256);
                assert!(proof.layer.is_none());
                return;
            }
            Err(refused) => {
                assert!(!refused.is_own(), "{refused}");
                return;
            }
        }
    }
}
