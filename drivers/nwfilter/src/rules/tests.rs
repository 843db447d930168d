//! What the kernel takes, and what is refused.

use super::{Filters, PortRules, compile};
use crate::firewall::{Changes, Guarded, after, change, replace};
use error::Code;
use model::nwfilter::{Binding, Filter};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

pub(super) type Named = BTreeMap<String, Arc<Filter>>;

impl Filters for Named {
    fn find(&self, name: &str) -> Option<Arc<Filter>> {
        self.get(name).cloned()
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
    Changes::from([("vnet0".to_owned(), Some(rules))])
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
    let mut guarded = Guarded::new();
    for name in filters.keys() {
        let parameters = match name.contains("v6") {
            true => format!("{parameters}<parameter name='DHCPSERVER' value='fd00::1'/>"),
            false => format!("{parameters}<parameter name='DHCPSERVER' value='10.0.0.1'/>"),
        };
        let rules = compile(&binding(name, &parameters), &filters, &[]).unwrap();
        let changes = port(rules);
        documents.push(change(&guarded, &changes));
        guarded = after(&guarded, &changes);
        documents.push(replace(&changes));
    }
    documents.push(change(&guarded, &Changes::from([("vnet0".to_owned(), None)])));
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
    let rules = compile(&binding("f", ""), &filters, &[]).unwrap();
    kernel_takes(&[change(&Guarded::new(), &port(rules))]);
}

#[test]
fn filters_and_variables_that_cannot_be_used_are_named() {
    let refused = |filters: &[&str], parameters: &str, code: Code, words: &str| {
        let refusal = compile(&binding("f", parameters), &with(filters), &[]).unwrap_err();
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
