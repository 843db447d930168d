//! `<dnsmasq:options>`: lines that go into dnsmasq's configuration as they are.

use xml::Element;

/// The namespace of the element.
pub const DNSMASQ_NAMESPACE: &str = "http://libvirt.org/schemas/network/dnsmasq/1.0";

/// Lines for dnsmasq.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(
    element = "options",
    namespace(dnsmasq = "http://libvirt.org/schemas/network/dnsmasq/1.0")
)]
pub struct DnsmasqOptions {
    /// In their order.
    #[xml(children = "dnsmasq:option")]
    pub options: Vec<DnsmasqOption>,
}

/// A line for dnsmasq.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "option")]
pub struct DnsmasqOption {
    /// The line: `name` or `name=value`.
    #[xml(attr)]
    pub value: String,
}

impl DnsmasqOption {
    /// Options of dnsmasq that make it run programs, read other files of options, write files, or become somebody else.
    const POWERFUL: &[&str] = &[
        "conf-dir",
        "conf-file",
        "conf-script",
        "dhcp-hostsdir",
        "dhcp-leasefile",
        "dhcp-luascript",
        "dhcp-optsdir",
        "dhcp-script",
        "dhcp-scriptuser",
        "dumpfile",
        "enable-dbus",
        "enable-ubus",
        "group",
        "keep-in-foreground",
        "leasefile-ro",
        "log-facility",
        "no-daemon",
        "pid-file",
        "script-arp",
        "script-on-renewal",
        "servers-file",
        "test",
        "user",
    ];

    /// The option's name.
    pub fn name(&self) -> &str {
        self.value.split('=').next().unwrap_or_default().trim()
    }

    /// Whether it gives who writes the document a say over no more of the host than names and addresses: none over programs,
    /// files and users. dnsmasq takes quotes and backslashes out of names, so a name has letters, digits and dashes alone.
    pub fn is_harmless(&self) -> bool {
        let name = self.name();
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !Self::POWERFUL.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::DnsmasqOption;

    #[test]
    fn what_reaches_beyond_names_and_addresses_is_known_however_it_is_written() {
        let harmless = |value: &str| {
            DnsmasqOption {
                value: value.to_owned(),
            }
            .is_harmless()
        };
        for good in [
            "foo=bar",
            "cname=*.a.example,b",
            "no-hosts",
            "dhcp-option = 3",
            "strict-order",
        ] {
            assert!(harmless(good), "{good}");
        }
        for bad in [
            "dhcp-script=/bin/sh",
            " dhcp-script = /bin/sh",
            "\"dhcp-script\"=/bin/sh",
            "dhcp\\-script=/x",
            "conf-file=/x",
            "user=root",
            "log-facility=/etc/passwd",
        ] {
            assert!(!harmless(bad), "{bad}");
        }
    }
}
