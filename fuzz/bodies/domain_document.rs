//! A domain's document from anybody: refused with an error or read; what was read is written so that it reads the same.

use crate::round_trip::comes_back;
use model::domain::Domain;

pub(crate) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        comes_back(text, Domain::from_xml, Domain::to_xml);
    }
}
