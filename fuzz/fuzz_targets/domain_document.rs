#![no_main]

#[path = "../bodies/domain_document.rs"]
mod domain_document;
#[path = "../bodies/round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| domain_document::run(data));
