//! virtlockd: guests' leases behind libvirt's protocol.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run::<driver_lock::Driver>()
}
