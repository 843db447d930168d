//! Start, pause, power and end of a domain.

use super::Call;
use crate::Driver;
use crate::domain::{Domain, Ending};
use crate::flags;
use crate::lifecycle::{PowerWay, StartOptions};
use daemon::Routes;
use error::{Code, Domain as ErrorDomain, Error, Result};
use futures_util::FutureExt;
use protocol::remote;
use protocol::remote::procedure as p;
use std::sync::Arc;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainCreate, _>(create);
    routes.on::<p::DomainCreateWithFlags, _>(create_with_flags);
    routes.on::<p::DomainCreateXml, _>(create_xml);
    routes.on::<p::DomainDestroy, _>(destroy);
    routes.on::<p::DomainDestroyFlags, _>(destroy_flags);
    routes.on::<p::DomainPmWakeup, _>(pm_wakeup);
    routes.on::<p::DomainReboot, _>(reboot);
    routes.on::<p::DomainReset, _>(reset);
    routes.on::<p::DomainResume, _>(resume);
    routes.on::<p::DomainShutdown, _>(shutdown);
    routes.on::<p::DomainShutdownFlags, _>(shutdown_flags);
    routes.on::<p::DomainSuspend, _>(suspend);
}

/// `VIR_DOMAIN_START_*`. `BYPASS_CACHE` is about how a saved image is read, and none is ever read here.
mod start {
    pub(super) const PAUSED: u32 = 1;
    pub(super) const AUTODESTROY: u32 = 2;
    pub(super) const BYPASS_CACHE: u32 = 4;
    pub(super) const FORCE_BOOT: u32 = 8;
    pub(super) const VALIDATE: u32 = 16;
    pub(super) const RESET_NVRAM: u32 = 32;
}

fn options(call: &Call, flags: u32) -> StartOptions {
    StartOptions {
        paused: flags & start::PAUSED != 0,
        bound_to: (flags & start::AUTODESTROY != 0).then(|| call.session.id()),
        reset_nvram: flags & start::RESET_NVRAM != 0,
        force_boot: flags & start::FORCE_BOOT != 0,
    }
}

async fn create(call: Call, args: remote::DomainCreateArgs) -> Result<()> {
    boot(&call, &args.dom, 0).await.map(|_| ())
}

async fn create_with_flags(
    call: Call,
    args: remote::DomainCreateWithFlagsArgs,
) -> Result<remote::DomainCreateWithFlagsRet> {
    let known =
        start::PAUSED | start::AUTODESTROY | start::BYPASS_CACHE | start::FORCE_BOOT | start::RESET_NVRAM;
    flags::check("virDomainCreateWithFlags", args.flags, known)?;
    let domain = boot(&call, &args.dom, args.flags).await?;
    Ok(remote::DomainCreateWithFlagsRet {
        dom: domain.reference(),
    })
}

async fn boot(call: &Call, dom: &remote::Domain, flags: u32) -> Result<Arc<Domain>> {
    let domain = call.driver.domains.find(dom)?;
    let options = options(call, flags);
    domain
        .run(&call.driver, "starting", move |owner| {
            async move {
                let definition = owner.domain.state().definition.clone();
                let definition = definition.ok_or_else(|| {
                    Error::new(
                        Code::OperationInvalid,
                        ErrorDomain::Qemu,
                        "domain is already running",
                    )
                })?;
                owner.start(definition, options).await
            }
            .boxed()
        })
        .await?;
    call.driver
        .destroy_with(&call.session, flags & start::AUTODESTROY != 0, &domain);
    Ok(domain)
}

async fn create_xml(call: Call, args: remote::DomainCreateXmlArgs) -> Result<remote::DomainCreateXmlRet> {
    let known = start::PAUSED
        | start::AUTODESTROY
        | start::BYPASS_CACHE
        | start::FORCE_BOOT
        | start::VALIDATE
        | start::RESET_NVRAM;
    flags::check("virDomainCreateXML", args.flags, known)?;
    let model = call
        .driver
        .read_definition(&args.xml_desc, args.flags & start::VALIDATE != 0)
        .await?;
    let domain = call.driver.reserve(&model)?;
    let options = options(&call, args.flags);
    domain
        .run(&call.driver, "creating", move |owner| {
            async move { owner.start(crate::domain::Document::of(&model), options).await }.boxed()
        })
        .await?;
    call.driver
        .destroy_with(&call.session, args.flags & start::AUTODESTROY != 0, &domain);
    Ok(remote::DomainCreateXmlRet {
        dom: domain.reference(),
    })
}

async fn destroy(call: Call, args: remote::DomainDestroyArgs) -> Result<()> {
    end(&call.driver, &call.driver.domains.find(&args.dom)?, false).await
}

async fn destroy_flags(call: Call, args: remote::DomainDestroyFlagsArgs) -> Result<()> {
    /// `VIR_DOMAIN_DESTROY_GRACEFUL`.
    const GRACEFUL: u32 = 1;
    /// `VIR_DOMAIN_DESTROY_REMOVE_LOGS`.
    const REMOVE_LOGS: u32 = 2;
    flags::check("virDomainDestroyFlags", args.flags, GRACEFUL | REMOVE_LOGS)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let name = Arc::clone(&domain.state().name);
    end(&call.driver, &domain, args.flags & GRACEFUL != 0).await?;
    if args.flags & REMOVE_LOGS != 0 {
        let logs = call.driver.paths.log_files(&name);
        call.driver
            .blocking(move || {
                logs.iter().try_for_each(|log| {
                    daemon::durable::remove(log).map_err(|err| {
                        let text = format!("cannot remove '{}': {err}", log.display());
                        Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
                    })
                })
            })
            .await?;
    }
    Ok(())
}

/// Ends a domain. The signal does not wait for its turn: a job that waits for a stuck QEMU ends with it.
pub(crate) async fn end(driver: &Arc<Driver>, domain: &Arc<Domain>, graceful: bool) -> Result<()> {
    let state = domain.state();
    let live = state.running()?;
    let id = live.id;
    live.process.set_ending(Ending::Destroyed);
    live.process
        .signal(rustix::process::Signal::TERM)
        .map_err(|err| {
            Error::new(
                Code::OperationFailed,
                ErrorDomain::Qemu,
                format!("cannot signal QEMU: {err}"),
            )
            .caused_by(err)
        })?;
    domain
        .run(driver, "destroying", move |owner| {
            owner.destroy(id, graceful).boxed()
        })
        .await
}

async fn suspend(call: Call, args: remote::DomainSuspendArgs) -> Result<()> {
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "suspending", |owner| owner.suspend().boxed())
        .await
}

async fn resume(call: Call, args: remote::DomainResumeArgs) -> Result<()> {
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "resuming", |owner| owner.resume().boxed())
        .await
}

async fn pm_wakeup(call: Call, args: remote::DomainPmWakeupArgs) -> Result<()> {
    flags::check("virDomainPMWakeup", args.flags, 0)?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "waking", |owner| owner.wake_up().boxed())
        .await
}

async fn shutdown(call: Call, args: remote::DomainShutdownArgs) -> Result<()> {
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "shutting down", |owner| {
            owner.shut_down(PowerWay::Either).boxed()
        })
        .await
}

async fn shutdown_flags(call: Call, args: remote::DomainShutdownFlagsArgs) -> Result<()> {
    flags::check("virDomainShutdownFlags", args.flags, PowerWay::FLAGS)?;
    let way = PowerWay::from_flags(args.flags);
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "shutting down", move |owner| {
            owner.shut_down(way).boxed()
        })
        .await
}

async fn reboot(call: Call, args: remote::DomainRebootArgs) -> Result<()> {
    flags::check("virDomainReboot", args.flags, PowerWay::FLAGS)?;
    let way = PowerWay::from_flags(args.flags);
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "rebooting", move |owner| owner.reboot(way).boxed())
        .await
}

async fn reset(call: Call, args: remote::DomainResetArgs) -> Result<()> {
    flags::check("virDomainReset", args.flags, 0)?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "resetting", |owner| owner.reset().boxed())
        .await
}
