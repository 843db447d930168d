//! Limits of ports as named values.

use super::port::find;
use super::{Call, check_flags};
use crate::Driver;
use daemon::Routes;
use daemon::lists;
use error::{Domain, Result};
use model::network::{Bandwidth, NetworkPort as PortDocument, PortBandwidth};
use protocol::remote;
use protocol::remote::procedure as p;
use traffic::parameters::{self, Wanted};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NetworkPortGetParameters, _>(get);
    routes.on::<p::NetworkPortSetParameters, _>(set);
}

async fn get(
    call: Call,
    args: remote::NetworkPortGetParametersArgs,
) -> Result<remote::NetworkPortGetParametersRet> {
    check_flags("virNetworkPortGetParameters", args.flags, 0)?;
    let (_, port) = find(&call, &args.port)?;
    let bandwidth = port.document.bandwidth.as_ref();
    let params = parameters::known(bandwidth.map(|bandwidth| &bandwidth.limits));
    let nparams = lists::count(params.len());
    Ok(remote::NetworkPortGetParametersRet { params, nparams })
}

/// As libvirt does it: what is not said is not limited, whatever it was before.
async fn set(call: Call, args: remote::NetworkPortSetParametersArgs) -> Result<()> {
    check_flags("virNetworkPortSetParameters", args.flags, 0)?;
    let limits = Wanted::read(&args.params, Domain::Network)?.instead_of(Bandwidth::default());
    let (network, _) = find(&call, &args.port)?;
    let driver = &call.driver;
    let _work = driver.work.read().await;
    let _turn = network.turn().await?;
    let (_, port) = find(&call, &args.port)?;
    let mut document = PortDocument::clone(&port.document);
    document.bandwidth = Some(PortBandwidth {
        class_id: document.bandwidth.and_then(|bandwidth| bandwidth.class_id),
        limits,
    });
    document.complete()?;
    driver.set_limits(&network, &port, document).await
}
