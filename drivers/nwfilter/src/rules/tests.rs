//! What the kernel takes, and what is refused.

use super::{Filters, PortRules, Sets, compile, sets_in};
use crate::firewall::{Changes, Document, Guarded, There, after, change, replace};
use error::Code;
use model::nwfilter::{Binding, Filter};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

pub(super) type Named = BTreeMap<String, Arc<Filter>>;

impl Filters for Named {
    fn find(&self, name: &str) -> Option<&Arc<Filter>> {
        self.get(name)
    }
}

/// The filters that are shipped.
fn shipped() -> Named {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/filters");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files
        .map(|file| {
            let filter = Filter::from_xml(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
            (filter.name.clone(), Arc::new(filter))
        })
        .collect()
}

pub(super) fn binding(filter: &str, parameters: &str) -> Binding {
    Binding::from_xml(&format!(
        "<filterbinding><owner><name>g</name><uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid></owner>\
         <portdev name='vnet0'/><mac address='52:54:00:00:00:01'/>\
         <filterref filter='{filter}'>{parameters}</filterref></filterbinding>"
    ))
    .unwrap()
}

pub(super) fn with(filters: &[&str]) -> Named {
    filters
        .iter()
        .map(|text| {
            let filter = Filter::from_xml(text).unwrap();
            (filter.name.clone(), Arc::new(filter))
        })
        .collect()
}

fn port(rules: PortRules) -> Changes {
    Changes::one("vnet0", Some(rules))
}

/// A document in one piece.
pub(super) fn whole(document: Document) -> String {
    String::from_utf8(document.flatten().collect()).unwrap()
}

/// Has the kernel, in a namespace of its own, take these documents one after the other.
fn kernel_takes(documents: &[String]) {
    let script = documents
        .iter()
        .map(|document| format!("nft -j -f - <<'END' || exit 1\n{document}\nEND\n"));
    let mut shell = Command::new("unshare")
        .args(["-rn", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let script: String = script.collect();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{script}");
}

#[test]
fn the_kernel_takes_the_rules_of_every_shipped_filter_and_of_one_after_the_other() {
    let filters = shipped();
    assert_eq!(filters.len(), 24);
    let parameters = "<parameter name='IP' value='10.0.0.2'/><parameter name='IP' value='10.0.0.3'/>\
                      <parameter name='IPV6' value='fd00::2'/><parameter name='GATEWAY_MAC' value='52:54:00:00:00:fe'/>";
    let mut documents = Vec::new();
    let mut guarded = Guarded::default();
    for name in filters.keys() {
        let parameters = match name.contains("v6") {
            true => format!("{parameters}<parameter name='DHCPSERVER' value='fd00::1'/>"),
            false => format!("{parameters}<parameter name='DHCPSERVER' value='10.0.0.1'/>"),
        };
        let rules = compile(&binding(name, &parameters), &filters, &[], &Sets::default()).unwrap();
        let changes = port(rules);
        documents.push(whole(change(&guarded, &changes)));
        guarded = after(&guarded, &changes);
        documents.push(whole(replace(&changes, &There::default())));
    }
    documents.push(whole(change(&guarded, &Changes::one("vnet0", None))));
    kernel_takes(&documents);
}

/// Connections and rejection apart, which not every kernel knows on bridges.
#[test]
fn the_kernel_takes_every_protocol() {
    let mac = "srcmacaddr='$MAC' srcmacmask='ff:ff:ff:ff:ff:0' dstmacaddr='1:2:3:4:5:6'";
    let v4 = "srcipaddr='10.0.0.1' srcipmask='255.255.0.0' dstipaddr='10.0.0.9'";
    let v6 = "srcipaddr='fe80::1' srcipmask='64' dstipaddr='fd00::9'";
    let ports = "srcportstart='20' srcportend='0x20' dstportstart='10'";
    let arp = "hwtype='1' protocoltype='2048' opcode='Reply' arpsrcmacaddr='$MAC' arpdstmacaddr='1:2:3:4:5:6' arpsrcipaddr='10.0.0.1' arpsrcipmask='8'";
    let elements = [
        format!("<mac match='no' {mac} protocolid='0x1234'/>"),
        format!("<vlan {mac} vlanid='5' encap-protocol='arp'/>"),
        "<stp srcmacaddr='$MAC' type='1' root-priority='1' root-priority-hi='2' root-address='1:2:3:4:5:6' \
         root-address-mask='ff:ff:ff:ff:ff:0' root-cost='5' root-cost-hi='0xffffffff'/>"
            .to_owned(),
        format!("<arp {mac} {arp}/>"),
        format!("<rarp match='no' {mac} {arp}/>"),
        format!("<ip {mac} {v4} protocol='17' {ports} dscp='5'/>"),
        format!("<ipv6 {mac} {v6} protocol='icmpv6' type='1' typeend='5' code='1'/>"),
        format!("<tcp srcmacaddr='$MAC' {v4} dscp='3' {ports} flags='SYN,ACK/ALL'/>"),
        "<udp match='no' srcipfrom='10.0.0.1' srcipto='10.0.0.9'/>".to_owned(),
        format!("<icmp {v4} type='8' code='0'/>"),
        format!("<icmpv6 {v6} type='8' code='0'/>"),
        format!("<sctp-ipv6 {v6} dscp='3' {ports}/>"),
        format!("<all {v4}/>"),
        format!("<all-ipv6 {v6}/>"),
    ];
    let rules: String = elements
        .iter()
        .flat_map(|element| {
            // Telling who sent a packet that it is rejected is a module of its own, which not every kernel has.
            ["drop", "return", "continue", "accept"]
                .map(|action| format!("<rule action='{action}' direction='inout'>{element}</rule>"))
        })
        .collect();
    let filters = with(&[&format!("<filter name='f'>{rules}</filter>")]);
    let rules = compile(&binding("f", ""), &filters, &[], &Sets::default()).unwrap();
    kernel_takes(&[whole(change(&Guarded::default(), &port(rules)))]);
}

/// On its own: who is not really root may not tell the kernel much at once.
#[test]
fn the_kernel_takes_gratuitous_arp() {
    let rule = |is: &str| format!("<rule action='drop' direction='out'><arp {is} gratuitous='true'/></rule>");
    let filter = format!("<filter name='f'>{}{}</filter>", rule(""), rule("match='no'"));
    let rules = compile(&binding("f", ""), &with(&[&filter]), &[], &Sets::default()).unwrap();
    let document = whole(change(&Guarded::default(), &port(rules)));
    // One that asks for all four bytes, and four of which each asks for one that differs.
    assert_eq!((added(&document), document.matches("[255,255]").count()), (5, 8));
    kernel_takes(&[document]);
}

#[test]
fn filters_and_variables_that_cannot_be_used_are_named() {
    let refused = |filters: &[&str], parameters: &str, code: Code, words: &str| {
        let refusal = compile(&binding("f", parameters), &with(filters), &[], &Sets::default()).unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.to_string().contains(words), "{refusal}");
    };
    let rule = |inside: &str| {
        format!("<filter name='f'><rule action='drop' direction='out'>{inside}</rule></filter>")
    };
    refused(&[], "", Code::InternalError, "'f' is missing");
    let includes = "<filter name='f'><filterref filter='g'/></filter>";
    refused(&[includes], "", Code::InternalError, "'g' is missing");
    let back = "<filter name='g'><filterref filter='f'/></filter>";
    refused(&[includes, back], "", Code::OperationFailed, "f -> g -> f");
    let (ip, side) = (
        rule("<ip srcipaddr='$A'/>"),
        rule("<ip srcipaddr='$A' srcportstart='$B'/>"),
    );
    refused(&[&ip], "", Code::InternalError, "the variables A");
    let value = |name: &str, value: &str| format!("<parameter name='{name}' value='{value}'/>");
    refused(&[&ip], &value("A", "fd00::1"), Code::InternalError, "'fd00::1'");
    let two = value("A", "10.0.0.1") + &value("A", "10.0.0.2") + &value("B", "1");
    refused(&[&side], &two, Code::InternalError, "have 2 and 1 values");
    let at = rule("<ip srcipaddr='$A[7]'/>");
    refused(&[&at], &two, Code::InternalError, "no value number 7");
}

fn rules_of(filters: &Named, port: &str, mac: &str, filter: &str) -> PortRules {
    let document = binding(filter, "").to_xml();
    let document = document.replace("vnet0", port).replace("52:54:00:00:00:01", mac);
    compile(
        &Binding::from_xml(&document).unwrap(),
        filters,
        &[],
        &Sets::default(),
    )
    .unwrap()
}

/// How many rules a document adds that are not of chains that packets come by.
fn added(document: &str) -> usize {
    document
        .matches(r#"{"add":{"rule":"#)
        .count()
        .saturating_sub(document.matches(r#""vmap""#).count())
}

#[test]
fn ports_share_what_is_the_same_for_them() {
    let rules: String = (1..=50)
        .map(|port| format!("<rule action='drop' direction='in'><tcp dstportstart='{port}'/></rule>"))
        .collect();
    let own = "<rule action='drop' direction='out'><mac srcmacaddr='$MAC'/></rule>";
    let filters = with(&[
        &format!("<filter name='same'>{rules}</filter>"),
        &format!("<filter name='own'>{own}<filterref filter='same'/></filter>"),
    ]);
    let mut guarded = Guarded::default();
    let mut documents = Vec::new();
    let mut next = |changes: Changes| {
        let document = whole(change(&guarded, &changes));
        guarded = after(&guarded, &changes);
        documents.push(document.clone());
        document
    };
    let put = |port, mac, filter| Changes::one(port, Some(rules_of(&filters, port, mac, filter)));
    assert_eq!(added(&next(put("vnet0", "2:0:0:0:0:1", "same"))), 100);
    assert_eq!(added(&next(put("vnet1", "2:0:0:0:0:2", "same"))), 0);
    // A port has of its own what is about its guest.
    assert_eq!(added(&next(put("vnet2", "2:0:0:0:0:3", "own"))), 1);
    let deleted = |document: &str| document.matches(r#"{"delete":{"chain":"#).count();
    assert_eq!(deleted(&next(Changes::one("vnet0", None))), 0);
    assert_eq!(deleted(&next(Changes::one("vnet2", None))), 1);
    let last = next(Changes::one("vnet1", None));
    assert_eq!((deleted(&last), last.contains("vmap")), (4, false));
    kernel_takes(&documents);
}

/// How many connections there are is each port's own matter.
#[test]
fn ports_do_not_share_what_counts_connections() {
    let counts =
        "<filter name='f'><rule action='drop' direction='in'><tcp connlimit-above='2'/></rule></filter>";
    let filters = with(&[counts]);
    let rules = |port| rules_of(&filters, port, "2:0:0:0:0:1", "f");
    let first = Changes::one("vnet0", Some(rules("vnet0")));
    let guarded = after(&Guarded::default(), &first);
    let other = whole(change(&guarded, &Changes::one("vnet1", Some(rules("vnet1")))));
    assert_eq!(added(&other), 1);
    // And a number that goes on is not begun anew with what else changes.
    assert_eq!(added(&whole(change(&guarded, &first))), 0);
}

#[test]
fn a_set_that_is_there_is_looked_up_by_its_parts_and_any_other_is_refused() {
    let said = r#"{"nftables": [{"metainfo": {}}, {"set": {"family": "bridge", "name": "web", "table": "libvirt_nwfilter",
        "type": ["ipv4_addr", "inet_proto", "inet_service"]}}, {"set": {"name": "six", "table": "libvirt_nwfilter", "type": "ipv6_addr"}},
        {"set": {"name": "alien", "table": "other", "type": "ipv4_addr"}},
        {"set": {"name": "odd", "table": "libvirt_nwfilter", "type": {"typeof": {}}}}]}"#;
    let sets = sets_in(said).unwrap();
    assert_eq!(sets.keys().collect::<Vec<_>>(), ["odd", "six", "web"]);
    assert!(sets_in("no JSON").is_err());
    let compiled = |element: &str| {
        let rule =
            format!("<filter name='f'><rule action='drop' direction='out'><{element}/></rule></filter>");
        compile(&binding("f", ""), &with(&[&rule]), &[], &sets)
    };
    let rules = compiled("tcp ipset='web' ipsetflags='src,dst'").unwrap();
    let document = whole(change(&Guarded::default(), &port(rules)));
    let field = |protocol, field| format!(r#"{{"payload":{{"protocol":"{protocol}","field":"{field}"}}}}"#);
    let looked_up = |address, service| {
        let parts = [
            field("ip", address),
            r#"{"meta":{"key":"l4proto"}}"#.to_owned(),
            field("th", service),
        ];
        format!(
            r#"{{"left":{{"concat":[{}]}},"right":"@web","op":"=="}}"#,
            parts.join(",")
        )
    };
    // From the guest as it is said, and to it the other way about.
    for (address, service) in [("saddr", "dport"), ("daddr", "sport")] {
        assert!(document.contains(&looked_up(address, service)), "{document}");
    }
    for (element, words) in [
        ("tcp ipset='none' ipsetflags='src'", "no set of that name"),
        ("tcp ipset='alien' ipsetflags='src'", "no set of that name"),
        ("tcp ipset='web' ipsetflags='src'", "does not say of each"),
        ("tcp ipset='six' ipsetflags='src'", "ipv6_addr"),
        ("tcp ipset='odd' ipsetflags='src'", "typeof"),
        (
            "all match='no' ipset='web' ipsetflags='src,dst'",
            "has to name a protocol",
        ),
    ] {
        let refusal = compiled(element).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
}
