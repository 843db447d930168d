//! Limits of what interfaces send and receive, as named values (`virsh domiftune`).

use super::Call;
use super::reply_room::fitting;
use crate::Driver;
use crate::definition::interface_limits::find;
use crate::flags;
use daemon::Routes;
use error::{Domain, Result};
use futures_util::FutureExt;
use protocol::remote;
use protocol::remote::procedure::{DomainGetInterfaceParameters, DomainSetInterfaceParameters};
use traffic::parameters::{self, Wanted};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainGetInterfaceParameters, _>(get);
    routes.on::<DomainSetInterfaceParameters, _>(set);
}

async fn get(
    call: Call,
    args: remote::DomainGetInterfaceParametersArgs,
) -> Result<remote::DomainGetInterfaceParametersRet> {
    let name = "virDomainGetInterfaceParameters";
    flags::check(name, args.flags, flags::AFFECT | flags::STRING_OKAY)?;
    flags::exclusive(
        name,
        args.flags,
        (flags::AFFECT_LIVE, "VIR_DOMAIN_AFFECT_LIVE"),
        (flags::AFFECT_CONFIG, "VIR_DOMAIN_AFFECT_CONFIG"),
    )?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (mut model, _) = state.meant(args.flags)?;
    let interface = find(&mut model, &args.device)?;
    let (params, nparams) = fitting(parameters::all(interface.bandwidth.as_ref()), args.nparams);
    Ok(remote::DomainGetInterfaceParametersRet { params, nparams })
}

async fn set(call: Call, args: remote::DomainSetInterfaceParametersArgs) -> Result<()> {
    flags::check("virDomainSetInterfaceParameters", args.flags, flags::AFFECT)?;
    let wanted = Wanted::read(&args.params, Domain::Qemu)?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "changing limits of an interface", move |owner| {
            async move { owner.limit_interface(&args.device, &wanted, args.flags).await }.boxed()
        })
        .await
}
