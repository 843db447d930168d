#![no_main]

#[path = "../bodies/network_document.rs"]
mod network_document;
#[path = "../bodies/round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| network_document::run(data));
