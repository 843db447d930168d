//! The document of a pool, a source or a volume from anybody: refused with an error or read; what was read is written so that
//! it reads the same.

use crate::round_trip::comes_back;
use model::storage::{Pool, PoolKind, PoolSource, Volume};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    comes_back(text, Pool::from_xml, Pool::to_xml);
    comes_back(text, PoolSource::from_xml, xml::to_string);
    for kind in PoolKind::ALL {
        // What clients are told has sizes that nobody said.
        comes_back(text, |text| Volume::from_xml(text, *kind), xml::to_string);
    }
}
