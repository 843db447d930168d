//! What a network is, as published.

use super::{Call, check_flags};
use crate::Driver;
use crate::failure::refused;
use daemon::Routes;
use error::{Code, Result};
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkGetXmlDesc, _>(xml_desc);
    routes.on::<p::NetworkGetBridgeName, _>(bridge_name);
    routes.on::<p::NetworkGetAutostart, _>(autostart);
    routes.on::<p::NetworkIsActive, _>(is_active);
    routes.on::<p::NetworkIsPersistent, _>(is_persistent);
}

/// `VIR_NETWORK_XML_INACTIVE`.
const INACTIVE_XML: u32 = 1;

async fn xml_desc(call: Call, args: remote::NetworkGetXmlDescArgs) -> Result<remote::NetworkGetXmlDescRet> {
    check_flags("virNetworkGetXMLDesc", args.flags, INACTIVE_XML)?;
    let network = call.driver.networks.find(&args.net)?;
    Ok(remote::NetworkGetXmlDescRet {
        xml: network.describe(args.flags & INACTIVE_XML != 0),
    })
}

async fn bridge_name(
    call: Call,
    args: remote::NetworkGetBridgeNameArgs,
) -> Result<remote::NetworkGetBridgeNameRet> {
    let network = call.driver.networks.find(&args.net)?;
    let state = network.state();
    let name = state.document.bridge_name().ok_or_else(|| {
        let text = format!("network '{}' does not have a bridge name.", network.name);
        refused(Code::InternalError, text)
    })?;
    Ok(remote::NetworkGetBridgeNameRet {
        name: name.to_owned(),
    })
}

async fn autostart(
    call: Call,
    args: remote::NetworkGetAutostartArgs,
) -> Result<remote::NetworkGetAutostartRet> {
    Ok(remote::NetworkGetAutostartRet {
        autostart: call.driver.networks.find(&args.net)?.state().autostart.into(),
    })
}

async fn is_active(call: Call, args: remote::NetworkIsActiveArgs) -> Result<remote::NetworkIsActiveRet> {
    Ok(remote::NetworkIsActiveRet {
        active: call.driver.networks.find(&args.net)?.state().active.into(),
    })
}

async fn is_persistent(
    call: Call,
    args: remote::NetworkIsPersistentArgs,
) -> Result<remote::NetworkIsPersistentRet> {
    Ok(remote::NetworkIsPersistentRet {
        persistent: call.driver.networks.find(&args.net)?.state().persistent.into(),
    })
}
