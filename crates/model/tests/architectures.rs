//! Documents of guests of other architectures are read, written and read again; the golden cases have hardly any of them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test"
)]

#[allow(dead_code, reason = "another test uses the rest")]
mod golden;

use model::domain::Domain;
use std::io::Write;
use std::process::{Command, Stdio};

/// What the validator says against a document; nothing where it fits.
fn complaint(document: &str) -> Option<String> {
    let mut child = Command::new("xmllint")
        .args([
            "--noout",
            "--nonet",
            "--relaxng",
            "/usr/share/libvirt/schemas/domain.rng",
            "-",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint, of the package libxml2-utils");
    let mut input = child.stdin.take().unwrap();
    input.write_all(document.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A document with what libvirt always writes.
fn document(arch: &str, machine: &str, os: &str, more: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm'><name>guest</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\
         <memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>1048576</currentMemory>\
         <vcpu placement='static'>2</vcpu><os><type arch='{arch}' machine='{machine}'>hvm</type>{os}</os>{more}\
         <clock offset='utc'/><on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>\
         <on_crash>destroy</on_crash><devices><emulator>/usr/bin/qemu-system-{arch}</emulator>{devices}</devices></domain>"
    )
}

#[test]
fn documents_of_other_architectures_come_back_as_they_went_in() {
    let disk = |address: &str| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/a.img'/>\
             <target dev='vda' bus='virtio'/>{address}</disk>"
        )
    };
    let cases = [
        document(
            "s390x",
            "s390-ccw-virtio",
            "<boot dev='hd'/>",
            "<features><async-teardown enabled='yes'/></features>\
             <cpu mode='host-model' check='partial'/>",
            &format!(
                "{}<controller type='virtio-serial' index='0'>\
                 <address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0001'/></controller>\
                 <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>\
                 <model type='virtio'/><address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0002'/></interface>\
                 <console type='pty'><target type='sclp' port='0'/></console>\
                 <console type='pty'><target type='sclplm' port='1'/></console>\
                 <audio id='1' type='none'/>\
                 <hostdev mode='subsystem' type='mdev' model='vfio-ccw'>\
                 <source><address uuid='c7a5fdbd-edaf-9455-926a-d65c16db1809'/></source>\
                 <address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0003'/></hostdev>\
                 <hostdev mode='subsystem' type='pci' managed='yes'>\
                 <source><address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/></source>\
                 <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0'>\
                 <zpci uid='0x0019' fid='0x0000001f'/></address></hostdev>\
                 <watchdog model='diag288' action='reset'/>\
                 <memballoon model='virtio'><address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0004'/></memballoon>\
                 <panic model='s390'/>",
                disk("<address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0000'/>")
            ),
        ),
        document(
            "ppc64",
            "pseries",
            "<boot dev='hd'/>",
            "<features><hpt resizing='required'><maxpagesize unit='KiB'>65536</maxpagesize></hpt><htm state='on'/>\
             <nested-hv state='off'/><ccf-assist state='on'/><cfpc value='fixed'/><sbbc value='workaround'/>\
             <ibs value='broken'/></features>\
             <cpu mode='host-model' check='none'><model fallback='forbid'>power9</model></cpu>",
            &format!(
                "{}<controller type='pci' index='0' model='pci-root'><model name='spapr-pci-host-bridge'/>\
                 <target index='0'/></controller>\
                 <controller type='scsi' index='0' model='ibmvscsi'><address type='spapr-vio' reg='0x00002000'/></controller>\
                 <serial type='pty'><target type='spapr-vio-serial' port='0'><model name='spapr-vty'/></target>\
                 <address type='spapr-vio' reg='0x30000000'/></serial>\
                 <console type='pty'><target type='serial' port='0'/><address type='spapr-vio' reg='0x30000000'/></console>\
                 <tpm model='tpm-spapr'><backend type='emulator' version='2.0'/>\
                 <address type='spapr-vio' reg='0x00004000'/></tpm>\
                 <tpm model='spapr-tpm-proxy'><backend type='passthrough'><device path='/dev/tpmrm0'/></backend></tpm>\
                 <audio id='1' type='none'/><memballoon model='none'/>\
                 <nvram><address type='spapr-vio' reg='0x00003000'/></nvram><panic model='pseries'/>",
                disk("<address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0'/>")
            ),
        ),
        document(
            "riscv64",
            "virt",
            "<kernel>/kernel</kernel><cmdline>console=ttyS0</cmdline><boot dev='hd'/>",
            "<features><acpi/><aia value='aplic-imsic'/></features>",
            &format!(
                "{}<controller type='pci' index='0' model='pcie-root'/>\
                 <serial type='pty'><target type='system-serial' port='0'><model name='16550a'/></target></serial>\
                 <console type='pty'><target type='serial' port='0'/></console>\
                 <audio id='1' type='none'/>\
                 <memballoon model='virtio'><address type='virtio-mmio'/></memballoon>",
                disk("<address type='virtio-mmio'/>")
            ),
        ),
    ];
    for text in &cases {
        assert_eq!(complaint(text), None, "{text}");
        let domain = Domain::from_xml(text).unwrap();
        let written = domain.to_xml();
        assert_eq!(golden::difference(text, &written), None);
        assert_eq!(Domain::from_xml(&written).unwrap(), domain);
        assert_eq!(complaint(&written), None, "{written}");
    }
}

#[test]
fn golden_inputs_of_every_architecture_are_read_again() {
    let Some(folder) = golden::corpus("domain") else {
        return;
    };
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        // What is refused is another test's.
        let Ok(domain) = Domain::from_xml(&std::fs::read_to_string(&path).unwrap()) else {
            continue;
        };
        let again = Domain::from_xml(&domain.to_xml());
        assert!(again.is_ok(), "{}: {again:?}", path.display());
        let arch = domain.os.r#type.arch.unwrap_or_default();
        *counts.entry(arch).or_default() += 1;
    }
    println!("documents read, written and read again: {counts:?}; none of riscv64 and ppc64 are there");
}
