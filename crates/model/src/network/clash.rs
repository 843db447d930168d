//! Networks that cannot run side by side.

use super::{IpRoute, Network, NetworkIp, Subnet};
use error::{Code, Domain, Error, Result};

/// Where a route leads.
pub fn route_subnet(route: &IpRoute) -> Subnet {
    let length = match (route.prefix, route.netmask) {
        (Some(prefix), _) => u8::try_from(prefix).unwrap_or(u8::MAX),
        (None, Some(mask)) => u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32),
        (None, None) if route.address.is_unspecified() => 0,
        (None, None) => super::address::default_prefix_length(route.address),
    };
    Subnet::of(route.address, length)
}

impl Network {
    /// The subnets that the host reaches through it while it runs: its own, and where its routes lead.
    pub fn subnets(&self) -> impl Iterator<Item = Subnet> {
        let own = self.ips.iter().map(NetworkIp::subnet);
        let routes = self.routes.iter().map(route_subnet);
        let all = own.chain(routes).filter(|subnet| subnet.length() > 0);
        all.filter(|_| self.mode().has_own_bridge())
    }

    /// Holds a network that is to run against one that does: an address that both have the host would reach in one of them only.
    ///
    /// # Errors
    /// [`Code::InternalError`], which is what stock daemons say of addresses that the host has elsewhere.
    pub fn clash(&self, running: &Self) -> Result<()> {
        for own in self.subnets() {
            if let Some(theirs) = running.subnets().find(|theirs| theirs.overlaps(&own)) {
                return Err(Error::new(
                    Code::InternalError,
                    Domain::Network,
                    format!(
                        "network '{}': {own} and {theirs} of network '{}', which is active, have addresses in common; stop that \
                         one or choose others",
                        self.name, running.name
                    ),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_one_network_alone() {
        let network = |inside: &str| {
            let text = format!("<network><name>n</name><bridge name='b'/>{inside}</network>");
            Network::from_xml(&text).unwrap()
        };
        let one = network(
            "<ip address='10.1.0.1' prefix='16'/><ip family='ipv6' address='fd00::1' prefix='64'/>\
             <route address='10.9.0.0' prefix='16' gateway='10.1.0.9'/>",
        );
        for (inside, clashes) in [
            ("<ip address='10.1.3.1' prefix='24'/>", true),
            ("<ip address='10.0.0.1' prefix='8'/>", true),
            ("<ip address='10.2.0.1' prefix='16'/>", false),
            ("<ip address='10.9.7.1' prefix='24'/>", true),
            ("<ip family='ipv6' address='fd00::9' prefix='120'/>", true),
            ("<ip family='ipv6' address='fd01::9' prefix='64'/>", false),
            (
                "<ip address='10.2.0.1' prefix='16'/><route address='0.0.0.0' gateway='10.2.0.9'/>",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(network(inside).clash(&one).is_err(), clashes, "{inside}");
            assert_eq!(one.clash(&network(inside)).is_err(), clashes, "{inside}");
        }
        let elsewhere =
            Network::from_xml("<network><name>n</name><forward mode='bridge'/><bridge name='b'/></network>");
        assert!(elsewhere.unwrap().clash(&one).is_ok());
    }
}
