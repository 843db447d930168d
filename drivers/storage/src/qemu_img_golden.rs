//! Command lines of libvirt's own cases.
#![allow(clippy::print_stdout, reason = "a test")]

use super::{Image, Key, Preallocation, Wanted, convert, create};
use model::storage::{PoolKind, Volume};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tool::Tool;

/// Cases that differ for a known reason.
const KNOWN: &[(&str, &str)] = &[
    (
        "qcow2-nocow",
        "encryption=on is for encryption in a way that QEMU does not make any more, and its document has none",
    ),
    (
        "qcow2-nocapacity-convert-prealloc",
        "the daemon of libvirt 11.3 gives no room to such a copy either, only its test of the function does",
    ),
];

/// Name of the case, kind of pool and document of the volume, the same of its source, whether metadata has room at once.
type Case = (
    &'static str,
    (PoolKind, &'static str),
    Option<(PoolKind, &'static str)>,
    bool,
);

const CASES: &[Case] = {
    use PoolKind::{Dir, Logical};
    &[
        ("iso", (Dir, "file-iso"), None, false),
        ("iso-input", (Dir, "file"), Some((Dir, "file-iso")), false),
        ("qcow2-1.1", (Dir, "qcow2-1.1"), None, false),
        ("qcow2-clusterSize", (Dir, "qcow2-clusterSize"), None, false),
        ("qcow2-compat", (Dir, "qcow2"), None, false),
        ("qcow2-lazy", (Dir, "qcow2-lazy"), None, false),
        ("qcow2-nocow", (Dir, "qcow2-nocow"), None, false),
        ("qcow2-nocapacity", (Dir, "qcow2-nocapacity-backing"), None, false),
        ("qcow2-zerocapacity", (Dir, "qcow2-zerocapacity"), None, false),
        (
            "qcow2-nobacking-prealloc-compat",
            (Dir, "qcow2-nobacking"),
            None,
            true,
        ),
        (
            "qcow2-nobacking-convert-prealloc-compat",
            (Dir, "qcow2-nobacking"),
            Some((Dir, "file")),
            true,
        ),
        (
            "qcow2-nocapacity-convert-prealloc",
            (Dir, "qcow2-nocapacity"),
            Some((Dir, "file")),
            false,
        ),
        (
            "logical-from-qcow2",
            (Logical, "logical"),
            Some((Dir, "qcow2")),
            false,
        ),
        (
            "qcow2-from-logical-compat",
            (Dir, "qcow2-nobacking"),
            Some((Logical, "logical")),
            false,
        ),
        ("luks-cipher", (Dir, "luks-cipher"), None, false),
        (
            "luks-convert-qcow2",
            (Dir, "luks-convert"),
            Some((Dir, "file-qcow2")),
            false,
        ),
        (
            "luks-convert-encrypt2fileqcow2",
            (Dir, "file-qcow2"),
            Some((Dir, "luks-convert")),
            false,
        ),
        (
            "luks-convert-encrypt2fileraw",
            (Dir, "file"),
            Some((Dir, "luks-convert")),
            false,
        ),
        (
            "qcow2-luks-convert-encrypt2fileqcow2",
            (Dir, "file-qcow2"),
            Some((Dir, "qcow2-luks-convert")),
            false,
        ),
        (
            "qcow2-luks-convert-encrypt2fileraw",
            (Dir, "file"),
            Some((Dir, "qcow2-luks-convert")),
            false,
        ),
    ]
};

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    folder.is_dir().then_some(folder)
}

/// A document; of those that no folder has, what is known of them by their command lines.
fn volume(corpus: &Path, kind: PoolKind, name: &str) -> Volume {
    let at = |name: &str| corpus.join(format!("storage-vol/vol-{name}.in.xml"));
    let text = match name {
        "logical" => "<volume><name>Swap</name><key>k</key><capacity>2080374784</capacity>\
                      <target><path>/dev/HostVG/Swap</path></target></volume>"
            .to_owned(),
        "luks-cipher" => fs::read_to_string(at("luks-convert"))
            .unwrap()
            .replace("OtherDemo.img", "LuksDemo.img")
            .replace(
                "</encryption>",
                "<cipher name='serpent' size='256' mode='cbc' hash='sha256'/>\
                 <ivgen name='plain64' hash='sha256'/></encryption>",
            ),
        "qcow2-luks-convert" => fs::read_to_string(at("luks-convert"))
            .unwrap()
            .replace("OtherDemo.img", "OtherDemoLuksConvert.img")
            .replace("'raw'", "'qcow2'"),
        _ => fs::read_to_string(at(name)).unwrap(),
    };
    Volume::from_xml(&text, kind).unwrap()
}

fn image<'a>(volume: &'a Volume, file: &'a str) -> Image<'a> {
    Image {
        path: volume.target.path.as_deref().unwrap(),
        format: volume.format().unwrap_or("raw"),
        key: volume.target.encryption.as_ref().map(|encryption| Key {
            name: &volume.name,
            file,
            encryption,
        }),
    }
}

/// Words with lists of options in order.
fn in_order(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_list = false;
    let sorted = words.map(|word| {
        let was_list = std::mem::replace(&mut is_list, word == "-o");
        if !was_list {
            return word;
        }
        let options: BTreeSet<&str> = word.split(',').collect();
        let options: Vec<&str> = options
            .into_iter()
            // It stands for itself.
            .map(|option| {
                option
                    .strip_suffix("lazy_refcounts=on")
                    .map_or(option, |_| "lazy_refcounts")
            })
            .collect();
        options.join(",")
    });
    sorted.collect()
}

#[test]
fn command_lines_are_libvirts() {
    let Some(corpus) = corpus() else {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return;
    };
    for (name, (kind, document), source, metadata) in CASES {
        let expected = fs::read_to_string(corpus.join(format!("storage-vol-argv/{name}.argv"))).unwrap();
        let expected = expected.replace("\\\n", "").replace('\n', " ");
        let expected = in_order(expected.split_whitespace().map(str::to_owned));
        let volume = volume(&corpus, *kind, document);
        let wanted = Wanted::of(
            &volume,
            volume.capacity.map(|size| size.0),
            metadata.then_some(Preallocation::Metadata),
        );
        let source = source.map(|(kind, document)| self::volume(&corpus, kind, document));
        let target = image(&volume, "/path/to/secretFile");
        // libvirt tells the source's key file apart in a name of its own, unless it copies into an encrypted one.
        let tools: Vec<Tool> = match &source {
            Some(source) => convert(&image(source, "/path/to/inputSecretFile"), &target, &wanted),
            None => vec![create(&target, &wanted)],
        };
        let given = in_order(tools.iter().flat_map(Tool::words));
        let known = KNOWN.iter().any(|(known, _)| known == name);
        assert_eq!(
            given == expected,
            !known,
            "{name}: {given:#?}\nlibvirt: {expected:#?}"
        );
    }
    let files = fs::read_dir(corpus.join("storage-vol-argv")).unwrap().count();
    assert_eq!(files, CASES.len(), "every case is run");
}
