#![no_main]

#[path = "../bodies/storage_document.rs"]
mod storage_document;
#[path = "../bodies/round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| storage_document::run(data));
