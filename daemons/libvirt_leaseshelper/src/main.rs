//! libvirt_leaseshelper: run by dnsmasq for each lease, which it writes down where virtnetworkd looks.

use std::process::ExitCode;

fn main() -> ExitCode {
    driver_network::leases::helper::main()
}
