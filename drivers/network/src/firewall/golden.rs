//! Packets meet the same end as in the rules of libvirt's own cases.

use super::rules;
use model::network::Network;
use rule_model::{Packet, RuleSet, Verdict, command, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/network-firewall");
    if !folder.is_dir() {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return None;
    }
    Some(folder)
}

/// Packets from everywhere to everywhere that rules could tell apart.
fn packets() -> Vec<Packet> {
    let families: [(&str, &str, &[&str]); 2] = [
        (
            "ipv4",
            "ip",
            &[
                "192.168.122.7",
                "192.168.122.255",
                "192.168.128.9",
                "192.168.150.3",
                "198.51.100.1",
                "224.0.0.1",
                "224.0.1.1",
                "255.255.255.255",
            ],
        ),
        (
            "ipv6",
            "ip6",
            &[
                "2001:db8:ca2:2::7",
                "2001:db8:ca2:3::1",
                "fe80::1",
                "ff02::1",
                "ff05::2",
            ],
        ),
    ];
    let interfaces = ["virbr0", "enp0s7", "eth1"];
    let mut packets = Vec::new();
    for (nfproto, header, addresses) in families {
        for from in addresses {
            for to in addresses {
                for (iif, oif) in interfaces
                    .iter()
                    .flat_map(|iif| interfaces.map(|oif| (*iif, oif)))
                {
                    for (protocol, port) in [(6_u128, 80_u128), (17, 53), (17, 68), (1, 0)] {
                        for state in ["new", "established", "related", "invalid"] {
                            packets.push(
                                Packet::new()
                                    .with("meta.nfproto", nfproto)
                                    .with("meta.iifname", iif)
                                    .with("meta.oifname", oif)
                                    .with("meta.l4proto", protocol)
                                    .with("th.dport", port)
                                    .with("ct.state", state)
                                    .with_address(&format!("{header}.saddr"), from)
                                    .with_address(&format!("{header}.daddr"), to),
                            );
                        }
                    }
                }
            }
        }
    }
    packets
}

#[test]
fn the_same_packets_pass_as_by_libvirts_rules() {
    let Some(folder) = corpus() else { return };
    let packets = packets();
    let mut cases = 0;
    let mut seen: BTreeMap<Verdict, usize> = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap().flatten() {
        let path = entry.path();
        let case = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|ending| ending != "xml") {
            continue;
        }
        let network = Network::from_xml(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut own = RuleSet::default();
        json::read(&mut own, &rules(std::iter::once(&network)).unwrap());
        for backend in ["nftables", "iptables"] {
            let mut expected = RuleSet::default();
            for file in [format!("base.{backend}"), format!("{case}-linux.{backend}")] {
                command::read(&mut expected, &fs::read_to_string(folder.join(file)).unwrap());
            }
            for packet in &packets {
                for hook in ["forward", "postrouting", "input", "output"] {
                    let verdict = own.judge(hook, packet);
                    assert_eq!(
                        verdict,
                        expected.judge(hook, packet),
                        "{case} by {backend}, {hook}: {packet:?}"
                    );
                    *seen.entry(verdict).or_default() += 1;
                }
            }
        }
        cases += 1;
    }
    println!(
        "network-firewall: {cases} cases, {} packets each: {seen:?}",
        packets.len()
    );
    assert_eq!(cases, 8);
    assert!(seen.len() > 3, "every way to end is tried: {seen:?}");
}

/// The kernel, in a namespace of its own, takes all that there can be.
#[test]
fn the_kernel_takes_the_rules() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let ips = "<ip address='10.1.0.1' prefix='16'/><ip address='10.2.0.1' prefix='16'/><ip family='ipv6' address='fd00::1' prefix='64'/>";
    let inside = [
        String::new(),
        format!("<forward mode='route' dev='eth0'/>{ips}"),
        format!(
            "<forward mode='nat' dev='eth0'><nat ipv6='yes'><port start='500' end='1000'/></nat></forward>{ips}"
        ),
        format!("<forward mode='nat'><nat><address start='192.0.2.4' end='192.0.2.9'/></nat></forward>{ips}"),
        format!(
            "<forward mode='nat'><nat><address start='192.0.2.4' end='192.0.2.4'/><port start='5' end='5'/></nat></forward>{ips}"
        ),
        format!("<forward mode='open'/>{ips}"),
        "<forward mode='bridge'/>".to_owned(),
    ];
    let networks: Vec<Network> = (0..)
        .zip(inside)
        .map(|(number, inside)| {
            let bridge = if inside.contains("'bridge'") {
                String::new()
            } else {
                format!("<bridge name='virbr{number}'/>")
            };
            let text = format!("<network><name>n{number}</name>{bridge}{inside}</network>");
            Network::from_xml(&text).unwrap()
        })
        .collect();
    for some in [networks.as_slice(), &[]] {
        let document = rules(some.iter()).unwrap();
        let mut nft = Command::new("unshare")
            .args(["-rn", "nft", "-j", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
        let output = nft.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}\n{document}");
    }
}

#[test]
fn interfaces_have_names_that_rules_can_be_about() {
    for (bridge, dev) in [
        ("virbr*", "eth0"),
        ("@set", "eth0"),
        ("b", "*"),
        ("b", "averyveryverylongname"),
    ] {
        let text = format!(
            "<network><name>n</name><bridge name='{bridge}'/><forward dev='{dev}'/><ip address='10.1.0.1' prefix='16'/></network>"
        );
        let refused = rules(std::iter::once(&Network::from_xml(&text).unwrap())).unwrap_err();
        assert_eq!(refused.code(), error::Code::ConfigUnsupported, "{refused}");
    }
}
