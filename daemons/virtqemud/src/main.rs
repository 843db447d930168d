//! virtqemud: QEMU guests behind libvirt's protocol.

use std::process::ExitCode;

fn main() -> ExitCode {
    driver_qemu::become_guest().unwrap_or_else(daemon::run::<driver_qemu::Driver>)
}
