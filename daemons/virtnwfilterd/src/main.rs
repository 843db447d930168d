//! virtnwfilterd: network filters behind libvirt's protocol.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run::<driver_nwfilter::Driver>()
}
