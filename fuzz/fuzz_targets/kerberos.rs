#![no_main]

#[path = "../bodies/kerberos.rs"]
mod kerberos_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| kerberos_body::run(data));
