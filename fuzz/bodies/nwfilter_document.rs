//! The document of a filter or of a binding from anybody: refused with an error or read; what was read is written so that it
//! reads the same.

use crate::round_trip::comes_back;
use model::nwfilter::{Binding, Filter};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    comes_back(text, Filter::from_xml, Filter::to_xml);
    comes_back(text, Binding::from_xml, Binding::to_xml);
}
