#![no_main]

#[path = "../bodies/nwfilter_document.rs"]
mod nwfilter_document;
#[path = "../bodies/round_trip.rs"]
mod round_trip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| nwfilter_document::run(data));
