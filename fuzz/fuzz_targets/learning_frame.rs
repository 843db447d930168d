#![no_main]

#[path = "../bodies/learning_frame.rs"]
mod learning_frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| learning_frame::run(data));
