//! The fuzz target's body over a bounded amount of random input.
#![allow(clippy::panic, reason = "a test")]

use proptest::prelude::*;

#[path = "../../../fuzz/bodies/client_uri.rs"]
mod client_uri;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_uri_may_be_anything(any in any::<String>(), likely in "(qemu|lxc|x)(\\+(unix|tcp))?://(a|)(/[a-z/%?&=]{0,12})?(\\?(socket|mode)=[a-z%0-9]{0,8})?") {
        client_uri::run(any.as_bytes());
        client_uri::run(likely.as_bytes());
    }
}
