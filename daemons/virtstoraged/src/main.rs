//! virtstoraged: storage pools and volumes behind libvirt's protocol.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run::<driver_storage::Driver>()
}
