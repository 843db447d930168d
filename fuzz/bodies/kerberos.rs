//! Whatever a client may say that wants in by Kerberos, and files of keys: refused, or believed to be the one client there is.
//!
//! The parts of a token are encrypted, so what they hold is fed to a client that encrypts it.

use kerberos::{Acceptor, Client, Key, Keytab};
use std::time::{Duration, SystemTime};

const NOW: u64 = 1_800_000_000;

/// A client whose keys are always the same.
fn client() -> Client {
    let made = || {
        let key = |byte| Key::new(18, &[byte; 32]);
        let mut client = Client::new(key(1)?, NOW)?;
        (client.session_key, client.subkey) = (key(2)?, Some(key(3)?));
        Ok::<_, kerberos::Refused>(client)
    };
    match made() {
        Ok(client) => client,
        Err(refused) => panic!("no client: {refused}"),
    }
}

/// What the first byte chooses: a token, what a ticket holds, a proof, a keytab, or a message of who is believed.
pub(crate) fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    let mut client = client();
    let token = match which % 5 {
        0 => Ok(bytes.to_vec()),
        1 => {
            client.content = Some(bytes.to_vec());
            client.token()
        }
        2 => {
            client.proof = Some(bytes.to_vec());
            client.token()
        }
        3 => return drop(Keytab::parse(bytes)),
        _ => client.token(),
    };
    let (Ok(token), Ok(keytab)) = (token, Keytab::parse(&client.keytab())) else {
        panic!("the client cannot speak");
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let Ok(mut accepted) = Acceptor::new("libvirt").accept(&token, &keytab, now) else {
        assert!(which % 5 != 4);
        return;
    };
    let _ = accepted.client.to_string();
    if which % 5 == 4 {
        assert!(accepted.context.verify(bytes).is_err());
        match accepted.context.into_layer() {
            Ok((_, mut opening)) => assert!(opening.open(&mut bytes.to_vec()).is_err()),
            Err(refused) => panic!("{refused}"),
        }
    }
}
