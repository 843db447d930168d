//! Documents of pools and volumes of libvirt's own cases become what libvirt makes of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "golden/round_trip.rs"]
mod round_trip;

use model::storage::{Pool, PoolKind, Volume};
use round_trip::round_trip;

/// Cases that differ for a known reason: `FOLDER/NAME: reason` lines.
const KNOWN: &str = include_str!("storage_corpus.known");

/// The kind of pool that a volume's case is about.
fn pool_of(name: &str) -> PoolKind {
    let words = [
        ("gluster", PoolKind::Gluster),
        ("logical", PoolKind::Logical),
        ("partition", PoolKind::Disk),
    ];
    let found = words.iter().find(|(word, _)| name.contains(word));
    found.map_or(PoolKind::Dir, |(_, kind)| *kind)
}

#[test]
fn pools_become_what_libvirt_makes_of_them() {
    round_trip("storage-pool", KNOWN, 30, |_, text| {
        let pool = Pool::from_xml(text)?;
        assert_eq!(
            Pool::from_xml(&pool.to_xml())?,
            pool,
            "it reads as it was written"
        );
        Ok(pool.to_xml())
    });
}

#[test]
fn volumes_become_what_libvirt_makes_of_them() {
    round_trip("storage-vol", KNOWN, 16, |name, text| {
        let written = Volume::from_xml(text, pool_of(name))?.to_xml();
        assert_eq!(
            Volume::from_xml(&written, pool_of(name))?.to_xml(),
            written,
            "it reads as it was written"
        );
        Ok(written)
    });
}
