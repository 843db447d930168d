//! The server's side of GSSAPI (RFC 4752): after Kerberos has proved who both sides are they agree on what encrypts the rest.
//!
//! ```text
//! client                            server
//!   token with a ticket ──────────►
//!                       ◄──────────  token, if the client wants a proof as well
//!   nothing             ──────────►
//!                       ◄──────────  signed: what may be, how long a message may be
//!   signed: what shall be, how long a message may be, as whom
//!                       ──────────►  proved
//! ```
//! One thing alone is offered: to encrypt, where nothing else does, and nothing, where something else does or nobody can listen.

use crate::{Proof, Protection, Refused};
use kerberos::{Acceptor, Context, Keytab, KeytabError, OVERHEAD, Opening, Principal, Sealing};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The service that tickets are for.
const SERVICE: &str = "libvirt";

/// What may be done with all that follows.
const NOTHING: u8 = 1;
const ENCRYPT: u8 = 4;

/// How long a message of the client may be, in bytes.
const RECEIVED_MAX: usize = 64 << 10;

/// How long a message of the server is, in bytes, at most.
const SENT_MAX: usize = 64 << 10;

/// How long messages have to be let be, in bytes: shorter ones would hold more of themselves than of what they carry.
const SENT_MIN: usize = 1024;

/// Tickets for this service.
#[derive(Debug)]
pub struct Kerberos {
    acceptor: Acceptor,
    keytab: PathBuf,
}

impl Kerberos {
    /// With the keys in that file, which is read anew for each ticket.
    pub fn new(keytab: PathBuf) -> Self {
        let acceptor = Acceptor::new(SERVICE);
        Self { acceptor, keytab }
    }

    /// Where the keys are.
    pub fn keytab(&self) -> &Path {
        &self.keytab
    }

    /// Whether there is a key for this service; blocks.
    ///
    /// # Errors
    /// What is in the way.
    pub fn check(&self) -> Result<(), String> {
        let keytab = self.read().map_err(|failure| failure.to_string())?;
        if keytab.serves(SERVICE) {
            return Ok(());
        }
        Err(format!(
            "it has no key of AES for {SERVICE}/ and this host's name"
        ))
    }

    fn read(&self) -> Result<Keytab, KeytabError> {
        Keytab::read(&self.keytab)
    }

    /// Takes a client's token; the answer, if it wants one, and what is offered after it.
    pub(crate) fn accept(
        &self,
        token: &[u8],
        protection: Protection,
    ) -> Result<(Offer, Option<Vec<u8>>), Refused> {
        let keytab = self.read().map_err(Refused::Keytab)?;
        let accepted = self.acceptor.accept(token, &keytab, SystemTime::now())?;
        if let Protection::Needed(strength) = protection
            && (!accepted.context.is_fresh() || accepted.context.encryption().strength() < strength)
        {
            return Err(Refused::Unprotected(accepted.client.to_string()));
        }
        let offer = Offer {
            client: accepted.client,
            is_local: accepted.is_local,
            context: accepted.context,
            encrypt: protection != Protection::NotNeeded,
        };
        Ok((offer, accepted.answer))
    }
}

/// The server has to say what it offers.
#[derive(Debug)]
pub(crate) struct Offer {
    client: Principal,
    is_local: bool,
    context: Context,
    encrypt: bool,
}

impl Offer {
    /// Says it, after the client has said nothing.
    pub(crate) fn make(mut self, message: &[u8]) -> Result<(Choice, Vec<u8>), Refused> {
        if !message.is_empty() {
            return Err(Refused::Malformed(
                "it says something where nothing is left to say",
            ));
        }
        let said = if self.encrypt {
            said(ENCRYPT, RECEIVED_MAX)
        } else {
            said(NOTHING, 0)
        };
        let answer = self.context.sign(&said)?;
        Ok((Choice(self), answer))
    }
}

/// The client has to say what it chooses.
#[derive(Debug)]
pub(crate) struct Choice(Offer);

impl Choice {
    /// Takes the choice.
    pub(crate) fn take(self, message: &[u8]) -> Result<Proof, Refused> {
        let Offer {
            client,
            is_local,
            mut context,
            encrypt,
        } = self.0;
        let text = context.verify(message)?;
        let (said, wanted) = text
            .split_first_chunk::<4>()
            .ok_or(Refused::Malformed("it chooses nothing"))?;
        let name = client.to_string();
        let local_name = is_local.then(|| client.name());
        let wanted =
            std::str::from_utf8(wanted).map_err(|_| Refused::Malformed("whom it acts as is no UTF-8"))?;
        if !(wanted.is_empty() || wanted == name || Some(wanted) == local_name.as_deref()) {
            return Err(Refused::OnBehalf(name, wanted.to_owned()));
        }
        let [chosen, a, b, c] = *said;
        if chosen != if encrypt { ENCRYPT } else { NOTHING } {
            return Err(Refused::Unprotected(name));
        }
        let layer = if encrypt {
            let sent_max = u32::from_be_bytes([0, a, b, c]) as usize;
            if sent_max < SENT_MIN {
                return Err(Refused::Malformed("it takes no messages of a useful length"));
            }
            let (sealing, opening) = context.into_layer()?;
            Some(Box::new(Layer {
                sealing,
                opening,
                carried_max: sent_max.min(SENT_MAX).saturating_sub(OVERHEAD),
                received_max: RECEIVED_MAX,
            }))
        } else {
            None
        };
        Ok(Proof {
            name,
            local_name,
            answer: None,
            layer,
        })
    }
}

fn said(what: u8, length: usize) -> [u8; 4] {
    let [_, a, b, c] = u32::try_from(length).unwrap_or_default().to_be_bytes();
    [what, a, b, c]
}

/// What encrypts everything from now on.
#[derive(Debug)]
pub struct Layer {
    /// For what is sent.
    pub sealing: Sealing,
    /// For what is received.
    pub opening: Opening,
    /// How many bytes a message may carry to the client.
    pub carried_max: usize,
    /// How long a message of the client may be, in bytes.
    pub received_max: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Exchange, Mechanism, Step, Store, Verifier};
    use kerberos::{Client, Encryption, Key};

    struct Host {
        verifier: Verifier,
        client: Client,
        _folder: tempfile::TempDir,
    }

    impl Host {
        fn new() -> Self {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs();
            let client = Client::new(Key::random(Encryption::Aes128Sha1).unwrap(), now).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let keytab = folder.path().join("krb5.tab");
            std::fs::write(&keytab, client.keytab()).unwrap();
            let verifier = Verifier {
                users: Store::new(folder.path().join("nobody")).unwrap(),
                kerberos: Some(Kerberos::new(keytab)),
            };
            Self {
                verifier,
                client,
                _folder: folder,
            }
        }

        fn step(&self, exchange: Exchange, message: &[u8]) -> Result<Step, Refused> {
            exchange.step(message, &self.verifier)
        }

        /// To the place where the client has to choose: the exchange, its context and what is offered.
        fn to_choice(&self, protection: Protection) -> Result<(Exchange, Context, Vec<u8>), Refused> {
            let token = self.client.token().unwrap();
            let begun = self.step(Mechanism::Gssapi.begin(protection), &token)?;
            let Step::Challenge(mut exchange, mut answer) = begun else {
                panic!("{begun:?}");
            };
            let mut token = None;
            if self.client.wishes == Some(0x3e) {
                token = Some(answer);
                let Step::Challenge(next, offer) = self.step(exchange, b"")? else {
                    panic!("nothing is offered");
                };
                (exchange, answer) = (next, offer);
            }
            let mut context = self.client.context(token.as_deref()).unwrap();
            let offer = context.verify(&answer).unwrap();
            Ok((exchange, context, offer))
        }

        fn choose(
            &self,
            protection: Protection,
            choice: &[u8],
        ) -> Result<(String, Option<Box<Layer>>), Refused> {
            let (exchange, mut context, _) = self.to_choice(protection)?;
            let message = context.sign(choice).unwrap();
            match self.step(exchange, &message)? {
                Step::Proved(proof) => {
                    assert_eq!(proof.local_name.as_deref(), Some("fred"));
                    assert!(proof.answer.is_none());
                    Ok((proof.name, proof.layer))
                }
                other => panic!("{other:?}"),
            }
        }
    }

    const NEEDED: Protection = Protection::Needed(56);

    #[test]
    fn what_nothing_else_encrypts_is_encrypted() {
        let host = Host::new();
        let (exchange, mut context, offer) = host.to_choice(NEEDED).unwrap();
        assert_eq!(offer, [4, 1, 0, 0]);
        let message = context.sign(b"\x04\0\x10\0").unwrap();
        let Step::Proved(proof) = host.step(exchange, &message).unwrap() else {
            panic!("nothing is proved");
        };
        assert_eq!(proof.name, "fred@EXAMPLE.COM");
        let mut layer = proof.layer.unwrap();
        assert_eq!((layer.carried_max, layer.received_max), (4096 - OVERHEAD, 65536));
        let (mut sealing, mut opening) = context.into_layer().unwrap();
        let mut message = Vec::new();
        layer.sealing.seal(b"hello", &mut message).unwrap();
        let range = opening.open(&mut message).unwrap();
        assert_eq!(&message[range], b"hello");
        let mut message = Vec::new();
        sealing.seal(b"hi", &mut message).unwrap();
        let range = layer.opening.open(&mut message).unwrap();
        assert_eq!(&message[range], b"hi");
    }

    #[test]
    fn where_something_else_encrypts_a_name_is_all() {
        let mut host = Host::new();
        for wishes in [0x3e, 0x10] {
            host.client.wishes = Some(wishes);
            let (_, _, offer) = host.to_choice(Protection::NotNeeded).unwrap();
            assert_eq!(offer, [1, 0, 0, 0]);
            let (name, layer) = host.choose(Protection::NotNeeded, b"\x01\0\0\0").unwrap();
            assert!(name == "fred@EXAMPLE.COM" && layer.is_none());
        }
        // Without a key of ours it could be what somebody else said before.
        let refused = host.choose(NEEDED, b"\x04\x01\0\0").unwrap_err();
        assert!(matches!(refused, Refused::Unprotected(_)), "{refused}");
    }

    #[test]
    fn other_choices_are_refused() {
        let host = Host::new();
        for (protection, choice, reason) in [
            (NEEDED, &b"\x01\0\0\0"[..], "protected less"),
            (NEEDED, b"\x06\x01\0\0", "protected less"),
            (NEEDED, b"\x04\0\x03\xff", "useful length"),
            (NEEDED, b"\x04\x01\0", "chooses nothing"),
            (NEEDED, b"\x04\x01\0\0joe", "act as \"joe\""),
            (NEEDED, b"\x04\x01\0\0\xff", "no UTF-8"),
            (Protection::NotNeeded, b"\x04\x01\0\0", "protected less"),
            (Protection::Needed(257), b"\x04\x01\0\0", "protected less"),
        ] {
            let refused = host.choose(protection, choice).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        for wanted in ["fred", "fred@EXAMPLE.COM"] {
            let choice = [b"\x04\x01\0\0", wanted.as_bytes()].concat();
            host.choose(NEEDED, &choice).unwrap();
        }
        let (exchange, _, _) = host.to_choice(NEEDED).unwrap();
        assert!(host.step(exchange, b"\x04\x01\0\0").is_err());
        let token = host.client.token().unwrap();
        let Step::Challenge(exchange, _) = host.step(Mechanism::Gssapi.begin(NEEDED), &token).unwrap() else {
            panic!("no answer");
        };
        assert!(host.step(exchange, b"x").is_err());
    }

    #[test]
    fn a_keytab_without_keys_for_the_service_is_none() {
        let mut host = Host::new();
        let kerberos = host.verifier.kerberos.take().unwrap();
        kerberos.check().unwrap();
        host.client.service = vec!["HTTP", "host.example.com"];
        std::fs::write(kerberos.keytab(), host.client.keytab()).unwrap();
        assert!(
            kerberos
                .check()
                .unwrap_err()
                .contains("no key of AES for libvirt/")
        );
        std::fs::remove_file(kerberos.keytab()).unwrap();
        assert!(kerberos.check().is_err());
        let refused = host.step(Mechanism::Gssapi.begin(NEEDED), b"").unwrap_err();
        assert!(matches!(refused, Refused::NoKeytab));
    }
}
