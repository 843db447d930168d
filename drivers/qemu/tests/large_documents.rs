//! Documents that are large on purpose: they are answered, whatever the answer.
//!
//! A definition takes a fraction of a second in an optimised build. The limit here is a multiple of that: it is only passed by work that
//! grows with the square of what a document says, or faster.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[allow(dead_code, reason = "another test uses the rest")]
mod golden;

use driver_qemu::binary::BinaryCaps;
use driver_qemu::prepare::{self, Facts};
use error::Code;
use golden::{Golden, facts};
use model::domain::Domain;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Far more than any of these takes, in a build without optimisation on a busy machine; what grows with the square of the devices takes
/// longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Devices, of each kind in turn.
const DEVICES: usize = 10_000;

fn document(devices: &str) -> String {
    format!(
        "<domain type='qemu'><name>large</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{devices}</devices></domain>"
    )
}

/// Disks have names that count in letters.
fn letters(mut number: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'a' + u8::try_from(number % 26).unwrap());
        number /= 26;
        if number == 0 {
            break;
        }
        number -= 1;
    }
    name.reverse();
    String::from_utf8(name).unwrap()
}

fn answer(text: &str, caps: &BinaryCaps, facts: &Facts) -> Result<(), Code> {
    let begun = Instant::now();
    let outcome = Domain::from_xml(text).and_then(|mut domain| {
        prepare::start(&mut domain, caps, facts)?;
        let written = domain.to_xml();
        // What is answered is what the next daemon reads.
        Domain::from_xml(&written)?;
        Ok(written)
    });
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    outcome.map(drop).map_err(|err| err.code())
}

#[test]
fn ten_thousand_devices_are_answered() {
    let Some(golden) = Golden::find() else { return };
    let root = tempfile::tempdir().unwrap();
    let facts = facts(root.path());
    type Maker = fn(usize) -> String;
    let kinds: &[(&str, Maker)] = &[
        ("virtio disks", |n| {
            format!(
                "<disk><source file='/{n}'/><target dev='vd{}'/></disk>",
                letters(n)
            )
        }),
        ("SCSI disks", |n| {
            format!(
                "<disk><source file='/{n}'/><target dev='sd{}' bus='scsi'/></disk>",
                letters(n)
            )
        }),
        ("SATA disks", |n| {
            format!(
                "<disk><source file='/{n}'/><target dev='sd{}' bus='sata'/></disk>",
                letters(n)
            )
        }),
        ("interfaces", |_| {
            "<interface type='user'><model type='virtio'/></interface>".to_owned()
        }),
        ("conventional interfaces", |_| {
            "<interface type='user'><model type='e1000'/></interface>".to_owned()
        }),
        ("channels", |n| {
            format!("<channel type='null'><target type='virtio' name='c{n}'/></channel>")
        }),
        ("serial ports", |_| "<serial type='null'/>".to_owned()),
        ("USB tablets", |_| "<input type='tablet' bus='usb'/>".to_owned()),
        ("controllers", |_| {
            "<controller type='scsi' model='virtio-scsi'/>".to_owned()
        }),
        ("PCI controllers", |_| {
            "<controller type='pci' model='pcie-root-port'/>".to_owned()
        }),
        ("sources of random numbers", |_| {
            "<rng model='virtio'><backend model='random'/></rng>".to_owned()
        }),
        ("sound cards", |_| "<sound model='ich6'/>".to_owned()),
    ];
    for (kind, make) in kinds {
        let devices: String = (0..DEVICES).map(make).collect();
        let begun = Instant::now();
        let outcome = answer(&document(&devices), golden.x86(), &facts);
        println!("{DEVICES} {kind}: {outcome:?} after {:?}", begun.elapsed());
    }
}

#[test]
fn long_values_and_deep_chains_are_answered() {
    let Some(golden) = Golden::find() else { return };
    let root = tempfile::tempdir().unwrap();
    let facts = facts(root.path());
    let long = "x".repeat(100_000);
    for device in [
        format!("<disk><source file='/{long}'/><target dev='vda'/></disk>"),
        format!("<disk><source file='/a'/><target dev='vd{long}'/></disk>"),
        format!("<disk><source file='/a'/><target dev='vda'/><serial>{long}</serial></disk>"),
        format!("<interface type='bridge'><source bridge='{long}'/></interface>"),
        format!("<interface type='user'><model type='{long}'/></interface>"),
        format!("<channel type='unix'><target type='virtio' name='{long}'/></channel>"),
        format!(
            "<rng model='virtio'><backend model='random'>/{long}</backend><alias name='ua-{long}'/></rng>"
        ),
        format!("<emulator>/{long}</emulator>"),
    ] {
        let outcome = answer(&document(&device), golden.x86(), &facts);
        println!("{}...: {outcome:?}", device.get(..40).unwrap());
    }
    // Numbers of what would be made one by one.
    for device in [
        "<controller type='virtio-serial' index='4294967295' ports='1'/><channel type='null'><target type='virtio'/></channel>",
        "<controller type='virtio-serial' index='0' ports='4294967295'/><channel type='null'><target type='virtio'/></channel>",
        "<disk><source file='/a'/><target dev='sda' bus='scsi'/><address type='drive' controller='4294967295'/></disk>",
        "<controller type='usb' model='qusb2' ports='4294967295'/><input type='tablet' bus='usb'/>",
        "<controller type='pci' index='4294967295' model='pcie-root-port'/>",
        "</devices><iothreads>65535</iothreads><iothreadids><iothread id='1'/></iothreadids><devices>",
        "</devices><iothreads>4294967295</iothreads><iothreadids><iothread id='1'/></iothreadids><devices>",
        "</devices><cpu><numa><cell id='0' cpus='0-16383' memory='1'/></numa></cpu><devices>",
    ] {
        let outcome = answer(&document(device), golden.x86(), &facts);
        println!("{}...: {outcome:?}", device.get(..40).unwrap());
    }
    // A layer that is based on a layer, and so on.
    for depth in [10_usize, 100, 10_000] {
        let mut chain = String::new();
        for layer in 0..depth {
            write!(
                chain,
                "<backingStore type='file'><format type='qcow2'/><source file='/{layer}'/>"
            )
            .unwrap();
        }
        chain.push_str(&"</backingStore>".repeat(depth));
        let disk = format!("<disk><source file='/a'/>{chain}<target dev='vda'/></disk>");
        let outcome = answer(&document(&disk), golden.x86(), &facts);
        println!("a chain of {depth}: {outcome:?}");
        match depth {
            10 => assert!(outcome.is_ok(), "{outcome:?}"),
            10_000 => assert!(outcome.is_err()),
            _ => {}
        }
    }
}
