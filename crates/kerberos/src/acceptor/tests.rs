use super::*;
use crate::{Client, keytab};
use std::time::Duration;

const NOW: u64 = 1_800_000_000;
const HOST: &[&str] = &["libvirt", "host.example.com"];

fn now(later: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + later)
}

fn key(byte: u8) -> Key {
    Key::new(18, &[byte; 32]).unwrap()
}

fn keytab() -> Keytab {
    let entries = [
        (HOST, "EXAMPLE.COM", 1, 18, &[1; 32][..]),
        (HOST, "EXAMPLE.COM", 2, 18, &[2; 32]),
        (HOST, "OTHER.ORG", 1, 18, &[1; 32]),
        (&["HTTP", "host.example.com"], "EXAMPLE.COM", 1, 18, &[1; 32]),
    ];
    Keytab::parse(&keytab::written(&entries)).unwrap()
}

fn client() -> Client {
    Client::new(key(1), NOW).unwrap()
}

fn accept(client: &Client) -> Result<Accepted, Refused> {
    Acceptor::new("libvirt").accept(&client.token().unwrap(), &keytab(), now(0))
}

fn talk(client: &Client, mut accepted: Accepted) {
    let mut other = client.context(accepted.answer.as_deref()).unwrap();
    let message = accepted.context.sign(b"from the service").unwrap();
    assert_eq!(other.verify(&message).unwrap(), b"from the service");
    let message = other.sign(b"from the client").unwrap();
    assert_eq!(accepted.context.verify(&message).unwrap(), b"from the client");
}

#[test]
fn a_client_with_a_ticket_is_believed() {
    let accepted = accept(&client()).unwrap();
    assert_eq!(accepted.client.to_string(), "fred@EXAMPLE.COM");
    assert!(accepted.context.is_fresh());
    for kind in Encryption::ALL {
        let random = || Key::random(kind).unwrap();
        for change in [
            |_: &mut Client| {},
            |client: &mut Client| client.subkey = None,
            |client: &mut Client| client.service_key = (key(2), None),
            |client: &mut Client| client.service_key = (key(2), Some(2)),
            |client: &mut Client| client.wishes = Some(0x10),
            |client: &mut Client| client.restriction = None,
            |client: &mut Client| client.now = NOW - 299,
            |client: &mut Client| client.times = (NOW + 200, NOW + 300),
            |client: &mut Client| client.times = (0, NOW - 200),
        ] {
            let mut client = client();
            (client.session_key, client.subkey) = (random(), Some(random()));
            change(&mut client);
            let accepted = accept(&client).unwrap();
            assert_eq!(accepted.context.encryption(), kind);
            assert_eq!(accepted.answer.is_some(), client.wishes == Some(0x3e));
            assert_eq!(accepted.context.is_fresh(), accepted.answer.is_some());
            talk(&client, accepted);
        }
    }
}

#[test]
fn another_realm_answers_for_its_clients_when_the_way_was_checked() {
    let mut client = client();
    client.service_realm = "OTHER.ORG";
    let refused = accept(&client).unwrap_err().to_string();
    assert!(refused.contains("other realms"), "{refused}");
    client.flags = [0, 8, 0, 0];
    assert_eq!(accept(&client).unwrap().client.to_string(), "fred@EXAMPLE.COM");
}

#[test]
fn whatever_is_wrong_is_refused_with_its_reason() {
    type Change = fn(&mut Client);
    let changes: &[(Change, &str)] = &[
        (
            |client| client.service = vec!["HTTP", "host.example.com"],
            "ticket is for HTTP/host.example.com@EXAMPLE.COM",
        ),
        (
            |client| client.service = vec!["libvirt"],
            "ticket is for libvirt@EXAMPLE.COM",
        ),
        (
            |client| client.service = vec!["libvirt", "elsewhere"],
            "no key of libvirt/elsewhere@EXAMPLE.COM",
        ),
        (|client| client.service_key.1 = Some(3), "with version 3"),
        (
            |client| client.service_key.1 = Some(2),
            "does not fit the key in the keytab",
        ),
        (
            |client| client.service_key.0 = key(3),
            "does not fit the key in the keytab",
        ),
        (
            |client| client.service_key.0 = Key::new(17, &[1; 16]).unwrap(),
            "for aes128-cts-hmac-sha1-96 with version 1",
        ),
        (
            |client| client.pretended = Some(vec!["joe"]),
            "the proof of fred@EXAMPLE.COM",
        ),
        (|client| client.flags = [1, 0, 0, 0], "not valid yet"),
        (|client| client.times = (NOW + 301, NOW + 900), "not valid yet"),
        (|client| client.times = (0, NOW - 301), "expired"),
        (
            |client| client.now = NOW - 301,
            "clock of fred@EXAMPLE.COM differs from this host's by 301 seconds",
        ),
        (|client| client.now = NOW + 301, "by 301 seconds"),
        (|client| client.wishes = None, "what it wishes"),
        (|client| client.wishes = Some(0x1002), "a third message"),
        (
            |client| client.options = [0x60, 0, 0, 0],
            "a ticket between users",
        ),
        (|client| client.restriction = Some(4), "restrictions"),
        (|client| client.sequence = 1 << 32, "begins nowhere"),
        (|client| client.name = vec!["fr\ned"], "control characters"),
        (|client| client.name = vec![], "empty"),
    ];
    for (change, reason) in changes {
        let mut client = client();
        change(&mut client);
        let refused = accept(&client).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_proof_is_good_once() {
    let acceptor = Acceptor::new("libvirt");
    let (client, keytab) = (client(), keytab());
    let token = client.token().unwrap();
    acceptor.accept(&token, &keytab, now(0)).unwrap();
    let refused = acceptor.accept(&token, &keytab, now(299)).unwrap_err();
    assert!(matches!(refused, Refused::Replay(_)), "{refused}");
    // The same ticket is good with another proof.
    acceptor
        .accept(&client.token().unwrap(), &keytab, now(1))
        .unwrap();
}

#[test]
fn a_changed_token_is_refused() {
    let token = client().token().unwrap();
    let acceptor = Acceptor::new("libvirt");
    let keytab = keytab();
    for place in 0..token.len() {
        assert!(acceptor.accept(&token[..place], &keytab, now(0)).is_err());
        for bit in [1, 0x80] {
            let mut changed = token.clone();
            changed[place] ^= bit;
            match acceptor.accept(&changed, &keytab, now(0)) {
                Err(_) => {}
                // Nothing depends on what kind of name it is, nor on options that nobody has.
                Ok(accepted) => assert_eq!(accepted.client.to_string(), "fred@EXAMPLE.COM"),
            }
        }
    }
}

#[test]
fn older_peers_may_count_with_a_sign() {
    assert_eq!(sequence(-1).unwrap(), u64::from(u32::MAX));
    assert_eq!(sequence(0xffff_ffff).unwrap(), u64::from(u32::MAX));
    assert!(sequence(-1 - (1 << 31)).is_err());
}
