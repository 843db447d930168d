//! Conversations of stock clients with a stock daemon: every packet decodes with the project's tables, and encodes to
//! the same bytes. `golden/README.md` tells what each holds.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use std::collections::BTreeSet;
use std::path::Path;

use protocol::net::{self, Header, MessageType, Status, StreamHole};
use protocol::{PROGRAMS, Recode};
use rpc::{FrameReader, Packet};

/// Decodes the body by its type and encodes it again.
fn recode(header: &Header, body: &[u8]) -> Vec<u8> {
    let program = PROGRAMS
        .iter()
        .find(|program| program.number == header.prog)
        .expect("a known program");
    assert_eq!(program.version, header.vers);
    let procedure = program.procedure(header.proc).expect("a known procedure");
    let recodes = protocol::recodes(program, header.proc).unwrap_or_default();
    let by = |recode: &Recode| recode(body).expect(procedure.name);
    match (header.r#type, header.status, recodes) {
        (MessageType::Stream, ..) => {
            assert!(procedure.stream.is_some(), "{} opens a stream", procedure.name);
            body.to_vec()
        }
        (MessageType::StreamHole, ..) => {
            xdr::to_bytes(&xdr::from_bytes::<StreamHole>(body).unwrap()).unwrap()
        }
        (_, Status::Error, _) => xdr::to_bytes(&xdr::from_bytes::<net::Error>(body).unwrap()).unwrap(),
        (MessageType::Call, _, [args, _]) => by(args),
        (MessageType::Reply, _, [_, ret]) => by(ret),
        (MessageType::Message, _, [message]) => by(message),
        // Keepalive.
        (MessageType::Message, _, [args, _]) => by(args),
        other => panic!("{other:?}"),
    }
}

/// Checks the whole file; the procedures that occur in it.
fn check(name: &str) -> BTreeSet<(u32, i32)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let recorded = std::fs::read(path).unwrap();
    let mut seen = BTreeSet::new();
    let mut rest = recorded.as_slice();
    while let Some((side, packet)) = rest.split_first() {
        let length = u32::from_be_bytes(*packet.first_chunk().unwrap()) as usize;
        let (packet, behind) = packet.split_at(length);
        rest = behind;
        let mut reader = FrameReader::new();
        let mut left = packet;
        while !left.is_empty() {
            let room = reader.room();
            let count = room.len().min(left.len());
            room[..count].copy_from_slice(&left[..count]);
            reader.received(count, None).unwrap();
            left = &left[count..];
            // Makes the reader know how much it needs.
            let _ = reader.peek().unwrap();
        }
        let frame = reader.peek().unwrap().expect("a whole packet");
        let header = frame.header;
        match header.r#type {
            MessageType::Call => assert_eq!(*side, b'C'),
            MessageType::Reply => assert_eq!(*side, b'S'),
            _ => {}
        }
        let body = recode(&header, reader.body(&frame));
        assert_eq!(
            Packet::raw(header, &body).unwrap().bytes(),
            packet,
            "{name}: {header:?}"
        );
        seen.insert((header.prog, header.proc));
    }
    seen
}

#[test]
fn virsh_lists_nothing() {
    let seen = check("virsh-list.bin");
    for procedure in [1, 2, 60, 66, 273, 360] {
        assert!(
            seen.contains(&(protocol::remote::PROGRAM.number, procedure)),
            "{procedure}"
        );
    }
}

#[test]
fn virsh_manages_a_domain() {
    assert!(check("virsh-test.bin").len() > 15);
}

#[test]
fn virt_admin_asks_a_daemon() {
    assert!(
        check("virt-admin.bin")
            .iter()
            .all(|(program, _)| *program == protocol::admin::PROGRAM.number)
    );
}

#[test]
fn python_hears_events() {
    let seen = check("python-events.bin");
    assert!(seen.contains(&(protocol::remote::PROGRAM.number, 318)));
    assert!(seen.contains(&(protocol::keepalive::PROGRAM.number, 2)));
}

#[test]
fn python_moves_volumes() {
    let seen = check("python-streams.bin");
    assert!(seen.contains(&(protocol::remote::PROGRAM.number, 208)));
    assert!(seen.contains(&(protocol::remote::PROGRAM.number, 209)));
}
