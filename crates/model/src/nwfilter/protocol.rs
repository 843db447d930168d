//! Protocols of rules, and which attributes each has.

use super::Kind;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "as the elements are called")]
pub enum Protocol {
    Mac,
    Vlan,
    Stp,
    Arp,
    Rarp,
    Ip,
    Ipv6,
    Tcp,
    Udp,
    UdpLite,
    Sctp,
    Icmp,
    Igmp,
    Esp,
    Ah,
    All,
    TcpIpv6,
    UdpIpv6,
    UdpLiteIpv6,
    SctpIpv6,
    Icmpv6,
    EspIpv6,
    AhIpv6,
    AllIpv6,
}

/// Where packets are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// As frames that pass a bridge.
    Ethernet,
    /// As packets of connections of IPv4, of the protocol with this number.
    Ipv4(Option<u8>),
    /// As packets of connections of IPv6.
    Ipv6(Option<u8>),
}

/// An attribute's name, and what fits it.
pub(super) type Field = (&'static str, Kind);

const BYTE: Kind = Kind::Number(0xff);
const WORD: Kind = Kind::Number(0xffff);
const LONG: Kind = Kind::Number(0xffff_ffff);
const SIX_BITS: Kind = Kind::Number(63);

const FROM_MAC: Field = ("srcmacaddr", Kind::Mac);
const MACS: &[Field] = &[
    FROM_MAC,
    ("srcmacmask", Kind::Mac),
    ("dstmacaddr", Kind::Mac),
    ("dstmacmask", Kind::Mac),
];
const PORTS: &[Field] = &[
    ("srcportstart", WORD),
    ("srcportend", WORD),
    ("dstportstart", WORD),
    ("dstportend", WORD),
];
const IPV4: &[Field] = &[
    ("srcipaddr", Kind::Ipv4),
    ("srcipmask", Kind::Ipv4Mask),
    ("dstipaddr", Kind::Ipv4),
    ("dstipmask", Kind::Ipv4Mask),
];
const IPV6: &[Field] = &[
    ("srcipaddr", Kind::Ipv6),
    ("srcipmask", Kind::Ipv6Mask),
    ("dstipaddr", Kind::Ipv6),
    ("dstipmask", Kind::Ipv6Mask),
];
const IPV4_RANGES: &[Field] = &[
    ("srcipfrom", Kind::Ipv4),
    ("srcipto", Kind::Ipv4),
    ("dstipfrom", Kind::Ipv4),
    ("dstipto", Kind::Ipv4),
];
const IPV6_RANGES: &[Field] = &[
    ("srcipfrom", Kind::Ipv6),
    ("srcipto", Kind::Ipv6),
    ("dstipfrom", Kind::Ipv6),
    ("dstipto", Kind::Ipv6),
];
const CONNECTION: &[Field] = &[
    ("dscp", SIX_BITS),
    ("connlimit-above", WORD),
    ("state", Kind::States),
    ("ipset", Kind::SetName),
    ("ipsetflags", Kind::SetDirections),
];
const STP: &[Field] = &[
    FROM_MAC,
    ("srcmacmask", Kind::Mac),
    ("type", BYTE),
    ("flags", BYTE),
    ("root-priority", WORD),
    ("root-priority-hi", WORD),
    ("root-address", Kind::Mac),
    ("root-address-mask", Kind::Mac),
    ("root-cost", LONG),
    ("root-cost-hi", LONG),
    ("sender-priority", WORD),
    ("sender-priority-hi", WORD),
    ("sender-address", Kind::Mac),
    ("sender-address-mask", Kind::Mac),
    ("port", WORD),
    ("port-hi", WORD),
    ("age", WORD),
    ("age-hi", WORD),
    ("max-age", WORD),
    ("max-age-hi", WORD),
    ("hello-time", WORD),
    ("hello-time-hi", WORD),
    ("forward-delay", WORD),
    ("forward-delay-hi", WORD),
];
const ARP: &[Field] = &[
    ("hwtype", WORD),
    ("protocoltype", WORD),
    ("opcode", Kind::ArpOperation),
    ("arpsrcmacaddr", Kind::Mac),
    ("arpdstmacaddr", Kind::Mac),
    ("arpsrcipaddr", Kind::Ipv4),
    ("arpsrcipmask", Kind::Ipv4Mask),
    ("arpdstipaddr", Kind::Ipv4),
    ("arpdstipmask", Kind::Ipv4Mask),
    ("gratuitous", Kind::Bool),
];
const COMMENT: &[Field] = &[("comment", Kind::Comment)];
const ICMP: &[Field] = &[("type", BYTE), ("code", BYTE)];

const MAC_RULE: &[&[Field]] = &[MACS, &[("protocolid", Kind::EtherType)], COMMENT];
const VLAN_RULE: &[&[Field]] = &[
    MACS,
    &[
        ("vlanid", Kind::Number(0xfff)),
        ("encap-protocol", Kind::EtherType),
    ],
    COMMENT,
];
const STP_RULE: &[&[Field]] = &[STP, COMMENT];
const ARP_RULE: &[&[Field]] = &[MACS, ARP, COMMENT];
const IP_RULE: &[&[Field]] = &[
    MACS,
    IPV4,
    &[("protocol", Kind::IpProtocol)],
    PORTS,
    &[("dscp", SIX_BITS)],
    COMMENT,
];
const IPV6_RULE: &[&[Field]] = &[
    MACS,
    IPV6,
    &[("protocol", Kind::IpProtocol)],
    PORTS,
    &[
        ("type", BYTE),
        ("typeend", BYTE),
        ("code", BYTE),
        ("codeend", BYTE),
    ],
    COMMENT,
];

macro_rules! above_ip {
    ($addresses:ident, $ranges:ident $(, $more:expr)*) => {
        &[&[FROM_MAC], $addresses, $ranges, CONNECTION $(, $more)*, COMMENT]
    };
}
const FLAGS: &[Field] = &[("flags", Kind::TcpFlags)];
const V4_PLAIN: &[&[Field]] = above_ip!(IPV4, IPV4_RANGES);
const V4_PORTS: &[&[Field]] = above_ip!(IPV4, IPV4_RANGES, PORTS);
const V4_TCP: &[&[Field]] = above_ip!(IPV4, IPV4_RANGES, PORTS, FLAGS);
const V4_ICMP: &[&[Field]] = above_ip!(IPV4, IPV4_RANGES, ICMP);
const V6_PLAIN: &[&[Field]] = above_ip!(IPV6, IPV6_RANGES);
const V6_PORTS: &[&[Field]] = above_ip!(IPV6, IPV6_RANGES, PORTS);
const V6_TCP: &[&[Field]] = above_ip!(IPV6, IPV6_RANGES, PORTS, FLAGS);
const V6_ICMP: &[&[Field]] = above_ip!(IPV6, IPV6_RANGES, ICMP);

/// A protocol's element, where its packets are looked at, and its attributes in the order they are written.
type Row = (Protocol, &'static str, Layer, &'static [&'static [Field]]);

const ROWS: &[Row] = &[
    (Protocol::Mac, "mac", Layer::Ethernet, MAC_RULE),
    (Protocol::Vlan, "vlan", Layer::Ethernet, VLAN_RULE),
    (Protocol::Stp, "stp", Layer::Ethernet, STP_RULE),
    (Protocol::Arp, "arp", Layer::Ethernet, ARP_RULE),
    (Protocol::Rarp, "rarp", Layer::Ethernet, ARP_RULE),
    (Protocol::Ip, "ip", Layer::Ethernet, IP_RULE),
    (Protocol::Ipv6, "ipv6", Layer::Ethernet, IPV6_RULE),
    (Protocol::Tcp, "tcp", Layer::Ipv4(Some(6)), V4_TCP),
    (Protocol::Udp, "udp", Layer::Ipv4(Some(17)), V4_PORTS),
    (Protocol::UdpLite, "udplite", Layer::Ipv4(Some(136)), V4_PLAIN),
    (Protocol::Sctp, "sctp", Layer::Ipv4(Some(132)), V4_PORTS),
    (Protocol::Icmp, "icmp", Layer::Ipv4(Some(1)), V4_ICMP),
    (Protocol::Igmp, "igmp", Layer::Ipv4(Some(2)), V4_PLAIN),
    (Protocol::Esp, "esp", Layer::Ipv4(Some(50)), V4_PLAIN),
    (Protocol::Ah, "ah", Layer::Ipv4(Some(51)), V4_PLAIN),
    (Protocol::All, "all", Layer::Ipv4(None), V4_PLAIN),
    (Protocol::TcpIpv6, "tcp-ipv6", Layer::Ipv6(Some(6)), V6_TCP),
    (Protocol::UdpIpv6, "udp-ipv6", Layer::Ipv6(Some(17)), V6_PORTS),
    (
        Protocol::UdpLiteIpv6,
        "udplite-ipv6",
        Layer::Ipv6(Some(136)),
        V6_PLAIN,
    ),
    (Protocol::SctpIpv6, "sctp-ipv6", Layer::Ipv6(Some(132)), V6_PORTS),
    (Protocol::Icmpv6, "icmpv6", Layer::Ipv6(Some(58)), V6_ICMP),
    (Protocol::EspIpv6, "esp-ipv6", Layer::Ipv6(Some(50)), V6_PLAIN),
    (Protocol::AhIpv6, "ah-ipv6", Layer::Ipv6(Some(51)), V6_PLAIN),
    (Protocol::AllIpv6, "all-ipv6", Layer::Ipv6(None), V6_PLAIN),
];

impl Protocol {
    /// The protocol of an element.
    pub(super) fn named(name: &str) -> Option<Self> {
        let row = ROWS.iter().find(|(_, known, _, _)| *known == name);
        row.map(|(protocol, ..)| *protocol)
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|(protocol, ..)| *protocol == self)
    }

    /// The element's name.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |(_, name, _, _)| *name)
    }

    /// Where its packets are looked at.
    pub fn layer(self) -> Layer {
        self.row().map_or(Layer::Ethernet, |(_, _, layer, _)| *layer)
    }

    /// Its attributes in the order they are written.
    pub(super) fn fields(self) -> impl Iterator<Item = &'static Field> {
        self.row()
            .into_iter()
            .flat_map(|row| row.3.iter().copied().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_its_row_and_each_attribute_once() {
        for (protocol, name, ..) in ROWS {
            assert_eq!(Protocol::named(name), Some(*protocol));
            assert_eq!(protocol.name(), *name);
            let mut names: Vec<&str> = protocol.fields().map(|(name, _)| *name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{name}");
        }
    }
}
