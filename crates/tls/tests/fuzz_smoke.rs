//! The fuzz target's body over a bounded amount of random input.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;

#[path = "../../../fuzz/bodies/certificate_name.rs"]
mod certificate_name;

const CERTIFICATES: &[&[u8]] = &[
    include_bytes!("../../../fuzz/seeds/certificate_name/certtool"),
    include_bytes!("../../../fuzz/seeds/certificate_name/every-part"),
    include_bytes!("../../../fuzz/seeds/certificate_name/unicode"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_certificate_may_be_nearly_right(seed in prop::sample::select(CERTIFICATES), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = seed.to_vec();
        *bytes.get_mut(at.index(seed.len())).unwrap() = byte;
        certificate_name::run(&bytes);
    }

    #[test]
    fn patterns_match_as_they_plainly_do(pattern in "[*ab]{0,8}", name in "[*ab]{0,10}") {
        certificate_name::run(format!("{pattern}\0{name}").as_bytes());
    }
}
