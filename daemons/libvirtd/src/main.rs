//! libvirtd: the drivers of all daemons in one process, at the old sockets and with the old configuration.

mod monolith;

use daemon::linked::Link;
use std::process::ExitCode;

/// Every driver, in the order in which they are opened: guests that start with the host need what other drivers have.
const DRIVERS: &[Link] = &[
    Link::to::<driver_secret::Driver>(),
    Link::to::<driver_storage::Driver>(),
    Link::to::<driver_network::Driver>(),
    Link::to::<driver_nwfilter::Driver>(),
    Link::to_hypervisor::<driver_qemu::Driver>(),
];

fn main() -> ExitCode {
    driver_qemu::become_guest().unwrap_or_else(daemon::run::<monolith::Monolith>)
}
