//! Documents of libvirt's own cases become the files that libvirt makes of them.

use super::{Places, files};
use model::network::Network;
use std::fs;
use std::path::Path;

/// A file's lines that dnsmasq reads.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn dnsmasq_reads_what_libvirt_has_it_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/network-dnsmasq");
    if !folder.is_dir() {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return;
    }
    let mut passed = 0;
    for entry in fs::read_dir(&folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "xml") {
            continue;
        }
        let case = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let network = Network::from_xml(&fs::read_to_string(&path).unwrap()).unwrap();
        network.validate().unwrap();
        let places = Places::new("/var/lib/libvirt/dnsmasq", &network.name);
        // Where dnsmasq has nothing to do libvirt's tests make its file nevertheless.
        let configuration = super::configuration::text(&network, &places).unwrap();
        let expected = fs::read_to_string(path.with_extension("conf")).unwrap();
        assert_eq!(lines(&configuration), lines(&expected), "{case}");
        let leases = super::hosts::leases(&network);
        let expected = fs::read_to_string(path.with_extension("hostsfile")).unwrap_or_default();
        assert_eq!(leases, expected, "{case}");
        passed += 1;
    }
    println!("network-dnsmasq: {passed} as libvirt has them");
    assert_eq!(passed, 22);
}

/// What stock libvirtd 11.3 made of it, found by running it.
#[test]
fn everything_at_once_is_in_libvirts_order() {
    let network = Network::from_xml(
        "<network><name>d1</name><bridge name='virbr7'/><forward mode='open'/><domain name='dom.org' localOnly='yes'/>\
         <dns forwardPlainNames='no'><forwarder addr='8.8.8.8'/><forwarder domain='only.local'/><forwarder domain='a.b' addr='fd00::9'/>\
         <txt name='t' value='a,b'/><srv service='s' protocol='tcp' domain='d' target='tt' port='1024' priority='1' weight='2'/>\
         <srv service='s2' protocol='udp' target='.'/><srv service='s3' protocol='udp' domain='zz'/>\
         <srv service='s4' protocol='udp' target='x' priority='3'/><srv service='s5' protocol='udp' target='x' weight='3'/>\
         <srv service='s6' protocol='udp' target='x' port='7'/>\
         <host ip='10.1.0.4'><hostname>h</hostname><hostname>h2</hostname></host><host ip='fd00::4'><hostname>h6</hostname></host></dns>\
         <ip address='10.1.0.1' prefix='16' localPtr='yes'><tftp root='/tmp'/><dhcp><range start='10.1.0.9' end='10.1.0.20'/>\
         <range start='10.1.1.9' end='10.1.1.20'><lease expiry='300' unit='seconds'/></range>\
         <host mac='52:54:00:00:00:0A' name='a' ip='10.1.0.7'><lease expiry='0'/></host><host name='nm' ip='10.1.0.8'/>\
         <host mac='52:54:00:00:00:0b' id='1:2' name='c' ip='10.1.0.5'/><host mac='52:54:00:00:00:0c' ip='10.1.0.6'/>\
         <bootp file='f'/></dhcp></ip><ip family='ipv6' address='fd00::1' prefix='64' localPtr='yes'><dhcp>\
         <range start='fd00::10' end='fd00::ff'><lease expiry='5'/></range>\
         <host id='0:1:2' name='b' ip='fd00::7'><lease expiry='3' unit='hours'/></host></dhcp></ip></network>",
    )
    .unwrap();
    let places = Places::new("/var/lib/libvirt/dnsmasq", "d1").with_pid_file("/run/libvirt/network/d1.pid");
    let files = files(&network, &places).unwrap().unwrap();
    let expected = "strict-order server=8.8.8.8 server=/only.local/# server=/a.b/fd00::9 no-resolv local=/dom.org/ \
                    domain=dom.org expand-hosts local=/1.10.in-addr.arpa/ local=/0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa/ \
                    domain-needed local=// pid-file=/run/libvirt/network/d1.pid except-interface=lo bind-dynamic \
                    interface=virbr7 txt-record=t,a,b srv-host=_s._tcp.d,tt,1024,1,2 srv-host=_s2._udp srv-host=_s3._udp.zz \
                    srv-host=_s4._udp,x,1,3 srv-host=_s5._udp,x,1,0,3 srv-host=_s6._udp,x,7 enable-tftp tftp-root=/tmp \
                    dhcp-range=10.1.0.9,10.1.0.20,255.255.0.0 dhcp-range=10.1.1.9,10.1.1.20,255.255.0.0,300s \
                    dhcp-no-override dhcp-authoritative dhcp-boot=f dhcp-range=fd00::10,fd00::ff,64,5m dhcp-lease-max=264 \
                    dhcp-hostsfile=/var/lib/libvirt/dnsmasq/d1.hostsfile addn-hosts=/var/lib/libvirt/dnsmasq/d1.addnhosts \
                    enable-ra";
    assert_eq!(
        lines(&files.configuration),
        expected.split(' ').collect::<Vec<_>>()
    );
    assert_eq!(
        files.leases,
        "52:54:00:00:00:0A,10.1.0.7,a,infinite\nnm,10.1.0.8\n52:54:00:00:00:0b,10.1.0.5,c\n52:54:00:00:00:0c,10.1.0.6\n\
         id:0:1:2,b,[fd00::7],3h\n"
    );
    assert_eq!(files.names, "10.1.0.4\th\th2\t\nfd00::4\th6\t\n");
}

#[test]
fn dnsmasq_is_left_alone_where_it_has_nothing_to_do() {
    let needed = |inside: &str| {
        let text = format!("<network><name>n</name><bridge name='b'/>{inside}</network>");
        super::is_needed(&Network::from_xml(&text).unwrap())
    };
    let ip = "<ip address='10.1.0.1' prefix='16'/>";
    let leases = "<ip address='10.1.0.1' prefix='16'><dhcp><host name='a' ip='10.1.0.2'/></dhcp></ip>";
    assert!(needed(ip) && needed(&format!("<dns enable='no'/>{leases}")));
    assert!(
        !needed("") && !needed(&format!("<dns enable='no'/>{ip}")) && !needed("<forward mode='bridge'/>")
    );
}
