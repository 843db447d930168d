#![no_main]

#[path = "../bodies/secret_document.rs"]
mod secret_document;
#[path = "../bodies/round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| secret_document::run(data));
