//! Ports of networks: what hypervisors' daemons connect guests by.

use super::{Call, check_flags};
use crate::Driver;
use crate::lifecycle::port::Origin;
use crate::network::{Network, Port};
use daemon::Routes;
use daemon::lists;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkListAllPorts, _>(list_all);
    routes.on::<p::NetworkPortLookupByUuid, _>(by_uuid);
    routes.on::<p::NetworkPortCreateXml, _>(create);
    routes.on::<p::NetworkPortGetXmlDesc, _>(xml_desc);
    routes.on::<p::NetworkPortDelete, _>(delete);
}

/// `virNetworkPortCreateFlags`.
const RECLAIM: u32 = 1;
const VALIDATE: u32 = 2;

/// The network and the port that a client's reference means.
pub(super) fn find(call: &Call, reference: &remote::NetworkPort) -> Result<(Arc<Network>, Port)> {
    let network = call.driver.networks.find(&reference.net)?;
    let port = network.port(Uuid::from_bytes(reference.uuid))?;
    Ok((network, port))
}

async fn list_all(
    call: Call,
    args: remote::NetworkListAllPortsArgs,
) -> Result<remote::NetworkListAllPortsRet> {
    check_flags("virNetworkListAllPorts", args.flags, 0)?;
    let network = call.driver.networks.find(&args.network)?;
    let reference = network.reference();
    let (ports, ret) = lists::answer(&network.ports.all(), args.need_results, |port| {
        port.reference(reference.clone())
    });
    Ok(remote::NetworkListAllPortsRet { ports, ret })
}

async fn by_uuid(
    call: Call,
    args: remote::NetworkPortLookupByUuidArgs,
) -> Result<remote::NetworkPortLookupByUuidRet> {
    let network = call.driver.networks.find(&args.network)?;
    let port = network.port(Uuid::from_bytes(args.uuid))?;
    Ok(remote::NetworkPortLookupByUuidRet {
        port: port.reference(network.reference()),
    })
}

async fn create(
    call: Call,
    args: remote::NetworkPortCreateXmlArgs,
) -> Result<remote::NetworkPortCreateXmlRet> {
    check_flags("virNetworkPortCreateXML", args.flags, RECLAIM | VALIDATE)?;
    let network = call.driver.networks.find(&args.network)?;
    let origin = if args.flags & RECLAIM != 0 {
        Origin::Known
    } else {
        Origin::Fresh
    };
    let validate = args.flags & VALIDATE != 0;
    let port = call
        .driver
        .create_port(&network, &args.xml, origin, validate)
        .await?;
    Ok(remote::NetworkPortCreateXmlRet {
        port: port.reference(network.reference()),
    })
}

async fn xml_desc(
    call: Call,
    args: remote::NetworkPortGetXmlDescArgs,
) -> Result<remote::NetworkPortGetXmlDescRet> {
    check_flags("virNetworkPortGetXMLDesc", args.flags, 0)?;
    let (_, port) = find(&call, &args.port)?;
    Ok(remote::NetworkPortGetXmlDescRet {
        xml: port.document.to_xml(),
    })
}

async fn delete(call: Call, args: remote::NetworkPortDeleteArgs) -> Result<()> {
    check_flags("virNetworkPortDelete", args.flags, 0)?;
    let (network, port) = find(&call, &args.port)?;
    call.driver.delete_port(&network, port.uuid).await
}
