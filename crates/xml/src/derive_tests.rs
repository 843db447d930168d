//! The derives, each kind of part once, and what hostile documents get.

use crate::{
    Choice, Element, Error, Fields, Hex, OnOff, RawElement, Value, YesNo, from_slice, from_str, to_string,
};

#[derive(Debug, Clone, Copy, PartialEq, Default, Value)]
enum Format {
    #[default]
    #[xml("raw")]
    Raw,
    #[xml("qcow2", alias = "qcow3")]
    Qcow2,
}

#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "driver")]
struct Driver {
    #[xml(attr)]
    name: Option<String>,
    #[xml(attr = "type", default)]
    format: Format,
    #[xml(attr)]
    queues: u32,
    #[xml(attr)]
    r#async: Option<OnOff>,
    #[xml(text)]
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type", default = "file")]
enum Source {
    #[xml(name = "file")]
    File {
        #[xml(child)]
        source: Option<FileSource>,
        #[xml(attr)]
        index: Option<u8>,
    },
    #[xml(name = "block")]
    Block(Box<BlockSource>),
    #[xml(name = "none")]
    None,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct FileSource {
    #[xml(attr)]
    file: String,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct BlockSource {
    #[xml(attr)]
    dev: String,
}

#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "bus")]
enum Place {
    #[xml(name = "pci")]
    Pci {
        #[xml(attr)]
        slot: Hex<u8, 2>,
    },
}

#[derive(Debug, Clone, PartialEq, Choice)]
enum Device {
    #[xml(name = "disk")]
    Disk(Box<BlockSource>),
    #[xml(name = "hub")]
    Hub,
}

#[derive(Debug, Clone, PartialEq, Default, Fields)]
struct Limits {
    #[xml(value = "soft")]
    soft: Option<u64>,
    #[xml(value = "hard")]
    hard: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "guest", namespace(q = "urn:q"))]
struct Guest {
    #[xml(flatten)]
    source: Source,
    #[xml(flatten)]
    place: Option<Place>,
    #[xml(value = "name")]
    name: String,
    #[xml(child)]
    driver: Driver,
    #[xml(child, default)]
    limits: Limits,
    #[xml(children = "seclabel")]
    labels: Vec<FileSource>,
    #[xml(wrapped = "slices/slice")]
    slices: Vec<BlockSource>,
    #[xml(flag = "readonly")]
    readonly: bool,
    #[xml(raw = "metadata")]
    metadata: Option<RawElement>,
    #[xml(choice)]
    devices: Vec<Device>,
    #[xml(child = "q:commandline")]
    commandline: Option<CommandLine>,
    #[xml(extra)]
    others: Vec<RawElement>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(namespace(q = "urn:q"))]
struct CommandLine {
    #[xml(children = "q:arg")]
    args: Vec<FileSource>,
}

const DOCUMENT: &str = "<guest type='file' index='3' bus='pci' slot='0x1f' xmlns:q='urn:q'>
  <name>a &lt; b</name>
  <driver type='qcow2' queues='2' async='on'>text</driver>
  <limits>
    <soft>1</soft>
    <hard>2</hard>
    <hard>3</hard>
  </limits>
  <seclabel file='a'/>
  <seclabel file='b'/>
  <slices>
    <slice dev='c'/>
  </slices>
  <readonly/>
  <metadata>
     <x:y xmlns:x=\"urn:x\"/> </metadata>
  <disk dev='1'/>
  <hub/>
  <disk dev='2'/>
  <q:commandline>
    <q:arg file='-x'/>
  </q:commandline>
  <unknown a=\"1\"><b/></unknown>
</guest>
";

#[test]
fn every_kind_of_part_survives_a_round_trip() {
    let guest: Guest = from_str(DOCUMENT).unwrap();
    assert_eq!(guest.driver.format, Format::Qcow2);
    assert_eq!(guest.driver.r#async, Some(OnOff::On));
    assert_eq!(guest.place, Some(Place::Pci { slot: Hex(31) }));
    assert_eq!(guest.limits.hard, [2, 3]);
    assert_eq!(guest.devices.len(), 3);
    assert_eq!(guest.others.len(), 1);
    assert_eq!(to_string(&guest), DOCUMENT);
}

#[test]
fn order_of_elements_and_choice_of_prefix_do_not_matter() {
    let text =
        "<?xml version='1.0'?><!-- x --><guest xmlns:other='urn:q'><other:commandline><other:arg file='-x'/>
        </other:commandline><driver queues='1' type='qcow3'/><name>n</name></guest>";
    let guest: Guest = from_str(text).unwrap();
    let written = "<guest type='file' xmlns:q='urn:q'>\n  <name>n</name>\n  <driver type='qcow2' queues='1'/>\n  \
                   <q:commandline>\n    <q:arg file='-x'/>\n  </q:commandline>\n</guest>\n";
    assert_eq!(to_string(&guest), written);
}

#[test]
fn errors_name_element_and_attribute() {
    let error = |text: &str| from_str::<Guest>(text).unwrap_err().to_string();
    assert_eq!(
        error("<guest><name>n</name></guest>"),
        "Missing required element 'driver' in element 'guest'"
    );
    assert_eq!(
        error("<guest><name>n</name><driver/></guest>"),
        "Missing required attribute 'queues' in element 'driver'"
    );
    assert_eq!(
        error("<guest><name>n</name><driver queues='x'/></guest>"),
        "Invalid value for attribute 'queues' in element 'driver': 'x'. Expected non-negative integer value"
    );
    assert_eq!(
        error("<guest type='x'><name>n</name><driver queues='1'/></guest>"),
        "Invalid value for attribute 'type' in element 'guest': 'x'."
    );
    assert_eq!(
        error("<host/>"),
        "unexpected root element <host>, expecting <guest>"
    );
    let long = error(&format!("<guest type='{}'/>", "x".repeat(100_000)));
    assert!(long.len() < 300, "{long}");
}

#[test]
fn hostile_documents_are_refused() {
    let refused = |text: &str| from_str::<Driver>(text).unwrap_err().is_syntax();
    assert!(refused(
        "<!DOCTYPE driver [<!ENTITY a 'x'>]><driver queues='1'>&a;</driver>"
    ));
    assert!(refused("<driver queues='1'>&a;</driver>"));
    assert!(refused(&"<driver>".repeat(100_000)));
    assert!(refused(&"<".repeat(100_000)));
    assert!(refused("<driver queues='1' queues='2'/>"));
    assert!(refused("<driver queues='1'/><driver queues='1'/>"));
    assert!(refused(""));
    assert!(refused("<driver queues='1'>\u{1}</driver>"));
    assert_eq!(
        from_slice::<Driver>(b"<driver queues='\xff'/>"),
        Err(Error::Encoding { offset: 16 })
    );
}

#[test]
fn vocabularies_list_their_words() {
    assert_eq!(Format::ALL, [Format::Raw, Format::Qcow2]);
    assert_eq!(Format::Qcow2.to_string(), "qcow2");
    assert_eq!(Format::parse("QCOW2"), None);
    assert_eq!(YesNo::from(true).as_str(), "yes");
}
