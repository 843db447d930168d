//! The fuzz target's body over some thousand broken documents, so that every run of the tests tries it a little.
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../../../fuzz/bodies/domain_document.rs"]
mod domain_document;
#[path = "../../../fuzz/bodies/network_document.rs"]
mod network_document;
#[path = "../../../fuzz/bodies/nwfilter_document.rs"]
mod nwfilter_document;
#[path = "../../../fuzz/bodies/round_trip.rs"]
mod round_trip;
#[path = "../../../fuzz/bodies/secret_document.rs"]
mod secret_document;
#[path = "../../../fuzz/bodies/storage_document.rs"]
mod storage_document;

const POOL: &str = "<pool type='netfs'><name>p</name><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid><source><host name='h'/>\
    <dir path='/x//y'/><format type='nfs'/><protocol ver='4.1'/></source><target><path>/mnt//a/</path><permissions><mode>0700</mode>\
    <owner>-1</owner><group>0</group></permissions></target><fs:mount_opts xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>\
    <fs:option name='noatime'/></fs:mount_opts></pool>";

const VOLUME: &str = "<volume type='file'><name>a.img</name><capacity unit='G'>1</capacity><allocation>0</allocation><target>\
    <format type='qcow2'/><permissions><mode>0600</mode></permissions><compat>1.1</compat><clusterSize unit='KiB'>64</clusterSize>\
    <features><lazy_refcounts/></features></target><backingStore><path>/b</path><format type='raw'/></backingStore></volume>";

const NETWORK: &str = "<network ipv6='yes' trustGuestRxFilters='no' xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>\
    <name>n</name><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid><title>t</title><description>d</description><metadata>\
    <x:y xmlns:x='urn:x'/></metadata><forward mode='nat' dev='eth0'><nat ipv6='yes'><address start='192.0.2.4' end='192.0.2.9'/>\
    <port start='500' end='1000'/></nat></forward><bridge name='virbr1' zone='z' stp='off' delay='2' macTableManager='libvirt'/>\
    <mtu size='9000'/><mac address='52:54:00:e6:a2:c9'/><domain name='e.org' localOnly='yes' register='yes'/>\
    <dns forwardPlainNames='no'><forwarder domain='a' addr='8.8.8.8'/><txt name='t' value='a,b'/>\
    <srv service='s' protocol='tcp' target='.' port='1024' priority='1' weight='2'/><host ip='192.0.2.4'><hostname>h</hostname>\
    <hostname>i</hostname></host></dns><bandwidth><inbound average='1' peak='2' burst='3'/><outbound average='4'/></bandwidth>\
    <port isolated='yes'/><ip address='192.0.2.1' netmask='255.255.255.0' localPtr='yes'><tftp root='/t'/><dhcp>\
    <range start='192.0.2.9' end='192.0.2.20'><lease expiry='1' unit='hours'/></range><host mac='52:54:00:00:00:0A' name='a' \
    ip='192.0.2.7'><lease expiry='0'/></host><bootp file='f' server='192.0.2.8'/></dhcp></ip>\
    <ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host id='0:1:2' name='b' ip='fd00::7'/></dhcp></ip>\
    <route family='ipv6' address='fd01::' prefix='64' gateway='fd00::9' metric='2'/><virtualport type='openvswitch'>\
    <parameters profileid='p'/></virtualport><portgroup name='g' default='yes'><vlan trunk='yes'><tag id='4' nativeMode='tagged'/></vlan>\
    </portgroup><dnsmasq:options><dnsmasq:option value='foo=bar'/></dnsmasq:options></network>";

const POOL_OF_CARDS: &str = "<network><name>n</name><forward mode='hostdev' managed='yes'><driver name='vfio' model='m'/>\
    <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x1'/><address type='pci' bus='4'/></forward></network>";

const PORT: &str = "<networkport><uuid>7ae63b5f-fe96-4af0-a7c3-da04ba1b3f54</uuid><owner><name>g</name>\
    <uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner><group>web</group><mac address='52:54:0:7b:35:93'/>\
    <virtualport type='802.1Qbg'><parameters managerid='11' typeid='1193047'/></virtualport><bandwidth classID='3'>\
    <inbound average='1000' floor='200'/></bandwidth><rxfilters trustGuest='yes'/><port isolated='yes'/>\
    <plug type='hostdev-pci' managed='yes'><driver name='vfio'/><address bus='0x02' slot='0x03' function='0x4'/></plug></networkport>";

const FILTER: &str = include_str!("../../../fuzz/seeds/nwfilter_document/filter");

/// Found by the fuzzer.
const FILTER_AT_THE_ROOT: &str = "<filter name='f' priority='-7'/>";

/// Found by the fuzzer.
const NO_RATE: &str =
    "<network><name>n</name><bandwidth><inbound average='0' peak='2'/></bandwidth></network>";

const BINDING: &str = include_str!("../../../fuzz/seeds/nwfilter_document/binding");

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
    broken(POOL, storage_document::run);
    broken(VOLUME, storage_document::run);
    broken(NETWORK, network_document::run);
    broken(POOL_OF_CARDS, network_document::run);
    broken(PORT, network_document::run);
    broken(FILTER, nwfilter_document::run);
    broken(FILTER_AT_THE_ROOT, nwfilter_document::run);
    broken(NO_RATE, network_document::run);
    broken(BINDING, nwfilter_document::run);
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
