//! The fuzz targets' bodies over a bounded amount of random input that looks like messages.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;

#[path = "../../../fuzz/bodies/sasl_exchange.rs"]
mod sasl_exchange;
#[path = "../../../fuzz/bodies/sasl_files.rs"]
mod sasl_files;

const SEEDS: &[&[u8]] = &[
    include_bytes!("../../../fuzz/seeds/sasl_exchange/scram"),
    include_bytes!("../../../fuzz/seeds/sasl_exchange/scram-other"),
    include_bytes!("../../../fuzz/seeds/sasl_exchange/plain"),
    include_bytes!("../../../fuzz/seeds/sasl_exchange/plain-other"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn messages_may_be_anything(which in any::<u8>(), text in "[nyacrpx=, \n@a-c0-9]{0,60}", bytes in any::<Vec<u8>>()) {
        sasl_exchange::run(&[&[which], text.as_bytes()].concat());
        sasl_exchange::run(&[&[which], bytes.as_slice()].concat());
    }

    #[test]
    fn messages_may_be_nearly_right(seed in prop::sample::select(SEEDS), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        sasl_exchange::run(seed);
        let mut bytes = seed.to_vec();
        *bytes.get_mut(at.index(seed.len())).unwrap() = byte;
        sasl_exchange::run(&bytes);
    }

    #[test]
    fn files_may_hold_anything(text in "[#: \nmech_list$A-Z0-9=]{0,80}", any in any::<String>()) {
        sasl_files::run(text.as_bytes());
        sasl_files::run(any.as_bytes());
        sasl_files::run(include_bytes!("../../../fuzz/seeds/sasl_files/users"));
    }
}
