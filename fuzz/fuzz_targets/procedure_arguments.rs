#![no_main]

#[path = "../bodies/procedure_arguments.rs"]
mod procedure_arguments;

libfuzzer_sys::fuzz_target!(|data: &[u8]| procedure_arguments::run(data));
