//! virtqemud: the QEMU driver behind its own sockets.

fn main() {}
