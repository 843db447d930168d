#![no_main]

#[path = "../bodies/sasl_exchange.rs"]
mod sasl_exchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sasl_exchange::run(data));
