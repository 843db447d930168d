//! Async client of any daemon that speaks the protocol.
