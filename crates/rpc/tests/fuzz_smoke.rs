//! The fuzz targets' bodies over a bounded amount of random input, with and without a likeness to real packets.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test"
)]

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use protocol::PROGRAMS;

#[path = "../../../fuzz/bodies/connection.rs"]
mod connection;
#[path = "../../../fuzz/bodies/packet_reader.rs"]
mod packet_reader;
#[path = "../../../fuzz/bodies/procedure_arguments.rs"]
mod procedure_arguments;

/// The same input in each run.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Words as they occur in packets: small numbers, lengths, and what is out of every range.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0u32..8,
        3 => 0u32..300,
        1 => prop::sample::select(vec![0x2000_8086, 0x6b65_6570, 33_554_436, 33_554_437, u32::MAX, 1 << 31]),
        1 => any::<u32>(),
    ]
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(word(), 0..40)
        .prop_map(|words| words.into_iter().flat_map(u32::to_be_bytes).collect())
}

/// Packets that are nearly right, one behind the other.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let packet = (0u32..7, 0u32..4, words()).prop_map(|(kind, status, body)| {
        let mut packet = Vec::new();
        for word in [
            28 + u32::try_from(body.len()).unwrap(),
            0x2000_8086,
            1,
            1,
            kind,
            1,
            status.min(2),
        ] {
            packet.extend_from_slice(&word.to_be_bytes());
        }
        packet.extend_from_slice(&body);
        packet
    });
    prop::collection::vec(packet, 0..6).prop_map(|packets| packets.concat())
}

#[test]
fn the_packet_reader_takes_anything() {
    let bytes = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), words(), packets()];
    let input = (any::<u8>(), bytes);
    runner(3000)
        .run(&input, |(part, mut bytes)| {
            bytes.insert(0, part);
            packet_reader::run(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_server_takes_anything() {
    let stream = include_bytes!("../../../fuzz/seeds/connection/plain");
    let nearly = (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| {
        let mut bytes = stream[1..].to_vec();
        bytes[at.index(stream.len() - 1)] = byte;
        bytes
    });
    let input = (any::<u8>(), prop_oneof![words(), packets(), nearly]);
    runner(1000)
        .run(&input, |(how, mut bytes)| {
            bytes.insert(0, how);
            connection::run(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_body_of_every_procedure_takes_anything() {
    let inputs = prop::collection::vec(
        prop_oneof![words(), prop::collection::vec(any::<u8>(), 0..100)],
        30,
    );
    runner(10)
        .run(&inputs, |inputs| {
            for (which, program) in PROGRAMS.iter().enumerate() {
                for number in 0..program.procedures.len() {
                    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
                    for input in &inputs {
                        let mut data = vec![u8::try_from(which).unwrap(), high, low];
                        data.extend_from_slice(input);
                        procedure_arguments::run(&data);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}
