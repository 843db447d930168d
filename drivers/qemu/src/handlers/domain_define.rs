//! Definitions: made, removed, renamed, marked for autostart.

use super::Call;
use crate::Driver;
use crate::definition::UndefineOptions;
use crate::domain::Mark;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use protocol::remote;
use protocol::remote::procedure::{
    DomainDefineXml, DomainDefineXmlFlags, DomainRename, DomainSetAutostart, DomainSetAutostartOnce,
    DomainUndefine, DomainUndefineFlags,
};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainDefineXml, _>(define_xml);
    routes.on::<DomainDefineXmlFlags, _>(define_xml_flags);
    routes.on::<DomainRename, _>(rename);
    routes.on::<DomainSetAutostart, _>(set_autostart);
    routes.on::<DomainSetAutostartOnce, _>(set_autostart_once);
    routes.on::<DomainUndefine, _>(undefine);
    routes.on::<DomainUndefineFlags, _>(undefine_flags);
}

async fn define_xml(call: Call, args: remote::DomainDefineXmlArgs) -> Result<remote::DomainDefineXmlRet> {
    let domain = call.driver.define(&args.xml, false).await?;
    Ok(remote::DomainDefineXmlRet {
        dom: domain.reference(),
    })
}

/// `VIR_DOMAIN_DEFINE_VALIDATE`.
const VALIDATE: u32 = 1;

async fn define_xml_flags(
    call: Call,
    args: remote::DomainDefineXmlFlagsArgs,
) -> Result<remote::DomainDefineXmlFlagsRet> {
    flags::check("virDomainDefineXMLFlags", args.flags, VALIDATE)?;
    let domain = call.driver.define(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::DomainDefineXmlFlagsRet {
        dom: domain.reference(),
    })
}

async fn undefine(call: Call, args: remote::DomainUndefineArgs) -> Result<()> {
    remove(call, &args.dom, UndefineOptions::default()).await
}

async fn undefine_flags(call: Call, args: remote::DomainUndefineFlagsArgs) -> Result<()> {
    let options = UndefineOptions::from_flags(args.flags)?;
    remove(call, &args.dom, options).await
}

async fn remove(call: Call, dom: &remote::Domain, options: UndefineOptions) -> Result<()> {
    let domain = call.driver.domains.find(dom)?;
    domain
        .run(&call.driver, "undefining", move |owner| {
            owner.undefine(options).boxed()
        })
        .await
}

async fn rename(call: Call, args: remote::DomainRenameArgs) -> Result<remote::DomainRenameRet> {
    flags::check("virDomainRename", args.flags, 0)?;
    let new = args
        .new_name
        .ok_or_else(|| Error::new(Code::InvalidArg, Domain::Qemu, "the new name is missing"))?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "renaming", move |owner| owner.rename(new).boxed())
        .await?;
    Ok(remote::DomainRenameRet { retcode: 0 })
}

async fn set_autostart(call: Call, args: remote::DomainSetAutostartArgs) -> Result<()> {
    mark(&call, &args.dom, Mark::Always, args.autostart != 0).await
}

async fn set_autostart_once(call: Call, args: remote::DomainSetAutostartOnceArgs) -> Result<()> {
    mark(&call, &args.dom, Mark::Once, args.autostart != 0).await
}

async fn mark(call: &Call, dom: &remote::Domain, mark: Mark, wanted: bool) -> Result<()> {
    let domain = call.driver.domains.find(dom)?;
    domain
        .run(&call.driver, "marking for autostart", move |owner| {
            owner.set_autostart(mark, wanted).boxed()
        })
        .await
}
