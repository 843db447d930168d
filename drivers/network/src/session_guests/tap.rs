//! Taps of session guests: made, guarded, and plugged into a bridge.

use super::note::TapNote;
use crate::Driver;
use crate::failure::{refused, system};
use crate::host::links::Links;
use crate::network::Network;
use client::Client;
use daemon::connection::Connection as _;
use error::{Code, Result};
use kernel::device::Tap;
use model::Mac;
use model::network::PortOwner;
use model::nwfilter::{Binding, Reference};
use neighbours::{Family, create_binding, delete_binding};

/// Their names, which are none that hypervisors' daemons give out.
const PATTERN: &str = "vnetu%d";

/// Makes one, switched off, that goes with the last of its descriptors.
///
/// # Errors
/// The kernel's.
pub(super) fn make(queues: u32, virtio: bool) -> Result<Tap> {
    let queues = usize::try_from(queues).unwrap_or(1);
    Tap::open(PATTERN, queues, virtio).map_err(|err| system("cannot make a tap", err))
}

/// Plugs one into a bridge, and tells what it is like now.
///
/// # Errors
/// The kernel's.
pub(super) async fn plug_in(name: &str, bridge: &str, mac: Mac, isolated: bool) -> Result<TapNote> {
    let links = Links::new()?;
    let missing = |name: &str| refused(Code::SystemError, format!("the link '{name}' is gone"));
    let bridge = links.look_up(bridge).await?.ok_or_else(|| missing(bridge))?;
    let index = links.look_up(name).await?.ok_or_else(|| missing(name))?.index;
    // A bridge takes the lowest address of its ports for its own: that must not be a guest's.
    let mut address = mac.octets();
    address[0] = 0xfe;
    links.plug_in(name, index, &bridge, address, isolated).await?;
    Ok(TapNote {
        name: name.to_owned(),
        index,
        address: address.to_vec(),
    })
}

async fn connect(driver: &Driver) -> Result<Client> {
    let client = neighbours::connect(driver.instance(), Family::Nwfilter).await;
    client.map_err(|err| err.context("filters of session guests need virtnwfilterd"))
}

impl Driver {
    /// Has a tap guarded. The guest's addresses are what the network leases it, where the network leases any.
    ///
    /// # Errors
    /// virtnwfilterd does not answer, or what it answers.
    pub(super) async fn guard_tap(
        &self,
        tap: &str,
        mac: Mac,
        owner: &PortOwner,
        mut filter: Reference,
        network: &Network,
    ) -> Result<()> {
        let state = network.state();
        let own = state.document.ips.iter();
        let own = own.filter(|ip| ip.dhcp.is_some() && ip.address.is_ipv4());
        let servers: Vec<String> = own.map(|ip| ip.address.to_string()).collect();
        let learning = ("CTRL_IP_LEARNING".to_owned(), vec!["dhcp".to_owned()]);
        filter.parameters.extend([learning]);
        if !servers.is_empty() {
            filter.parameters.insert("DHCPSERVER".to_owned(), servers);
        }
        let binding = Binding {
            owner_name: owner.name.clone(),
            owner_uuid: owner.uuid,
            port_device: tap.to_owned(),
            link_device: None,
            mac,
            reference: filter,
        };
        let client = connect(self).await?;
        delete_binding(&client, tap).await?;
        create_binding(&client, binding.to_xml()).await
    }

    /// Has one guarded no longer.
    ///
    /// # Errors
    /// virtnwfilterd does not answer.
    pub(super) async fn release_tap(&self, tap: &str) -> Result<()> {
        delete_binding(&connect(self).await?, tap).await
    }
}
