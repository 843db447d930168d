//! `<listen type='network'>`: graphics that are shown at the host's address on a network, which virtnetworkd is asked for when the guest
//! starts.

use super::links::Links;
use super::networks::{connect, look_up};
use crate::Driver;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::graphics::Listen;
use model::network::{ForwardMode, Network};
use protocol::remote::NetworkGetXmlDescArgs;
use protocol::remote::procedure as p;

/// Writes into a live document the addresses that its graphics are shown at.
///
/// # Errors
/// [`Code::NoNetwork`]; [`Code::XmlError`] where the host has no address on a network; virtnetworkd does not answer.
pub(super) async fn find(driver: &Driver, model: &mut Model) -> Result<()> {
    let mut client = None;
    for graphics in &mut model.devices.graphics {
        for listen in graphics.listens_mut().into_iter().flatten() {
            let Listen::Network {
                address,
                network: Some(network),
            } = listen
            else {
                continue;
            };
            let client = match &client {
                Some(client) => client,
                None => client.insert(connect(driver).await?),
            };
            let said = |err: Error| err.context(format_args!("<graphics><listen network='{network}'>"));
            let net = look_up(client, network).await.map_err(said)?;
            let args = NetworkGetXmlDescArgs { net, flags: 0 };
            let document = client.call::<p::NetworkGetXmlDesc>(&args).await.map_err(said)?;
            let found = host_address(&Network::from_xml(&document.xml)?).await?;
            let found = found.ok_or_else(|| {
                let text = format!("listen network '{network}' had no usable address");
                Error::new(Code::XmlError, ErrorDomain::Domain, text)
            })?;
            *address = Some(found);
        }
    }
    Ok(())
}

/// The host's address on a network: that of its own bridge, or of the link of the host's that its guests are on.
async fn host_address(network: &Network) -> Result<Option<String>> {
    if network.mode().has_own_bridge() {
        let first = network.ips_of(false).chain(network.ips_of(true)).next();
        return Ok(first.map(|ip| ip.address.to_string()));
    }
    let forward = network.forward.as_ref();
    let link = match network.mode() {
        ForwardMode::Bridge if network.bridge_name().is_some() => network.bridge_name(),
        _ => forward
            .and_then(|forward| forward.interfaces.first())
            .map(|interface| interface.dev.as_str()),
    };
    match link {
        Some(link) => Links::new()?.address_of(link).await,
        None => Ok(None),
    }
}
