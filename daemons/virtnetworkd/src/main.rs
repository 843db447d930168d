//! virtnetworkd: virtual networks behind libvirt's protocol.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run::<driver_network::Driver>()
}
