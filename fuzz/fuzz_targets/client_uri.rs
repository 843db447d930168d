#![no_main]

#[path = "../bodies/client_uri.rs"]
mod client_uri;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_uri::run(data));
