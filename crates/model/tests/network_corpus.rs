//! Documents of networks of libvirt's own cases become what libvirt makes of them, and those it refuses are refused.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "golden/round_trip.rs"]
mod round_trip;

use model::network::Network;
use round_trip::{refused, round_trip};

#[test]
fn networks_become_what_libvirt_makes_of_them() {
    round_trip("network", "", 32, |_, text| {
        let network = Network::from_xml(text)?;
        assert_eq!(
            Network::from_xml(&network.to_xml())?,
            network,
            "it reads as it was written"
        );
        Ok(network.to_xml())
    });
}

#[test]
fn networks_that_cannot_be_are_refused() {
    refused("network", 4, |text| Network::from_xml(text).map(|_| ()));
}
