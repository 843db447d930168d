#![no_main]

#[path = "../bodies/command_line.rs"]
mod command_line;

libfuzzer_sys::fuzz_target!(|data: &[u8]| command_line::run(data));
