//! What is written fits the schemas of Debian's `libvirt-common`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use model::network::{Network, NetworkPort};
use model::secret::Secret;
use model::storage::{Pool, PoolKind, Volume};
use std::io::Write;
use std::process::{Command, Stdio};

/// What the validator says against a document; nothing where it fits.
fn complaint(schema: &str, document: &str) -> Option<String> {
    let mut child = Command::new("xmllint")
        .args(["--noout", "--nonet", "--relaxng"])
        .arg(format!("/usr/share/libvirt/schemas/{schema}.rng"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint, of the package libxml2-utils");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(document.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_secret_fits_its_schema() {
    let usages = [
        "",
        "<usage type='none'/>",
        "<usage type='volume'><volume>/var/lib/libvirt/images/a.img</volume></usage>",
        "<usage type='ceph'><name>client.admin secret</name></usage>",
        "<usage type='iscsi'><target>iqn.2013-07.com.example:iscsi-pool</target></usage>",
        "<usage type='tls'><name>key</name></usage>",
        "<usage type='vtpm'><name>tpm</name></usage>",
    ];
    for usage in usages {
        for attributes in ["", "ephemeral='yes' private='no'", "private='yes'"] {
            for inner in [
                "",
                "<uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid><description>x</description>",
            ] {
                let text = format!("<secret {attributes}>{usage}{inner}</secret>");
                let written = Secret::from_xml(&text).unwrap().to_xml();
                assert_eq!(complaint("secret", &written), None, "{written}");
            }
        }
    }
    assert!(
        complaint("secret", "<secret><colour/></secret>").is_some(),
        "the schema refuses something"
    );
}

#[test]
fn every_kind_of_pool_fits_its_schema() {
    let host = "<host name='server'/>";
    let device = "<device path='/dev/sda'/>";
    let target = "<target><path>/mnt/a//b/</path><permissions><mode>0755</mode><owner>0</owner><group>-1</group>\
                  </permissions></target>";
    let iqn = "iqn.2013-06.com.example:pool";
    let auth = "<auth type='chap' username='u'><secret usage='s'/></auth>";
    let cases = [
        ("dir", String::new(), target),
        ("fs", device.to_owned(), target),
        (
            "netfs",
            format!("{host}<dir path='/x/'/><format type='nfs'/><protocol ver='4.1'/>"),
            target,
        ),
        ("logical", device.to_owned(), ""),
        ("disk", format!("{device}<format type='gpt'/>"), target),
        ("iscsi", format!("{host}<device path='{iqn}'/>{auth}"), target),
        (
            "iscsi-direct",
            format!("{host}<device path='{iqn}'/><initiator><iqn name='{iqn}'/></initiator>"),
            "",
        ),
        ("scsi", "<adapter name='host0'/>".to_owned(), target),
        ("mpath", String::new(), target),
        ("rbd", format!("{host}<name>images</name>"), ""),
        ("gluster", format!("{host}<name>volume</name>"), ""),
        ("zfs", "<name>tank</name>".to_owned(), ""),
        ("vstorage", "<name>cluster</name>".to_owned(), target),
    ];
    for (kind, source, target) in cases {
        let text = format!("<pool type='{kind}'><name>p</name><source>{source}</source>{target}</pool>");
        let written = Pool::from_xml(&text).unwrap().to_xml();
        assert_eq!(complaint("storagepool", &written), None, "{written}");
    }
}

#[test]
fn a_pool_with_everything_fits_its_schema() {
    let host = "<host name='server' port='1234'/>";
    let iqn = "iqn.2013-06.com.example:pool";
    let wwn = "wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'";
    let place = "<address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>";
    let target = "<target><path>/p</path><permissions><mode>0755</mode><owner>1</owner><group>2</group>\
                  <label>l</label></permissions></target>";
    let (fs, rbd) = (
        "xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'",
        "xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'",
    );
    let sold = "<vendor name='V'/><product name='P'/>";
    let cow = "<features><cow state='no'/></features>";
    let mount = "<fs:mount_opts><fs:option name='sync'/></fs:mount_opts>";
    let cases = [
        ("dir", "", String::new(), format!("{cow}{target}")),
        (
            "fs",
            fs,
            "<device path='/dev/sda'/><format type='xfs'/>".to_owned(),
            format!("{cow}{target}{mount}"),
        ),
        (
            "netfs",
            fs,
            format!("{host}<dir path='/x'/><format type='nfs'/><protocol ver='4.2'/>{sold}"),
            format!("{target}{mount}"),
        ),
        (
            "logical",
            "",
            "<device path='/dev/sda1'/><device path='/dev/sdb1'/><name>vg</name><format type='lvm2'/>"
                .to_owned(),
            "<target><path>/dev/vg</path></target>".to_owned(),
        ),
        (
            "disk",
            "",
            format!("<device path='/dev/mapper/mpatha' part_separator='no'/><format type='gpt'/>{sold}"),
            target.to_owned(),
        ),
        (
            "iscsi",
            "",
            format!(
                "{host}<device path='{iqn}'/><initiator><iqn name='{iqn}'/></initiator>\
                 <auth type='chap' username='u'><secret usage='s'/></auth>{sold}"
            ),
            target.to_owned(),
        ),
        (
            "iscsi-direct",
            "",
            format!(
                "{host}<device path='{iqn}'/><initiator><iqn name='{iqn}'/></initiator>\
                 <auth type='chap' username='u'><secret uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></auth>"
            ),
            String::new(),
        ),
        (
            "scsi",
            "",
            format!(
                "<adapter type='scsi_host'><parentaddr unique_id='1'>{place}</parentaddr></adapter>{sold}"
            ),
            target.to_owned(),
        ),
        (
            "scsi",
            "",
            format!("<adapter type='fc_host' parent='scsi_host5' managed='yes' {wwn}/>"),
            target.to_owned(),
        ),
        (
            "rbd",
            rbd,
            format!(
                "{host}<host name='::1'/><name>i</name><auth type='ceph' username='u'><secret usage='s'/></auth>"
            ),
            "<refresh><volume allocation='capacity'/></refresh>\
             <rbd:config_opts><rbd:option name='a' value='b'/></rbd:config_opts>"
                .to_owned(),
        ),
        (
            "gluster",
            "",
            format!("{host}<name>v</name><dir path='/s'/>"),
            String::new(),
        ),
        (
            "zfs",
            "",
            "<name>tank</name><device path='/dev/sda'/>".to_owned(),
            String::new(),
        ),
    ];
    for (kind, namespace, source, more) in cases {
        let text =
            format!("<pool type='{kind}' {namespace}><name>p</name><source>{source}</source>{more}</pool>");
        assert_eq!(complaint("storagepool", &text), None, "as it is given: {text}");
        let written = Pool::from_xml(&text).unwrap().to_xml();
        assert_eq!(complaint("storagepool", &written), None, "{written}");
        assert_eq!(Pool::from_xml(&written).unwrap().to_xml(), written);
    }
}

#[test]
fn a_volume_with_everything_fits_its_schema() {
    let text = "<volume><name>v</name><key>k</key><capacity unit='G'>1</capacity><allocation>0</allocation><target>\
                <path>/p/v</path><format type='qcow2'/><permissions><mode>600</mode><owner>1</owner><group>2</group>\
                <label>l</label></permissions><compat>1.1</compat><nocow/><clusterSize unit='KiB'>64</clusterSize>\
                <features><lazy_refcounts/><extended_l2/></features><encryption format='luks'>\
                <secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>\
                <cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='plain64' hash='sha256'/></encryption>\
                </target><backingStore><path>/p/b</path><format type='raw'/></backingStore></volume>";
    let written = Volume::from_xml(text, PoolKind::Dir).unwrap().to_xml();
    assert_eq!(complaint("storagevol", &written), None, "{written}");
}

#[test]
fn networks_of_every_mode_fit_their_schema() {
    let everything = "<title>t</title><description>d</description><metadata><x:y xmlns:x='urn:x'/></metadata><forward mode='nat' dev='eth0'>\
                      <nat ipv6='yes'><address start='192.0.2.4' end='192.0.2.9'/><port start='500' end='1000'/></nat></forward>\
                      <bridge name='virbr1' zone='z' macTableManager='libvirt'/><mtu size='9000'/><mac address='52:54:00:e6:a2:c9'/>\
                      <domain name='e.org' localOnly='yes' register='yes'/><dns forwardPlainNames='no'>\
                      <forwarder domain='a' addr='8.8.8.8'/><txt name='t' value='a,b'/><srv service='s' protocol='tcp' domain='d' \
                      target='.' port='1024' priority='1' weight='2'/><host ip='192.0.2.4'><hostname>h</hostname></host></dns>\
                      <bandwidth><inbound average='1' peak='2' burst='3'/></bandwidth><port isolated='yes'/>\
                      <ip address='192.0.2.1' netmask='255.255.255.0' localPtr='yes'><tftp root='/t'/><dhcp>\
                      <range start='192.0.2.9' end='192.0.2.20'><lease expiry='1' unit='hours'/></range>\
                      <host mac='52:54:00:00:00:0A' name='a' ip='192.0.2.7'><lease expiry='0'/></host>\
                      <bootp file='/f' server='192.0.2.8'/></dhcp></ip><ip family='ipv6' address='fd00::1' prefix='64'><dhcp>\
                      <host name='b' ip='fd00::7'/></dhcp></ip>\
                      <route family='ipv6' address='fd01::' prefix='64' gateway='fd00::9' metric='2'/>\
                      <portgroup name='g' default='yes' trustGuestRxFilters='no'><bandwidth><outbound average='1'/></bandwidth></portgroup>\
                      <dnsmasq:options><dnsmasq:option value='foo=bar'/></dnsmasq:options>";
    let ip = "<ip address='192.0.2.1' prefix='24'/>";
    let interface = "<interface dev='eth0'/>";
    let cases = [
        everything.to_owned(),
        String::new(),
        format!("<forward mode='route' dev='eth1'/>{ip}"),
        format!("<forward mode='open'/>{ip}"),
        "<forward mode='bridge'/><bridge name='br0'/><virtualport type='openvswitch'/><vlan trunk='yes'><tag id='4' nativeMode='tagged'/>\
         </vlan>"
            .to_owned(),
        format!("<forward mode='private'>{interface}</forward><virtualport type='802.1Qbh'><parameters profileid='p'/></virtualport>"),
        format!("<forward mode='vepa'>{interface}</forward><virtualport type='802.1Qbg'><parameters managerid='1' typeid='2'/></virtualport>"),
        "<forward mode='passthrough'><pf dev='eth0'/></forward>".to_owned(),
        "<forward mode='hostdev'><driver name='vfio' model='m'/><address type='pci' bus='3' slot='1' function='2'/></forward>".to_owned(),
    ];
    for case in cases {
        let namespace = "xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'";
        let network =
            Network::from_xml(&format!("<network {namespace}><name>n</name>{case}</network>")).unwrap();
        network.validate().unwrap();
        let written = network.to_xml();
        assert_eq!(complaint("network", &written), None, "{written}");
    }
}

#[test]
fn ports_with_every_plug_fit_their_schema() {
    let plugs = [
        "",
        "<plug type='network' bridge='virbr0' macTableManager='libvirt'/>",
        "<plug type='bridge' bridge='br0'/>",
        "<plug type='direct' dev='ens3' mode='vepa'/>",
        "<plug type='hostdev-pci' managed='yes'><driver name='vfio'/><address bus='0x02' slot='0x03' function='0x4'/></plug>",
    ];
    for plug in plugs {
        let text = format!(
            "<networkport><uuid>7ae63b5f-fe96-4af0-a7c3-da04ba1b3f54</uuid><owner><uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid>\
             <name>g</name></owner><group>web</group><mac address='52:54:0:7b:35:93'/><bandwidth classID='3'>\
             <inbound average='1000' peak='5000' floor='200' burst='1024'/></bandwidth><rxfilters trustGuest='yes'/>\
             <port isolated='yes'/><vlan><tag id='3'/></vlan><virtualport type='802.1Qbg'><parameters managerid='11'/></virtualport>{plug}</networkport>"
        );
        let written = NetworkPort::from_xml(&text).unwrap().to_xml();
        assert_eq!(complaint("networkport", &written), None, "{written}");
    }
}

/// The shipped filters as well as one with everything that schemas know of each protocol.
#[test]
fn filters_and_bindings_fit_their_schemas() {
    use model::nwfilter::{Binding, Filter};
    let mac = "srcmacaddr='$MAC' srcmacmask='ff:ff:ff:ff:ff:0'";
    let to = "dstmacaddr='1:2:3:4:5:6' dstmacmask='ff:ff:ff:ff:ff:ff'";
    let ports = "srcportstart='$P[@1]' srcportend='0x20' dstportstart='10' dstportend='$P[3]'";
    let (v4, v6) = (
        "srcipaddr='10.0.0.1' srcipmask='255.255.0.0' dstipaddr='$IP' dstipmask='8'",
        "srcipaddr='fe80::1' srcipmask='64' dstipaddr='$IPV6' dstipmask='ffff::'",
    );
    let ranges = "srcipfrom='10.0.0.1' srcipto='10.0.0.9' dscp='0x3f'";
    let connection = "connlimit-above='5' state='NEW,RELATED' ipset='a' ipsetflags='SRC,dst'";
    let mut elements = vec![
        format!("<mac match='no' {mac} {to} protocolid='0x1234'/>"),
        format!("<vlan {mac} {to} vlanid='5' encap-protocol='arp'/>"),
        format!(
            "<stp {mac} type='1' flags='2' root-priority='1' root-priority-hi='2' root-address='1:2:3:4:5:6' port='1'/>"
        ),
        format!(
            "<arp {mac} {to} hwtype='1' protocoltype='2048' opcode='3' arpsrcmacaddr='$MAC' arpsrcipaddr='$IP' gratuitous='yes'/>"
        ),
        format!("<rarp {mac} {to} opcode='Reply_Reverse'/>"),
        format!("<ip {mac} {to} {v4} protocol='17' {ports} dscp='5'/>"),
        format!("<ipv6 {mac} {to} {v6} protocol='icmpv6' type='1' typeend='5' code='1' codeend='2'/>"),
        format!(
            "<tcp srcmacaddr='$MAC' {v4} {ranges} {connection} {ports} flags='SYN,ACK/ALL' comment='c'/>"
        ),
        format!("<icmp {v4} type='8' code='0'/>"),
        format!("<icmpv6 {v6} type='8' code='0'/>"),
        format!("<tcp-ipv6 {v6} {ports} flags='NONE/NONE'/>"),
    ];
    elements.extend(["udp", "sctp"].map(|name| format!("<{name} {v4} {ranges} {ports}/>")));
    elements.extend(["igmp", "all", "esp", "ah", "udplite"].map(|name| format!("<{name} {v4} {ranges}/>")));
    elements.extend(["udp-ipv6", "sctp-ipv6"].map(|name| format!("<{name} {v6} {ports}/>")));
    elements
        .extend(["all-ipv6", "esp-ipv6", "ah-ipv6", "udplite-ipv6"].map(|name| format!("<{name} {v6}/>")));
    let rules: String = elements
        .iter()
        .map(|element| format!("<rule action='drop' direction='inout' statematch='False'>{element}</rule>"))
        .collect();
    let text = format!(
        "<filter name='f' chain='arp-x' priority='-7'><uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid>\
         <filterref filter='other'><parameter name='A' value='1'/></filterref>{rules}<rule action='accept' direction='in'/></filter>"
    );
    let filter = Filter::from_xml(&text).unwrap();
    assert_eq!(complaint("nwfilter", &text), None);
    assert_eq!(complaint("nwfilter", &filter.to_xml()), None);
    assert_eq!(Filter::from_xml(&filter.to_xml()).unwrap(), filter);
    let attributes = |text: &str| text.matches('=').count();
    // Each rule's priority, and the one thing that libvirt says otherwise.
    assert_eq!(
        attributes(&filter.to_xml()),
        attributes(&text) + elements.len() + 1
    );

    let text = "<filterbinding><owner><name>g</name><uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid></owner>\
                <portdev name='vnet0'/><linkdev name='eth0'/><mac address='52:54:00:00:00:01'/>\
                <filterref filter='f'><parameter name='IP' value='10.0.0.1'/></filterref></filterbinding>";
    let binding = Binding::from_xml(text).unwrap();
    assert_eq!(complaint("nwfilterbinding", &binding.to_xml()), None);
    assert_eq!(Binding::from_xml(&binding.to_xml()).unwrap(), binding);
}
