//! What a network's document must not say, with the codes of stock daemons.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use error::{Code, Domain};
use model::network::{Network, NetworkPort};

/// Reads `inside` as a network's content and holds it against what its mode can do.
fn refusal(inside: &str) -> Option<(Code, String)> {
    let namespace = "xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'";
    let text = format!("<network {namespace}><name>x</name>{inside}</network>");
    let done = Network::from_xml(&text).and_then(|network| network.validate());
    done.err().map(|err| (err.code(), err.to_string()))
}

/// Holds contents against the code that they are refused with and a word that the sentence has.
fn check(cases: &[(&str, Code, &str)]) {
    for (inside, code, word) in cases {
        let (found, sentence) = refusal(inside).unwrap_or_else(|| panic!("{inside} was taken"));
        assert_eq!(found, *code, "{inside}: {sentence}");
        assert!(sentence.contains(word), "{inside}: {sentence}");
    }
}

#[test]
fn names_are_needed_and_are_files() {
    for (text, code) in [
        ("<network/>", Code::NoName),
        ("<network><name>a/b</name></network>", Code::XmlDetail),
        ("<network><name>..</name></network>", Code::XmlError),
        (
            "<network><name>x</name><uuid>z</uuid></network>",
            Code::InternalError,
        ),
        ("<network", Code::XmlDetail),
        ("<net/>", Code::XmlError),
    ] {
        assert_eq!(Network::from_xml(text).unwrap_err().code(), code, "{text}");
    }
}

#[test]
fn a_way_out_is_one_that_the_host_has() {
    check(&[
        ("<forward mode='x'/>", Code::ConfigUnsupported, "mode='x'"),
        ("<forward mode='route'/>", Code::XmlError, "<ip>"),
        (
            "<forward dev='e0'><interface dev='e1'/></forward>",
            Code::XmlError,
            "e1",
        ),
        (
            "<ip address='192.0.2.1' prefix='24'/><forward><interface dev='e0'/><interface dev='e1'/></forward>",
            Code::XmlError,
            "2",
        ),
        (
            "<forward mode='vepa'><interface dev='e'/><interface dev='e'/></forward>",
            Code::XmlError,
            "twice",
        ),
        ("<forward mode='open' dev='e'/>", Code::XmlError, "dev"),
        ("<forward mode='route'><nat/></forward>", Code::XmlError, "<nat>"),
        (
            "<forward><nat><address start='1.2.3.5' end='1.2.3.4'/></nat></forward>",
            Code::InternalError,
            "backwards",
        ),
        (
            "<forward><nat><port start='9' end='1'/></nat></forward>",
            Code::XmlDetail,
            "backwards",
        ),
        (
            "<forward mode='hostdev'><address type='usb'/></forward>",
            Code::ConfigUnsupported,
            "usb",
        ),
        (
            "<forward mode='hostdev'><address bus='1'/></forward>",
            Code::XmlError,
            "type",
        ),
        (
            "<forward mode='hostdev' dev='e'/>",
            Code::ConfigUnsupported,
            "<address>",
        ),
        (
            "<forward mode='passthrough'><address type='pci' bus='1'/></forward>",
            Code::ConfigUnsupported,
            "hostdev",
        ),
    ]);
}

#[test]
fn bridges_are_what_their_mode_allows() {
    check(&[
        (
            "<forward mode='bridge'/><bridge name='b' stp='on'/>",
            Code::XmlError,
            "stp",
        ),
        (
            "<forward mode='bridge' dev='e'/><bridge name='b'/>",
            Code::XmlError,
            "either",
        ),
        (
            "<forward mode='vepa' dev='e'/><bridge name='b'/>",
            Code::XmlError,
            "no bridge",
        ),
        (
            "<forward mode='vepa' dev='e'/><mtu size='1000'/>",
            Code::XmlError,
            "<mtu>",
        ),
        (
            "<forward mode='bridge'/><bridge name='b'/><mac address='52:54:00:00:00:01'/>",
            Code::ConfigUnsupported,
            "<mac>",
        ),
        (
            "<forward mode='vepa' dev='e'/><ip address='192.0.2.1' prefix='24'/>",
            Code::ConfigUnsupported,
            "<ip>",
        ),
        (
            "<forward mode='vepa' dev='e'/><domain name='d'/>",
            Code::ConfigUnsupported,
            "<domain>",
        ),
        ("<mac address='01:00:00:00:00:01'/>", Code::XmlError, "group"),
        ("<bridge name='b' delay='-1'/>", Code::XmlError, "delay"),
        (
            "<domain name='d' register='yes'/>",
            Code::ConfigUnsupported,
            "localOnly",
        ),
        ("<title>a&#10;b</title>", Code::XmlError, "<title>"),
        ("<vlan><tag id='3'/></vlan>", Code::ConfigUnsupported, "<vlan>"),
        ("<vlan/>", Code::XmlError, "<tag>"),
        ("<vlan><tag id='4096'/></vlan>", Code::XmlError, "4095"),
        (
            "<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>",
            Code::XmlError,
            "trunk",
        ),
        (
            "<forward mode='vepa' dev='e'/><bandwidth><inbound average='1'/></bandwidth>",
            Code::ConfigUnsupported,
            "<bandwidth>",
        ),
        (
            "<bandwidth><inbound peak='1'/></bandwidth>",
            Code::XmlDetail,
            "average",
        ),
        (
            "<bandwidth><inbound average='1' floor='1'/></bandwidth>",
            Code::ConfigUnsupported,
            "floor",
        ),
        (
            "<bandwidth><inbound average='1' burst='4194304'/></bandwidth>",
            Code::Overflow,
            "burst",
        ),
        ("<virtualport/>", Code::XmlError, "type"),
        (
            "<virtualport type='openvswitch'><parameters managerid='3'/></virtualport>",
            Code::XmlError,
            "managerid",
        ),
        ("<portgroup/>", Code::XmlError, "name"),
        (
            "<portgroup name='a'/><portgroup name='a'/>",
            Code::ConfigUnsupported,
            "two",
        ),
        (
            "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>",
            Code::ConfigUnsupported,
            "default",
        ),
    ]);
}

#[test]
fn addresses_and_leases_are_of_their_networks() {
    let dhcp = |inside: &str| format!("<ip address='192.0.2.4' prefix='24'><dhcp>{inside}</dhcp></ip>");
    for (inside, code, word) in [
        (
            "<range start='192.0.2.9' end='192.0.2.5'/>",
            Code::InternalError,
            "backwards",
        ),
        (
            "<range start='192.0.3.5' end='192.0.3.9'/>",
            Code::InternalError,
            "192.0.2.0/24",
        ),
        (
            "<range start='192.0.2.0' end='192.0.2.9'/>",
            Code::InternalError,
            "starts",
        ),
        (
            "<range start='192.0.2.1' end='192.0.2.255'/>",
            Code::InternalError,
            "ends",
        ),
        (
            "<range start='fd00::1' end='fd00::9'/>",
            Code::InternalError,
            "family",
        ),
        ("<range start='192.0.2.1'/>", Code::XmlError, "end"),
        (
            "<range start='192.0.2.5' end='192.0.2.9'/><range start='192.0.2.9' end='192.0.2.12'/>",
            Code::XmlError,
            "192.0.2.5",
        ),
        (
            "<range start='192.0.2.5' end='192.0.2.9'><lease expiry='1'/></range>",
            Code::ConfigUnsupported,
            "120",
        ),
        ("<host mac='52:54:00:00:00:01'/>", Code::XmlError, "ip"),
        ("<host ip='192.0.2.7'/>", Code::XmlError, "mac"),
        (
            "<host mac='01:54:00:00:00:01' ip='192.0.2.7'/>",
            Code::XmlError,
            "group",
        ),
        ("<host mac='x' ip='192.0.2.7'/>", Code::XmlError, "'x'"),
        ("<host name='-a' ip='192.0.2.7'/>", Code::XmlError, "-a"),
        (
            "<host id='0:1,x' name='a' ip='192.0.2.7'/>",
            Code::XmlError,
            "hexadecimal",
        ),
        (
            "<host mac='52:54:00:00:00:01' ip='192.0.3.7'/>",
            Code::XmlError,
            "192.0.3.7",
        ),
        (
            "<host mac='52:54:00:00:00:01' ip='fd00::1'/>",
            Code::XmlError,
            "family",
        ),
        (
            "<range start='192.0.2.5' end='192.0.2.9'/><bootp/>",
            Code::XmlError,
            "file",
        ),
    ] {
        check(&[(&dhcp(inside), code, word)]);
    }
    check(&[
        ("<ip/>", Code::XmlError, "address"),
        ("<ip address='fd00::1'/>", Code::ConfigUnsupported, "family"),
        (
            "<ip family='ipv4' address='fd00::1'/>",
            Code::ConfigUnsupported,
            "family",
        ),
        (
            "<ip address='192.0.2.1' prefix='24' netmask='255.255.255.0'/>",
            Code::ConfigUnsupported,
            "both",
        ),
        (
            "<ip address='192.0.2.1' prefix='33'/>",
            Code::ConfigUnsupported,
            "32",
        ),
        (
            "<ip address='192.0.2.1' netmask='255.0.255.0'/>",
            Code::XmlError,
            "holes",
        ),
        (
            "<ip family='ipv6' address='fd00::1' netmask='255.255.255.0'/>",
            Code::ConfigUnsupported,
            "prefix",
        ),
        (
            "<ip family='ipv6' address='fd00::1' prefix='64'><tftp root='/a'/></ip>",
            Code::ConfigUnsupported,
            "<tftp>",
        ),
        (
            "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host mac='52:54:00:00:00:01' ip='fd00::2'/></dhcp></ip>",
            Code::XmlError,
            "'mac'",
        ),
        (
            "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><range start='fd00::2' end='fd00::1:2'/></dhcp></ip>",
            Code::InternalError,
            "65536",
        ),
        (
            "<ip address='192.0.2.1' prefix='24'><dhcp><range start='192.0.2.5' end='192.0.2.9'/></dhcp></ip>\
             <ip address='192.0.3.1' prefix='24'><dhcp><range start='192.0.3.5' end='192.0.3.9'/></dhcp></ip>",
            Code::ConfigUnsupported,
            "192.0.3.1",
        ),
    ]);
}

#[test]
fn routes_lead_through_a_guest() {
    let routes = |inside: &str| format!("<ip address='192.0.2.1' prefix='24'/><route {inside}/>");
    for (inside, code, word) in [
        ("address='10.0.0.0' prefix='8'", Code::XmlError, "gateway"),
        (
            "address='10.0.0.0' prefix='8' gateway='192.0.3.1'",
            Code::ConfigUnsupported,
            "192.0.3.1",
        ),
        (
            "address='10.0.0.1' prefix='8' gateway='192.0.2.9'",
            Code::XmlError,
            "10.0.0.0/8",
        ),
        (
            "address='10.0.0.0' prefix='33' gateway='192.0.2.9'",
            Code::XmlError,
            "32",
        ),
        (
            "address='10.0.0.0' prefix='8' netmask='255.0.0.0' gateway='192.0.2.9'",
            Code::XmlError,
            "both",
        ),
        (
            "address='10.0.0.0' prefix='8' gateway='192.0.2.9' metric='0'",
            Code::XmlError,
            "metric",
        ),
        (
            "address='fd00::' prefix='64' gateway='192.0.2.9'",
            Code::XmlError,
            "family",
        ),
        (
            "family='ipv6' address='fd00::' prefix='64' gateway='192.0.2.9'",
            Code::XmlError,
            "family",
        ),
    ] {
        check(&[(&routes(inside), code, word)]);
    }
}

#[test]
fn records_are_ones_that_can_be_told() {
    check(&[
        (
            "<dns enable='no'><txt name='a' value='b'/></dns>",
            Code::XmlError,
            "enable",
        ),
        ("<dns><forwarder/></dns>", Code::XmlError, "<forwarder>"),
        ("<dns><forwarder addr='x'/></dns>", Code::XmlError, "'x'"),
        ("<dns><txt name='a'/></dns>", Code::XmlDetail, "value"),
        ("<dns><txt name='a b' value='c'/></dns>", Code::XmlDetail, "a b"),
        ("<dns><srv service='a'/></dns>", Code::XmlDetail, "protocol"),
        (
            "<dns><srv service='a.b' protocol='tcp'/></dns>",
            Code::XmlDetail,
            "a.b",
        ),
        (
            "<dns><srv service='a' protocol='tcp' port='1'/></dns>",
            Code::XmlDetail,
            "target",
        ),
        (
            "<dns><srv service='a' protocol='tcp' target='t' port='65536'/></dns>",
            Code::XmlDetail,
            "65536",
        ),
        ("<dns><host ip='192.0.2.1'/></dns>", Code::XmlDetail, "<hostname>"),
        (
            "<dns><host><hostname>a</hostname></host></dns>",
            Code::XmlDetail,
            "ip",
        ),
    ]);
}

#[test]
fn nothing_of_a_document_becomes_another_line_or_program_of_dnsmasq() {
    for inside in [
        "<domain name='a&#10;dhcp-script=/x'/>",
        "<dns><txt name='a' value='b&#10;c'/></dns>",
        "<dns><srv service='a' protocol='tcp' target='b&#10;c'/></dns>",
        "<dns><forwarder domain='b&#10;c'/></dns>",
        "<dns><host ip='192.0.2.1'><hostname>a\nb</hostname></host></dns>",
        "<ip address='192.0.2.1' prefix='24'><tftp root='/a&#10;b'/></ip>",
        "<ip address='192.0.2.1' prefix='24'><dhcp><range start='192.0.2.5' end='192.0.2.9'/><bootp file='a&#10;b'/></dhcp></ip>",
        "<ip address='192.0.2.1' prefix='24'><dhcp><host name='a&#10;b' ip='192.0.2.5'/></dhcp></ip>",
        "<dnsmasq:options><dnsmasq:option value='a&#10;b'/></dnsmasq:options>",
        "<bridge name='a&#10;b'/>",
    ] {
        assert_eq!(
            refusal(inside).map(|(code, _)| code),
            Some(Code::XmlError),
            "{inside}"
        );
    }
    check(&[(
        "<dnsmasq:options><dnsmasq:option value='dhcp-script=/bin/sh'/></dnsmasq:options>",
        Code::ConfigUnsupported,
        "dhcp-script",
    )]);
}

#[test]
fn ports_are_of_one_card() {
    let owner = "<owner><name>g</name><uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner>";
    for inside in [
        format!("{owner}<mac address='01:00:00:00:00:01'/>"),
        "<mac address='52:54:00:00:00:01'/>".to_owned(),
        format!("{owner}<mac address='52:54:00:00:00:01'/><plug type='usb'/>"),
    ] {
        let refused = NetworkPort::from_xml(&format!("<networkport>{inside}</networkport>")).unwrap_err();
        assert_eq!(refused.code(), Code::XmlError, "{inside}");
        assert!(matches!(refused.domain(), Domain::Network | Domain::Xml));
    }
}
