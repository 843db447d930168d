//! Networks come, start, change, stop and go.

use super::{Call, Impact, check_flags};
use crate::Driver;
use crate::lifecycle::update::Update;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkDefineXml, _>(define);
    routes.on::<p::NetworkDefineXmlFlags, _>(define_flags);
    routes.on::<p::NetworkCreateXml, _>(create_xml);
    routes.on::<p::NetworkCreateXmlFlags, _>(create_xml_flags);
    routes.on::<p::NetworkCreate, _>(create);
    routes.on::<p::NetworkUpdate, _>(update);
    routes.on::<p::NetworkDestroy, _>(destroy);
    routes.on::<p::NetworkUndefine, _>(undefine);
    routes.on::<p::NetworkSetAutostart, _>(set_autostart);
}

/// `VIR_NETWORK_DEFINE_VALIDATE` and `VIR_NETWORK_CREATE_VALIDATE`.
const VALIDATE: u32 = 1;

async fn define(call: Call, args: remote::NetworkDefineXmlArgs) -> Result<remote::NetworkDefineXmlRet> {
    let network = call.driver.define(&args.xml, false).await?;
    Ok(remote::NetworkDefineXmlRet {
        net: network.reference(),
    })
}

async fn define_flags(
    call: Call,
    args: remote::NetworkDefineXmlFlagsArgs,
) -> Result<remote::NetworkDefineXmlFlagsRet> {
    check_flags("virNetworkDefineXMLFlags", args.flags, VALIDATE)?;
    let network = call.driver.define(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::NetworkDefineXmlFlagsRet {
        net: network.reference(),
    })
}

async fn create_xml(call: Call, args: remote::NetworkCreateXmlArgs) -> Result<remote::NetworkCreateXmlRet> {
    let network = call.driver.create(&args.xml, false).await?;
    Ok(remote::NetworkCreateXmlRet {
        net: network.reference(),
    })
}

async fn create_xml_flags(
    call: Call,
    args: remote::NetworkCreateXmlFlagsArgs,
) -> Result<remote::NetworkCreateXmlFlagsRet> {
    check_flags("virNetworkCreateXMLFlags", args.flags, VALIDATE)?;
    let network = call.driver.create(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::NetworkCreateXmlFlagsRet {
        net: network.reference(),
    })
}

async fn create(call: Call, args: remote::NetworkCreateArgs) -> Result<()> {
    let network = call.driver.networks.find(&args.net)?;
    call.driver.start(&network).await
}

async fn update(call: Call, args: remote::NetworkUpdateArgs) -> Result<()> {
    check_flags("virNetworkUpdate", args.flags, Impact::FLAGS)?;
    let network = call.driver.networks.find(&args.net)?;
    let update = Update {
        command: args.command,
        section: args.section,
        parent: args.parent_index,
        text: args.xml,
    };
    call.driver.update(&network, &update, args.flags).await
}

async fn destroy(call: Call, args: remote::NetworkDestroyArgs) -> Result<()> {
    let network = call.driver.networks.find(&args.net)?;
    call.driver.stop(&network).await
}

async fn undefine(call: Call, args: remote::NetworkUndefineArgs) -> Result<()> {
    let network = call.driver.networks.find(&args.net)?;
    call.driver.undefine(&network).await
}

async fn set_autostart(call: Call, args: remote::NetworkSetAutostartArgs) -> Result<()> {
    let network = call.driver.networks.find(&args.net)?;
    call.driver.set_autostart(&network, args.autostart != 0).await
}
