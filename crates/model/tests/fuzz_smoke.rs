//! The fuzz target's body over some thousand broken documents, so that every run of the tests tries it a little.
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../../../fuzz/bodies/domain_document.rs"]
mod domain_document;
#[path = "../../../fuzz/bodies/secret_document.rs"]
mod secret_document;

const SECRET: &str = "<secret ephemeral='no' private='yes'><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid>\
    <description>a &lt; b</description><usage type='iscsi'><target>iqn.2013-07.com.example:pool</target></usage></secret>";

const GOOD: &str = "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a&amp;b</name>\
    <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><metadata><x:y xmlns:x='urn:x' z='1'>t</x:y></metadata>\
    <memory unit='MiB'>64</memory><vcpu current='1' cpuset='0-3,^2'>2</vcpu>\
    <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/><hyperv><relaxed state='on'/></hyperv></features>\
    <cpu mode='custom' match='exact'><model>qemu64</model><numa><cell id='0' cpus='0-1' memory='65536' unit='KiB'/></numa></cpu>\
    <clock offset='variable' adjustment='-5'><timer name='rtc' tickpolicy='catchup'/></clock><devices>\
    <disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/><source protocol='nbd' name='x'>\
    <host name='h' port='1'/></source><target dev='vda' bus='virtio'/><address type='pci' domain='0x0' bus='0x0' slot='0x4'/></disk>\
    <controller type='pci' index='0' model='pci-root'/><interface type='user'><mac address='52:54:00:00:00:01'/></interface>\
    <graphics type='spice' autoport='yes' passwd='p'><listen type='address' address='::1'/></graphics>\
    <channel type='unix'><target type='virtio' name='n'/></channel><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\
    </devices><qemu:commandline><qemu:arg value='-x'/></qemu:commandline></domain>";

/// A sequence that looks random and is the same each time (xorshift).
fn next(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap_or(0)
}

#[test]
fn broken_documents_are_refused_or_come_back() {
    broken(GOOD, domain_document::run);
    broken(SECRET, secret_document::run);
}

/// Runs a body over a document and over what is left of it after some changes.
fn broken(good: &str, run: fn(&[u8])) {
    const CHANGES: &[&str] = &[
        "",
        "'",
        "<",
        ">",
        "&",
        "0",
        "-1",
        "99999999999999999999",
        "0x",
        "yes",
        "\u{0}",
        "ü",
        "/",
        "qemu:",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15;
    run(good.as_bytes());
    for _ in 0..6000 {
        let mut text = good.to_owned();
        for _ in 0..=next(&mut state, 3) {
            let start = text.floor_char_boundary(next(&mut state, text.len()));
            let end = text
                .floor_char_boundary((start + next(&mut state, 12)).min(text.len()))
                .max(start);
            text.replace_range(start..end, CHANGES[next(&mut state, CHANGES.len())]);
        }
        run(text.as_bytes());
    }
}
