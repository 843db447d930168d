//! The network filters that are shipped, and the configuration of their daemon.

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[
            (
                "virtnwfilterd.conf",
                include_str!("../../../packaging/configuration/virtnwfilterd.conf"),
            ),
            $((
                concat!("nwfilter/", $name, ".xml"),
                include_str!(concat!("../../../packaging/filters/", $name, ".xml")),
            )),*
        ]
    };
}

/// Names below `/etc/libvirt`, and contents.
pub(super) const FILTER_FILES: &[(&str, &str)] = files![
    "allow-arp",
    "allow-dhcp-server",
    "allow-dhcp",
    "allow-dhcpv6-server",
    "allow-dhcpv6",
    "allow-incoming-ipv4",
    "allow-incoming-ipv6",
    "allow-ipv4",
    "allow-ipv6",
    "clean-traffic-gateway",
    "clean-traffic",
    "no-arp-ip-spoofing",
    "no-arp-mac-spoofing",
    "no-arp-spoofing",
    "no-ip-multicast",
    "no-ip-spoofing",
    "no-ipv6-multicast",
    "no-ipv6-spoofing",
    "no-mac-broadcast",
    "no-mac-spoofing",
    "no-other-l2-traffic",
    "no-other-rarp-traffic",
    "qemu-announce-self-rarp",
    "qemu-announce-self",
];
