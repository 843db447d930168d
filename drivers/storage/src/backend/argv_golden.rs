//! Command lines of libvirt's own cases.
#![allow(clippy::print_stdout, reason = "a test")]

use super::tests::place_of;
use super::{Place, fs, logical, netfs};
use error::Result;
use model::storage::{Pool, PoolKind};
use std::path::Path;
use tool::Tool;

/// Cases; those of other systems mean nothing here. One of LVM has the document of another.
const CASES: &[&str] = &[
    "pool-fs-linux",
    "pool-netfs-linux",
    "pool-netfs-auto-linux",
    "pool-netfs-cifs-linux",
    "pool-netfs-protocol-ver-linux",
    "pool-logical",
    "pool-logical-noname",
    "pool-logical-nopath",
    "pool-logical-create",
];

/// What a start runs.
fn start(place: &Place) -> Result<Tool> {
    match place.pool.kind {
        PoolKind::Fs => Ok(fs::mount(place)?.tool(place.path()?, &place.pool)),
        PoolKind::Netfs => Ok(netfs::mount(place)?.tool(place.path()?, &place.pool)),
        _ => Ok(logical::activate(logical::group(place)?, true)),
    }
}

#[test]
fn command_lines_are_libvirts() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !corpus.is_dir() {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return;
    }
    let read = |path: &str| std::fs::read_to_string(corpus.join(path)).unwrap();
    let with_options = read("storage-pool/pool-netfs.in.xml")
        .replace("<format type='nfs'/>", "<format type='nfs'/><protocol ver='3'/>")
        .replace(
            "</pool>",
            "<fs:mount_opts xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><fs:option name='sync'/>\
             <fs:option name='lazytime'/></fs:mount_opts></pool>",
        );
    let cases = CASES.iter().map(|name| {
        let document = read(&format!(
            "storage-pool/{}.in.xml",
            name.trim_end_matches("-linux").trim_end_matches("-create")
        ));
        (*name, document)
    });
    for (name, document) in cases.chain([("pool-netfs-ns-mountopts-linux", with_options)]) {
        let pool = Pool::from_xml(&document).unwrap();
        let place = place_of(pool);
        let words = start(&place).unwrap().words();
        let expected = read(&format!("storage-pool-argv/{name}.argv")).replace("\\\n", " ");
        assert_eq!(
            words.join(" "),
            expected.split_whitespace().collect::<Vec<_>>().join(" "),
            "{name}"
        );
    }
}
