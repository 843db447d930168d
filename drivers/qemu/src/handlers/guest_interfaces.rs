//! The guest's addresses: as its agent tells them, as its networks have leased them, or as the host's neighbour tables know them.

use super::Call;
use super::guest_agent::{connection, count};
use crate::Driver;
use crate::agent::Connection;
use crate::flags;
use crate::lifecycle::networks;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Interface as Card;
use model::domain::devices::interface::InterfaceKind;
use protocol::remote::procedure::{DomainInterfaceAddresses, NetworkGetDhcpLeases};
use protocol::{TypedParam, remote};
use serde::Deserialize;
use std::net::IpAddr;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainInterfaceAddresses, _>(addresses);
}

async fn addresses(
    call: Call,
    args: remote::DomainInterfaceAddressesArgs,
) -> Result<remote::DomainInterfaceAddressesRet> {
    /// `VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_*`.
    const LEASE: u32 = 0;
    const AGENT: u32 = 1;
    const ARP: u32 = 2;
    flags::check("virDomainInterfaceAddresses", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let live = state.running()?;
    let ifaces = match args.source {
        LEASE => of_leases(&call.driver, &live.document.parse()?).await?,
        AGENT => of_agent(&mut connection(&call, &args.dom).await?).await?,
        ARP => {
            let model = live.document.parse()?;
            let table = std::fs::read_to_string(call.driver.host.path("proc/net/arp")).unwrap_or_default();
            of_neighbours(&model, &table)
        }
        other => {
            let text = format!("Unknown IP address data source {other}");
            return Err(Error::new(Code::ArgumentUnsupported, Domain::Qemu, text));
        }
    };
    Ok(remote::DomainInterfaceAddressesRet { ifaces })
}

/// A card, and what its network has leased to it.
pub(super) type Leased<'m> = (&'m Card, Vec<remote::NetworkDhcpLease>);

/// What their networks have leased to the domain's cards.
///
/// # Errors
/// virtnetworkd does not answer, or knows no such network.
pub(super) async fn leases<'m>(driver: &Driver, model: &'m Model) -> Result<Vec<Leased<'m>>> {
    let mut found = Vec::new();
    let mut asked = None;
    for card in &model.devices.interfaces {
        let on_network = matches!(card.kind, InterfaceKind::Network { .. });
        let (true, Some(network), Some(mac)) = (on_network, networks::network_of(card), card.mac_address())
        else {
            continue;
        };
        let client = match asked.take() {
            Some(client) => client,
            None => networks::connect(driver).await?,
        };
        let args = remote::NetworkGetDhcpLeasesArgs {
            net: networks::look_up(&client, network).await?,
            mac: Some(mac.to_string()),
            need_results: 1,
            flags: 0,
        };
        found.push((card, client.call::<NetworkGetDhcpLeases>(&args).await?.leases));
        asked = Some(client);
    }
    Ok(found)
}

async fn of_leases(driver: &Driver, model: &Model) -> Result<Vec<remote::DomainInterface>> {
    let leases = leases(driver, model).await?;
    let leased = leases.into_iter().filter(|(_, leases)| !leases.is_empty());
    let interfaces = leased
        .take(remote::limits::DOMAIN_INTERFACE_MAX)
        .map(|(card, leases)| {
            let addrs = leases.into_iter().take(remote::limits::DOMAIN_IP_ADDR_MAX);
            remote::DomainInterface {
                name: card.target_dev().unwrap_or_default().to_owned(),
                hwaddr: card.mac_address().map(|mac| mac.to_string()),
                addrs: addrs
                    .map(|lease| remote::DomainIpAddr {
                        r#type: lease.r#type,
                        addr: lease.ipaddr,
                        prefix: lease.prefix,
                    })
                    .collect(),
            }
        });
    Ok(interfaces.collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Interface {
    name: String,
    hardware_address: Option<String>,
    #[serde(default)]
    ip_addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Address {
    ip_address: String,
    prefix: u32,
}

async fn of_agent(agent: &mut Connection) -> Result<Vec<remote::DomainInterface>> {
    let told: Vec<Interface> = agent.execute("guest-network-get-interfaces", ()).await?;
    Ok(gathered(told))
}

/// One entry for each interface: agents list `eth0:1` and its like, which share the hardware, one by one.
fn gathered(told: Vec<Interface>) -> Vec<remote::DomainInterface> {
    let mut found: Vec<remote::DomainInterface> = Vec::new();
    for interface in told {
        let name = interface.name.split(':').next().unwrap_or_default().to_owned();
        let addrs = interface.ip_addresses.into_iter().filter_map(|address| {
            let kind = kind(address.ip_address.parse().ok()?);
            Some(remote::DomainIpAddr {
                r#type: kind,
                addr: address.ip_address,
                prefix: address.prefix,
            })
        });
        let at = match found.iter().position(|known| known.name == name) {
            Some(at) => at,
            None if found.len() >= remote::limits::DOMAIN_INTERFACE_MAX => break,
            None => {
                found.push(remote::DomainInterface {
                    name,
                    hwaddr: interface.hardware_address,
                    addrs: Vec::new(),
                });
                found.len() - 1
            }
        };
        if let Some(known) = found.get_mut(at) {
            known.addrs.extend(addrs);
            known.addrs.truncate(remote::limits::DOMAIN_IP_ADDR_MAX);
        }
    }
    found
}

/// `VIR_IP_ADDR_TYPE_IPV4` and `..._IPV6`.
fn kind(address: IpAddr) -> i32 {
    i32::from(address.is_ipv6())
}

/// The addresses that a kernel's table of neighbours (`/proc/net/arp`) has for the domain's cards.
fn of_neighbours(model: &Model, table: &str) -> Vec<remote::DomainInterface> {
    let neighbours: Vec<(&str, &str)> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let address = fields.next()?;
            // Kind and flags lie between.
            Some((address, fields.nth(2)?))
        })
        .collect();
    let mut found = Vec::new();
    for card in &model.devices.interfaces {
        let Some(mac) = card.mac_address().map(|mac| mac.to_string()) else {
            continue;
        };
        let addrs: Vec<remote::DomainIpAddr> = neighbours
            .iter()
            .filter(|(_, hardware)| hardware.eq_ignore_ascii_case(&mac))
            .filter_map(|(address, _)| {
                Some(remote::DomainIpAddr {
                    r#type: kind(address.parse().ok()?),
                    addr: (*address).to_owned(),
                    prefix: 0,
                })
            })
            .take(remote::limits::DOMAIN_IP_ADDR_MAX)
            .collect();
        if !addrs.is_empty() {
            found.push(remote::DomainInterface {
                name: card.target_dev().unwrap_or_default().to_owned(),
                hwaddr: Some(mac),
                addrs,
            });
        }
    }
    found
}

/// What the agent tells, as typed parameters.
pub(super) async fn parameters(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    let interfaces = of_agent(agent).await?;
    let mut params = vec![count("if.count", interfaces.len())];
    for (at, interface) in interfaces.into_iter().enumerate() {
        params.push(TypedParam::new(format!("if.{at}.name"), interface.name));
        params.extend(
            interface
                .hwaddr
                .map(|mac| TypedParam::new(format!("if.{at}.hwaddr"), mac)),
        );
        params.push(count(&format!("if.{at}.addr.count"), interface.addrs.len()));
        for (number, address) in interface.addrs.into_iter().enumerate() {
            let name = |what: &str| format!("if.{at}.addr.{number}.{what}");
            let kind = if address.r#type == 0 { "ipv4" } else { "ipv6" };
            params.push(TypedParam::new(name("type"), kind));
            params.push(TypedParam::new(name("addr"), address.addr));
            params.push(TypedParam::new(name("prefix"), address.prefix));
        }
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_card_are_one_interface_and_lies_are_left_out() {
        let told = r#"[{"name":"eth0","hardware-address":"52:54:00:00:00:01",
            "ip-addresses":[{"ip-address-type":"ipv4","ip-address":"10.0.0.2","prefix":24},
                            {"ip-address-type":"ipv4","ip-address":"not one","prefix":24}]},
            {"name":"eth0:1","ip-addresses":[{"ip-address-type":"ipv6","ip-address":"fe80::1","prefix":64}]},
            {"name":"lo"}]"#;
        let found = gathered(serde_json::from_str(told).unwrap());
        assert_eq!(found.len(), 2);
        let kinds: Vec<i32> = found[0].addrs.iter().map(|address| address.r#type).collect();
        assert_eq!(kinds, [0, 1]);
        assert_eq!(found[0].hwaddr.as_deref(), Some("52:54:00:00:00:01"));
    }
}
