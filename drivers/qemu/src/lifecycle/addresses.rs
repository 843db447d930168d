//! `<source><ip/><route/></source>`: addresses and routes of the host's end of a tap.

use super::links::Links;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::interface_source::EthernetSource;
use model::domain::devices::ip::{IpAddress, IpRoute};
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::address::AddressAttribute;
use std::net::IpAddr;

/// Sets them on the link of that number.
///
/// # Errors
/// [`Code::XmlError`] for what is no address, [`Code::SystemError`] for what the kernel refuses.
pub(super) async fn set(links: &Links, name: &str, index: u32, source: &EthernetSource) -> Result<()> {
    for ip in &source.ips {
        address(links, name, index, ip).await?;
    }
    for one in &source.routes {
        route(links, name, index, one).await?;
    }
    Ok(())
}

async fn address(links: &Links, name: &str, index: u32, ip: &IpAddress) -> Result<()> {
    let own = parse(&ip.address)?;
    let length = length(own, ip.prefix)?;
    let mut request = links.handle().address().add(index, own, length);
    if let Some(peer) = &ip.peer {
        let peer = parse(peer)?;
        for attribute in &mut request.message_mut().attributes {
            if let AddressAttribute::Address(address) = attribute {
                *address = peer;
            }
        }
    }
    let done = request.execute().await;
    done.map_err(|err| super::links::refused(name, err))
}

async fn route(links: &Links, name: &str, index: u32, route: &IpRoute) -> Result<()> {
    let to = route.address;
    let length = match &route.netmask {
        Some(mask) => u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32),
        None => length(to, route.prefix)?,
    };
    let impossible = |err: rtnetlink::Error| super::links::refused(name, err);
    let mismatch = || {
        wrong(format!(
            "<route address='{}'> has a gateway of another family",
            route.address
        ))
    };
    let mut message = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(to, length)
        .map_err(|_| mismatch())?
        .gateway(route.gateway)
        .map_err(|_| mismatch())?
        .output_interface(index);
    if let Some(metric) = route.metric {
        message = message.priority(metric);
    }
    let done = links.handle().route().add(message.build()).execute().await;
    done.map_err(impossible)
}

fn wrong(text: String) -> Error {
    Error::new(
        Code::XmlError,
        ErrorDomain::Domain,
        format!("<interface><source>: {text}"),
    )
}

fn parse(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| wrong(format!("'{text}' is no address")))
}

/// How many bits name the network: as said, or 64, or what the classes of IPv4 had.
fn length(address: IpAddr, given: Option<u32>) -> Result<u8> {
    let (most, default) = match address {
        IpAddr::V6(_) => (128, 64),
        IpAddr::V4(address) => match address.octets() {
            [..128, _, _, _] => (32, 8),
            [..192, _, _, _] => (32, 16),
            [..224, _, _, _] => (32, 24),
            _ => (32, 32),
        },
    };
    match given.map(u8::try_from) {
        None => Ok(default),
        Some(Ok(length)) if length <= most => Ok(length),
        Some(_) => Err(wrong(format!("the prefix of '{address}' is too long"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_is_not_given_is_that_of_the_class() {
        let default = |text: &str| length(text.parse().unwrap(), None).unwrap();
        assert_eq!(
            ["10.0.0.1", "172.16.0.1", "192.168.0.1", "fd00::1"].map(default),
            [8, 16, 24, 64]
        );
        assert!(length("10.0.0.1".parse().unwrap(), Some(33)).is_err());
        assert!(length("fd00::1".parse().unwrap(), Some(300)).is_err());
    }
}
