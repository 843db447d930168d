//! virtqemud: the QEMU driver behind its own sockets.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run::<driver_qemu::Driver>()
}
