//! dnsmasq's configuration: a line an option, in the order of libvirt's.

use super::{Places, hosts, reverse, serves_names};
use error::Result;
use model::network::{Bootp, DhcpRange, Dns, ForwardMode, Network, NetworkIp, Srv};
use std::fmt::Display;
use std::net::IpAddr;
use xml::YesNo;

/// Lines of options.
struct Lines(String);

impl Lines {
    fn flag(&mut self, name: &str) {
        self.0.push_str(name);
        self.0.push('\n');
    }

    fn option(&mut self, name: &str, value: impl Display) {
        self.flag(&format!("{name}={value}"));
    }
}

/// The whole file.
///
/// # Errors
/// As [`super::files`].
pub(super) fn text(network: &Network, places: &Places) -> Result<String> {
    let mut lines = Lines(format!(
        "# Written by virtnetworkd whenever the network starts or changes; `virsh net-edit {}` is where to change it.\n",
        network.name
    ));
    lines.flag("strict-order");
    names(&mut lines, network)?;
    if let Some(path) = places.pid_file() {
        lines.option("pid-file", path.display());
    }
    lines.option("except-interface", "lo");
    // Interfaces that come later are served as well, and none but the bridge.
    lines.flag("bind-dynamic");
    lines.option("interface", network.bridge_name().unwrap_or_default());
    if network.mode() == ForwardMode::None {
        // Nobody routes for guests or looks names up for them: option 3 is the router, without one.
        lines.option("dhcp-option", 3);
        lines.flag("no-resolv");
        lines.option("ra-param", "*,0,0");
    }
    if let Some(dns) = &network.dns {
        records(&mut lines, dns);
    }
    services(&mut lines, network, places);
    let options = network.options.iter().flat_map(|options| &options.options);
    for option in options {
        lines.flag(&option.value);
    }
    Ok(lines.0)
}

/// Which names are known here and which are asked elsewhere.
fn names(lines: &mut Lines, network: &Network) -> Result<()> {
    let has_server = serves_names(network);
    if !has_server {
        lines.option("port", 0);
    }
    let forwarders = network.dns.iter().flat_map(|Dns { forwarders, .. }| forwarders);
    let mut for_everything = false;
    for forwarder in forwarders {
        let server = forwarder
            .addr
            .map_or_else(|| "#".to_owned(), |addr| addr.to_string());
        match &forwarder.domain {
            Some(domain) => lines.option("server", format_args!("/{domain}/{server}")),
            None => {
                lines.option("server", server);
                for_everything = true;
            }
        }
    }
    if for_everything {
        lines.flag("no-resolv");
    }
    if let Some(domain) = &network.domain {
        if domain.local_only == Some(YesNo::Yes) {
            lines.option("local", format_args!("/{}/", domain.name));
        }
        lines.option("domain", &domain.name);
        lines.flag("expand-hosts");
    }
    if !has_server {
        return Ok(());
    }
    for ip in network.ips.iter().filter(|ip| ip.local_ptr == Some(YesNo::Yes)) {
        lines.option("local", format_args!("/{}/", reverse::domain(&ip.subnet())?));
    }
    if network.dns.as_ref().and_then(|dns| dns.forward_plain_names) == Some(YesNo::No) {
        lines.flag("domain-needed");
        lines.option("local", "//");
    }
    Ok(())
}

/// What is known of its own, but for hosts.
fn records(lines: &mut Lines, dns: &Dns) {
    for txt in &dns.txts {
        lines.option("txt-record", format_args!("{},{}", txt.name, txt.value));
    }
    for srv in &dns.srvs {
        lines.option("srv-host", service(srv));
    }
}

fn service(srv: &Srv) -> String {
    let mut text = format!("_{}._{}", srv.service, srv.protocol);
    if let Some(domain) = &srv.domain {
        text = format!("{text}.{domain}");
    }
    // dnsmasq takes no target for one that nobody serves, as a dot does elsewhere.
    let Some(target) = srv.target.as_deref().filter(|target| *target != ".") else {
        return text;
    };
    text = format!("{text},{target}");
    if srv.port.is_some() || srv.priority.is_some() || srv.weight.is_some() {
        text = format!("{text},{}", srv.port.unwrap_or(1));
    }
    if srv.priority.is_some() || srv.weight.is_some() {
        text = format!("{text},{}", srv.priority.unwrap_or(0));
    }
    match srv.weight {
        Some(weight) => format!("{text},{weight}"),
        None => text,
    }
}

/// Leases, files to start from, router advertisements.
fn services(lines: &mut Lines, network: &Network, places: &Places) {
    let mut has_tftp = false;
    for tftp in network.ips.iter().filter_map(|ip| ip.tftp.as_ref()) {
        if !has_tftp {
            lines.flag("enable-tftp");
        }
        has_tftp = true;
        lines.option("tftp-root", &tftp.root);
    }
    let leasing = |ipv6| network.ips_of(ipv6).find(|ip| ip.dhcp.is_some());
    let (ipv4, ipv6) = (leasing(false), leasing(true));
    let mut most = 0_u64;
    for ip in [ipv4, ipv6].into_iter().flatten() {
        most = most.saturating_add(ranges(lines, ip));
    }
    if most > 0 {
        lines.option("dhcp-lease-max", most);
    }
    if ipv4.or(ipv6).is_some() {
        lines.option("dhcp-hostsfile", places.leases().display());
    }
    if serves_names(network) {
        lines.option("addn-hosts", places.names().display());
    }
    if ipv6.is_some() {
        lines.flag("enable-ra");
    } else {
        for ip in network.ips_of(true) {
            lines.option("dhcp-range", format_args!("{},ra-only", ip.address));
        }
    }
}

/// What is leased beside an address; tells how many addresses are for whoever asks.
fn ranges(lines: &mut Lines, ip: &NetworkIp) -> u64 {
    let Some(dhcp) = &ip.dhcp else { return 0 };
    for range in &dhcp.ranges {
        lines.option("dhcp-range", self::range(ip, range));
    }
    let length = ip.prefix_length();
    if dhcp.ranges.is_empty() {
        match ip.address {
            IpAddr::V4(address) => lines.option("dhcp-range", format_args!("{address},static")),
            IpAddr::V6(address) => lines.option("dhcp-range", format_args!("{address},static,{length}")),
        }
    }
    if ip.address.is_ipv4() {
        lines.flag("dhcp-no-override");
        lines.flag("dhcp-authoritative");
        if let Some(Bootp { file, server }) = dhcp.bootp.as_ref().filter(|bootp| !bootp.file.is_empty()) {
            match server {
                Some(server) => lines.option("dhcp-boot", format_args!("{file},,{server}")),
                None => lines.option("dhcp-boot", file),
            }
        }
    }
    dhcp.ranges
        .iter()
        .fold(0, |sum, range| sum.saturating_add(range.size()))
}

fn range(ip: &NetworkIp, range: &DhcpRange) -> String {
    let length = ip.prefix_length();
    let mut text = match ip.address {
        IpAddr::V4(_) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            let mask = std::net::Ipv4Addr::from_bits(mask);
            format!("{},{},{mask}", range.start, range.end)
        }
        IpAddr::V6(_) => format!("{},{},{length}", range.start, range.end),
    };
    if let Some(time) = range.lease.as_ref().and_then(hosts::time) {
        text = format!("{text},{time}");
    }
    text
}
