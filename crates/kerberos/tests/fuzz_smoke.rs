//! The fuzz target's body over a bounded amount of random input that looks like tokens and keytabs.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;

#[path = "../../../fuzz/bodies/kerberos.rs"]
mod body;

const SEEDS: &[&[u8]] = &[
    include_bytes!("../../../fuzz/seeds/kerberos/token"),
    include_bytes!("../../../fuzz/seeds/kerberos/ticket"),
    include_bytes!("../../../fuzz/seeds/kerberos/proof"),
    include_bytes!("../../../fuzz/seeds/kerberos/keytab"),
    include_bytes!("../../../fuzz/seeds/kerberos/signed"),
    include_bytes!("../../../fuzz/seeds/kerberos/encrypted"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn tokens_may_be_anything(which in any::<u8>(), bytes in any::<Vec<u8>>()) {
        body::run(&[&[which], bytes.as_slice()].concat());
    }

    #[test]
    fn tokens_may_be_nearly_right(
        seed in prop::sample::select(SEEDS),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        end in any::<prop::sample::Index>(),
    ) {
        body::run(seed);
        let mut bytes = seed.to_vec();
        *bytes.get_mut(at.index(seed.len())).unwrap() = byte;
        body::run(&bytes);
        bytes.truncate(end.index(seed.len()));
        body::run(&bytes);
    }
}
