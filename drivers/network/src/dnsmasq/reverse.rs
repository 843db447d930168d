//! The domains in which the names of addresses are looked up.

use error::{Code, Domain, Error, Result};
use model::network::Subnet;
use std::fmt::Write;
use std::net::IpAddr;

/// The domain of all addresses of a subnet, as `2.0.192.in-addr.arpa`.
///
/// # Errors
/// [`Code::ConfigUnsupported`] where the prefix ends within a label of such a domain.
pub(super) fn domain(subnet: &Subnet) -> Result<String> {
    let length = usize::from(subnet.length());
    let (family, bits, whole) = match subnet.address() {
        IpAddr::V4(_) => ("IPv4", 8, 32),
        IpAddr::V6(_) => ("IPv6", 4, 128),
    };
    if length == 0 || length >= whole || !length.is_multiple_of(bits) {
        return Err(Error::new(
            Code::ConfigUnsupported,
            Domain::Network,
            format!(
                "<ip localPtr='yes'>: addresses of the {family} network {subnet} have no domain of their own"
            ),
        ));
    }
    let mut labels: Vec<String> = match subnet.address() {
        IpAddr::V4(address) => address.octets().iter().map(ToString::to_string).collect(),
        IpAddr::V6(address) => address
            .octets()
            .iter()
            .flat_map(|octet| [format!("{:x}", octet >> 4), format!("{:x}", octet & 15)])
            .collect(),
    };
    labels.truncate(length / bits);
    let mut name = String::new();
    for label in labels.iter().rev() {
        let _ = write!(name, "{label}.");
    }
    name.push_str(if bits == 8 { "in-addr.arpa" } else { "ip6.arpa" });
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_ends_with_a_label_has_a_domain() {
        let named = |address: &str, length| domain(&Subnet::of(address.parse().unwrap(), length)).ok();
        assert_eq!(named("192.0.2.1", 24).as_deref(), Some("2.0.192.in-addr.arpa"));
        assert_eq!(named("10.0.2.1", 8).as_deref(), Some("10.in-addr.arpa"));
        assert_eq!(
            named("2001:db8::1", 32).as_deref(),
            Some("8.b.d.0.1.0.0.2.ip6.arpa")
        );
        for (address, length) in [
            ("192.0.2.1", 23),
            ("192.0.2.1", 32),
            ("192.0.2.1", 0),
            ("fd00::", 62),
            ("fd00::", 128),
        ] {
            assert_eq!(named(address, length), None, "{address}/{length}");
        }
    }
}
