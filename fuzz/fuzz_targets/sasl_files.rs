#![no_main]

#[path = "../bodies/sasl_files.rs"]
mod sasl_files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sasl_files::run(data));
