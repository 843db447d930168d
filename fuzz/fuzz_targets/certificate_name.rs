#![no_main]

#[path = "../bodies/certificate_name.rs"]
mod certificate_name;

libfuzzer_sys::fuzz_target!(|data: &[u8]| certificate_name::run(data));
