//! virtproxyd: lets clients of libvirtd's old sockets, and clients from afar, reach the modular daemons.
//!
//! It looks at the URI that a client opens, connects to the daemon that serves it, and from then on passes packets on
//! without knowing what they mean. It keeps nothing.

mod proxy;

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::run::<proxy::Proxy>()
}
