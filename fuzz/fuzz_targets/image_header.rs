#![no_main]

#[path = "../bodies/image_header.rs"]
mod image_header;

libfuzzer_sys::fuzz_target!(|data: &[u8]| image_header::run(data));
