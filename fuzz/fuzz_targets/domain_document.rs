#![no_main]

#[path = "../bodies/domain_document.rs"]
mod domain_document;

libfuzzer_sys::fuzz_target!(|data: &[u8]| domain_document::run(data));
