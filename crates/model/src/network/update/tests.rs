//! What stock libvirtd 11.3 makes of the same changes, found by running it.

use super::{Section, UpdateCommand};
use crate::network::Network;
use UpdateCommand::{AddFirst, AddLast, Delete, Modify};
use error::Code;

const LEASES: &str = "<ip address='10.1.0.1' prefix='16'><dhcp><range start='10.1.0.5' end='10.1.0.9'/>\
    <host mac='52:54:01:00:00:01' name='a' ip='10.1.0.7'/></dhcp></ip><ip address='10.2.0.1' prefix='16'/>\
    <ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host id='1:2' name='s' ip='fd00::7'/></dhcp></ip>";

fn network(inside: &str) -> Network {
    Network::from_xml(&format!(
        "<network><name>u</name><bridge name='b'/>{inside}</network>"
    ))
    .unwrap()
}

/// Makes changes one after the other; each has the code that it is refused with.
fn all(network: &mut Network, section: Section, changes: &[(UpdateCommand, i32, &str, Option<Code>)]) {
    for (command, parent, text, code) in changes {
        let before = network.clone();
        match (network.update(*command, section, *parent, text), code) {
            (Ok(()), None) => assert_ne!(*network, before, "{command:?} {text} changed nothing"),
            (Err(err), Some(code)) => {
                assert_eq!(err.code(), *code, "{command:?} {text}: {err}");
                assert_eq!(*network, before, "{command:?} {text} was refused and made");
            }
            (outcome, _) => panic!("{command:?} {text}: {outcome:?}, not {code:?}"),
        }
    }
}

const INVALID: Option<Code> = Some(Code::OperationInvalid);
const UNSUPPORTED: Option<Code> = Some(Code::OperationUnsupported);
const WRONG: Option<Code> = Some(Code::XmlError);
const DETAIL: Option<Code> = Some(Code::XmlDetail);

#[test]
fn sections_that_are_no_lists_cannot_be_changed() {
    for section in [
        Section::Bridge,
        Section::Domain,
        Section::Ip,
        Section::Forward,
        Section::ForwardPf,
    ] {
        all(
            &mut network(LEASES),
            section,
            &[(Modify, -1, "<bridge name='x'/>", UNSUPPORTED)],
        );
    }
    assert_eq!(Section::of(0), None);
    assert_eq!(Section::of(4), Some(Section::DhcpHost));
    assert_eq!((Section::of(12), Section::of(13)), (Some(Section::DnsSrv), None));
    assert_eq!(
        (UpdateCommand::of(3), UpdateCommand::of(5)),
        (Some(AddLast), None)
    );
}

#[test]
fn hosts_are_known_by_any_of_their_names() {
    let mut network = network(LEASES);
    all(
        &mut network,
        Section::DhcpHost,
        &[
            (AddLast, -1, "<host mac='52:54:01:00:00:02' ip='10.1.0.8'/>", None),
            (
                AddFirst,
                -1,
                "<host mac='52:54:01:00:00:03' ip='10.1.0.9'/>",
                None,
            ),
            (
                AddLast,
                -1,
                "<host mac='52:54:01:0:0:2' ip='10.1.0.18'/>",
                INVALID,
            ),
            (
                AddLast,
                -1,
                "<host mac='52:54:01:00:00:04' ip='10.1.0.8'/>",
                INVALID,
            ),
            (
                AddLast,
                -1,
                "<host mac='52:54:01:00:00:04' name='a' ip='10.1.0.28'/>",
                INVALID,
            ),
            (AddLast, 0, "<host mac='52:54:01:00:00:05' ip='10.1.0.10'/>", None),
            (
                AddLast,
                1,
                "<host mac='52:54:01:00:00:06' ip='10.2.0.10'/>",
                INVALID,
            ),
            (
                AddLast,
                7,
                "<host mac='52:54:01:00:00:06' ip='10.1.0.11'/>",
                INVALID,
            ),
            (AddLast, 2, "<host id='1:3' ip='fd00::9'/>", None),
            (AddLast, -1, "<host id='1:3' ip='fd00::9'/>", WRONG),
            (AddLast, 2, "<host name='s' ip='fd00::10'/>", INVALID),
            (AddLast, 2, "<host mac='52:54:01:00:00:09' ip='fd00::11'/>", WRONG),
            (
                Modify,
                -1,
                "<host mac='52:54:01:00:00:02' name='nn' ip='10.1.0.88'/>",
                None,
            ),
            (
                Modify,
                -1,
                "<host mac='52:54:01:00:00:99' name='nn' ip='10.1.0.88'/>",
                None,
            ),
            (Modify, -1, "<host name='a' ip='10.1.0.77'/>", None),
            (Modify, -1, "<host name='zz' ip='10.1.0.78'/>", INVALID),
            (Delete, -1, "<host ip='10.1.0.77'/>", None),
            (Delete, -1, "<host mac='52:54:01:00:00:01'/>", INVALID),
            (Delete, -1, "<host name='nn'/>", None),
            (Delete, 2, "<host name='s'/>", None),
            (Delete, -1, "<host/>", WRONG),
            (AddLast, -1, "<range start='10.1.0.1' end='10.1.0.2'/>", WRONG),
            (AddLast, -1, "<host", DETAIL),
            (AddLast, -1, "<host mac='zz' ip='10.1.0.99'/>", WRONG),
        ],
    );
    let hosts = |index: usize| {
        let dhcp = network.ips.get(index).and_then(|ip| ip.dhcp.as_ref()).unwrap();
        dhcp.hosts
            .iter()
            .map(|host| host.ip.unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(hosts(0), ["10.1.0.9", "10.1.0.10"]);
    assert_eq!(hosts(2), ["fd00::9"]);
}

#[test]
fn the_first_lease_chooses_its_address() {
    let two = "<ip address='10.1.0.1' prefix='16'/><ip address='10.2.0.1' prefix='16'/>";
    let mut second = network(two);
    all(
        &mut second,
        Section::DhcpHost,
        &[
            (Delete, -1, "<host name='a'/>", INVALID),
            (AddLast, 1, "<host name='a' ip='10.2.0.3'/>", None),
            (AddLast, -1, "<host name='b' ip='10.2.0.4'/>", None),
            (AddLast, 0, "<host name='c' ip='10.1.0.4'/>", INVALID),
            (Delete, 1, "<host name='a'/>", None),
            (Delete, 1, "<host name='b'/>", None),
            (AddLast, 0, "<host name='c' ip='10.1.0.4'/>", None),
        ],
    );
    all(
        &mut network(""),
        Section::DhcpHost,
        &[(AddLast, -1, "<host name='b' ip='10.1.0.4'/>", INVALID)],
    );
    let ipv6 = "<ip family='ipv6' address='fd00::1' prefix='64'/>";
    all(
        &mut network(ipv6),
        Section::DhcpHost,
        &[(AddLast, -1, "<host name='b' ip='fd00::4'/>", None)],
    );
}

#[test]
fn ranges_come_and_go_whole() {
    all(
        &mut network(LEASES),
        Section::DhcpRange,
        &[
            (AddLast, -1, "<range start='10.1.1.5' end='10.1.1.9'/>", None),
            (AddFirst, -1, "<range start='10.1.2.5' end='10.1.2.9'/>", None),
            (AddLast, -1, "<range start='10.1.2.5' end='10.1.2.9'/>", INVALID),
            (AddLast, -1, "<range start='10.1.2.9' end='10.1.2.12'/>", INVALID),
            (
                Modify,
                -1,
                "<range start='10.1.2.5' end='10.1.2.9'/>",
                UNSUPPORTED,
            ),
            (Delete, -1, "<range start='10.1.2.5' end='10.1.2.9'/>", None),
            (Delete, -1, "<range start='10.1.2.5' end='10.1.2.9'/>", INVALID),
            (AddLast, 2, "<range start='fd00::5' end='fd00::9'/>", None),
            (
                AddLast,
                -1,
                "<range start='10.5.2.5' end='10.5.2.9'/>",
                Some(Code::InternalError),
            ),
            (AddLast, 1, "<range start='10.2.2.5' end='10.2.2.9'/>", INVALID),
            (Delete, -1, "<range start='10.1.0.5'/>", WRONG),
        ],
    );
}

#[test]
fn interfaces_of_a_pool_come_and_go() {
    let pool = "<network><name>u</name><forward mode='vepa'><interface dev='e0'/><interface dev='e1'/></forward></network>";
    let mut pool = Network::from_xml(pool).unwrap();
    all(
        &mut pool,
        Section::ForwardInterface,
        &[
            (AddLast, -1, "<interface dev='e2'/>", None),
            (AddFirst, -1, "<interface dev='e3'/>", None),
            (AddLast, -1, "<interface dev='e3'/>", INVALID),
            (Delete, -1, "<interface dev='e0'/>", None),
            (Delete, -1, "<interface dev='e0'/>", INVALID),
            (Modify, -1, "<interface dev='e1'/>", UNSUPPORTED),
            (AddLast, -1, "<interface/>", WRONG),
            (AddLast, -1, "<inter dev='z'/>", WRONG),
        ],
    );
    let forward = pool.forward.as_ref().unwrap();
    assert_eq!(forward.dev.as_deref(), Some("e3"));
    let devs: Vec<&str> = forward.interfaces.iter().map(|one| one.dev.as_str()).collect();
    assert_eq!(devs, ["e3", "e1", "e2"]);
    let one_way_out = "<forward mode='nat' dev='e0'/><ip address='10.1.0.1' prefix='16'/>";
    all(
        &mut network(one_way_out),
        Section::ForwardInterface,
        &[
            (AddLast, -1, "<interface dev='e2'/>", WRONG),
            (Delete, -1, "<interface dev='e0'/>", None),
            (AddLast, -1, "<interface dev='e2'/>", None),
        ],
    );
    if let Some(interface) = pool
        .forward
        .as_mut()
        .and_then(|forward| forward.interfaces.first_mut())
    {
        interface.connections = Some(1);
    }
    all(
        &mut pool,
        Section::ForwardInterface,
        &[(Delete, -1, "<interface dev='e3'/>", INVALID)],
    );
}

#[test]
fn classes_have_one_default() {
    all(
        &mut network("<portgroup name='a' default='yes'/>"),
        Section::PortGroup,
        &[
            (AddLast, -1, "<portgroup name='b'/>", None),
            (AddFirst, -1, "<portgroup name='c'/>", None),
            (AddLast, -1, "<portgroup name='c'/>", INVALID),
            (AddLast, -1, "<portgroup name='d' default='yes'/>", INVALID),
            (Modify, -1, "<portgroup name='b' default='yes'/>", INVALID),
            (Modify, -1, "<portgroup name='a'/>", None),
            (Modify, -1, "<portgroup name='zz'/>", INVALID),
            (Delete, -1, "<portgroup name='c'/>", None),
            (Delete, -1, "<portgroup name='c'/>", INVALID),
            (AddLast, -1, "<portgroup/>", WRONG),
            (
                Modify,
                -1,
                "<portgroup name='b'><bandwidth><inbound average='3'/></bandwidth></portgroup>",
                None,
            ),
        ],
    );
}

#[test]
fn records_are_known_by_their_names() {
    let dns = "<dns><host ip='10.0.0.1'><hostname>a</hostname><hostname>b</hostname></host><txt name='t' value='1'/>\
               <srv service='s' protocol='tcp' domain='d' target='x' port='1'/></dns><ip address='10.1.0.1' prefix='16'/>";
    all(
        &mut network(dns),
        Section::DnsHost,
        &[
            (
                AddLast,
                -1,
                "<host ip='10.0.0.2'><hostname>c</hostname></host>",
                None,
            ),
            (
                AddFirst,
                -1,
                "<host ip='10.0.0.3'><hostname>e</hostname></host>",
                None,
            ),
            (
                AddLast,
                -1,
                "<host ip='10.0.0.2'><hostname>d</hostname></host>",
                INVALID,
            ),
            (
                AddLast,
                -1,
                "<host ip='10.0.0.9'><hostname>a</hostname></host>",
                None,
            ),
            (
                Modify,
                -1,
                "<host ip='10.0.0.2'><hostname>z</hostname></host>",
                None,
            ),
            (
                Modify,
                -1,
                "<host ip='10.0.0.99'><hostname>z</hostname></host>",
                INVALID,
            ),
            (AddLast, -1, "<host ip='10.0.0.20'/>", DETAIL),
            (Delete, -1, "<host ip='10.0.0.77'/>", INVALID),
            (Delete, -1, "<host><hostname>a</hostname></host>", INVALID),
            (Delete, -1, "<host><hostname>b</hostname></host>", None),
            (Delete, -1, "<host/>", DETAIL),
        ],
    );
    all(
        &mut network(dns),
        Section::DnsTxt,
        &[
            (AddLast, -1, "<txt name='u' value='2'/>", None),
            (AddFirst, -1, "<txt name='f' value='3'/>", None),
            (AddLast, -1, "<txt name='u' value='9'/>", INVALID),
            (Modify, -1, "<txt name='u' value='9'/>", None),
            (Delete, -1, "<txt name='u'/>", None),
            (Delete, -1, "<txt name='u'/>", INVALID),
            (AddLast, -1, "<txt name='u'/>", DETAIL),
            (Delete, -1, "<txt/>", DETAIL),
        ],
    );
    all(
        &mut network(dns),
        Section::DnsSrv,
        &[
            (AddLast, -1, "<srv service='s2' protocol='tcp'/>", None),
            (AddFirst, -1, "<srv service='s3' protocol='tcp'/>", None),
            (AddLast, -1, "<srv service='s2' protocol='tcp'/>", INVALID),
            (AddLast, -1, "<srv service='s2' protocol='udp'/>", None),
            (AddLast, -1, "<srv service='s2' protocol='tcp' domain='q'/>", None),
            (
                AddLast,
                -1,
                "<srv service='s' protocol='tcp' domain='d' target='x' port='9'/>",
                INVALID,
            ),
            (
                Modify,
                -1,
                "<srv service='s2' protocol='tcp' domain='d2'/>",
                UNSUPPORTED,
            ),
            (Delete, -1, "<srv service='s'/>", None),
            (Delete, -1, "<srv service='s2'/>", INVALID),
            (Delete, -1, "<srv service='s2' protocol='udp'/>", None),
            (Delete, -1, "<srv service='zz'/>", INVALID),
            (AddLast, -1, "<srv service='s9'/>", DETAIL),
        ],
    );
    let disabled = "<dns enable='no'/><ip address='10.1.0.1' prefix='16'/>";
    let host = "<host ip='10.0.0.2'><hostname>c</hostname></host>";
    all(
        &mut network(disabled),
        Section::DnsHost,
        &[(AddLast, -1, host, WRONG)],
    );
}
