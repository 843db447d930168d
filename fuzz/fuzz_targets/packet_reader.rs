#![no_main]

#[path = "../bodies/packet_reader.rs"]
mod packet_reader;

libfuzzer_sys::fuzz_target!(|data: &[u8]| packet_reader::run(data));
