//! Who wants to hear what happens to domains.

use super::Call;
use crate::Driver;
use crate::events::{Form, MonitorFilter, NameFilter, Wanted};
use crate::flags;
use daemon::Routes;
use error::Result;
use protocol::remote::procedure as p;
use protocol::{qemu, remote};
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectDomainEventRegister, _>(register);
    routes.on::<p::ConnectDomainEventDeregister, _>(deregister);
    routes.on::<p::ConnectDomainEventRegisterAny, _>(register_any);
    routes.on::<p::ConnectDomainEventDeregisterAny, _>(deregister_any);
    routes.on::<p::ConnectDomainEventCallbackRegisterAny, _>(callback_register);
    routes.on::<p::ConnectDomainEventCallbackDeregisterAny, _>(callback_deregister);
    routes.on::<qemu::procedure::ConnectDomainMonitorEventRegister, _>(monitor_register);
    routes.on::<qemu::procedure::ConnectDomainMonitorEventDeregister, _>(monitor_deregister);
}

/// The event that the oldest form of registration is about.
const LIFECYCLE: i32 = 0;

const PLAIN: Wanted = Wanted {
    form: Form::Plain,
    domain: None,
};

async fn register(call: Call, (): ()) -> Result<remote::ConnectDomainEventRegisterRet> {
    call.driver.events.register(&call.session, LIFECYCLE, PLAIN)?;
    Ok(remote::ConnectDomainEventRegisterRet { cb_registered: 1 })
}

async fn deregister(call: Call, (): ()) -> Result<remote::ConnectDomainEventDeregisterRet> {
    call.driver.events.deregister_plain(&call.session, LIFECYCLE)?;
    Ok(remote::ConnectDomainEventDeregisterRet { cb_registered: 0 })
}

async fn register_any(call: Call, args: remote::ConnectDomainEventRegisterAnyArgs) -> Result<()> {
    call.driver
        .events
        .register(&call.session, args.event_id, PLAIN)
        .map(|_| ())
}

async fn deregister_any(call: Call, args: remote::ConnectDomainEventDeregisterAnyArgs) -> Result<()> {
    call.driver.events.deregister_plain(&call.session, args.event_id)
}

async fn callback_register(
    call: Call,
    args: remote::ConnectDomainEventCallbackRegisterAnyArgs,
) -> Result<remote::ConnectDomainEventCallbackRegisterAnyRet> {
    let domain = args.dom.map(|dom| Uuid::from_bytes(dom.uuid));
    let wanted = Wanted {
        form: Form::Numbered,
        domain,
    };
    let callback_id = call
        .driver
        .events
        .register(&call.session, args.event_id, wanted)?;
    Ok(remote::ConnectDomainEventCallbackRegisterAnyRet { callback_id })
}

async fn callback_deregister(
    call: Call,
    args: remote::ConnectDomainEventCallbackDeregisterAnyArgs,
) -> Result<()> {
    call.driver.events.deregister(&call.session, args.callback_id)
}

async fn monitor_register(
    call: Call,
    args: qemu::ConnectDomainMonitorEventRegisterArgs,
) -> Result<qemu::ConnectDomainMonitorEventRegisterRet> {
    /// `VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX`.
    const REGEX: u32 = 1;
    /// `..._NOCASE`.
    const ANY_CASE: u32 = 2;
    flags::check(
        "virConnectDomainQemuMonitorEventRegister",
        args.flags,
        REGEX | ANY_CASE,
    )?;
    let any_case = args.flags & ANY_CASE != 0;
    let name = match args.event {
        Some(pattern) if args.flags & REGEX != 0 => Some(NameFilter::pattern(&pattern, any_case)?),
        Some(name) if any_case => Some(NameFilter::AnyCase(name)),
        Some(name) => Some(NameFilter::Exact(name)),
        None => None,
    };
    let domain = args.dom.map(|dom| Uuid::from_bytes(dom.uuid));
    let filter = MonitorFilter { domain, name };
    let callback_id = call.driver.events.monitors().register(&call.session, filter)?;
    Ok(qemu::ConnectDomainMonitorEventRegisterRet { callback_id })
}

async fn monitor_deregister(call: Call, args: qemu::ConnectDomainMonitorEventDeregisterArgs) -> Result<()> {
    call.driver
        .events
        .monitors()
        .deregister(&call.session, args.callback_id)
}
