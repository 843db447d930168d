//! The document of a network or of a port from anybody: refused with an error or read; what was read is written so that it
//! reads the same.

use crate::round_trip::comes_back;
use model::network::{Network, NetworkPort};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    comes_back(text, Network::from_xml, Network::to_xml);
    comes_back(text, NetworkPort::from_xml, NetworkPort::to_xml);
}
