//! What a domain is and does, answered from its published state.

use super::Call;
use super::guest_vcpus;
use crate::Driver;
use crate::domain::State;
use crate::flags;
use crate::presentation;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use std::sync::Arc;
use xdr::UChar;

fn state(call: &Call, dom: &remote::Domain) -> Result<Arc<State>> {
    Ok(call.driver.domains.find(dom)?.state())
}

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetInfo, _>(get_info);
    routes.on::<p::DomainGetState, _>(get_state);
    routes.on::<p::DomainGetXmlDesc, _>(get_xml_desc);
    routes.on::<p::DomainGetOsType, _>(get_os_type);
    routes.on::<p::DomainGetMaxMemory, _>(get_max_memory);
    routes.on::<p::DomainGetMaxVcpus, _>(get_max_vcpus);
    routes.on::<p::DomainGetVcpusFlags, _>(get_vcpus_flags);
    routes.on::<p::DomainIsActive, _>(is_active);
    routes.on::<p::DomainIsPersistent, _>(is_persistent);
    routes.on::<p::DomainIsUpdated, _>(is_updated);
    routes.on::<p::DomainGetAutostart, _>(get_autostart);
    routes.on::<p::DomainGetAutostartOnce, _>(get_autostart_once);
    routes.on::<p::DomainHasManagedSaveImage, _>(has_managed_save);
}

async fn get_info(call: Call, args: remote::DomainGetInfoArgs) -> Result<remote::DomainGetInfoRet> {
    let state = state(&call, &args.dom)?;
    let summary = &presentation::present(&state)?.summary;
    let cpu_time = state.live.as_ref().map_or(0, |live| presentation::cpu_time(live));
    Ok(remote::DomainGetInfoRet {
        state: UChar(state.run.number() as u8),
        max_mem: summary.max_memory,
        memory: presentation::memory(&state),
        nr_virt_cpu: u16::try_from(summary.vcpus).unwrap_or(u16::MAX),
        cpu_time,
    })
}

async fn get_state(call: Call, args: remote::DomainGetStateArgs) -> Result<remote::DomainGetStateRet> {
    flags::check("virDomainGetState", args.flags, 0)?;
    let state = state(&call, &args.dom)?;
    Ok(remote::DomainGetStateRet {
        state: state.run.number(),
        reason: state.run.reason(),
    })
}

async fn get_xml_desc(call: Call, args: remote::DomainGetXmlDescArgs) -> Result<remote::DomainGetXmlDescRet> {
    let view = presentation::View::from_flags(args.flags)?;
    let state = state(&call, &args.dom)?;
    Ok(remote::DomainGetXmlDescRet {
        xml: presentation::document(&call.driver, &state, view).await?,
    })
}

async fn get_os_type(call: Call, args: remote::DomainGetOsTypeArgs) -> Result<remote::DomainGetOsTypeRet> {
    let state = state(&call, &args.dom)?;
    Ok(remote::DomainGetOsTypeRet {
        r#type: presentation::present(&state)?.summary.os_type.to_string(),
    })
}

async fn get_max_memory(
    call: Call,
    args: remote::DomainGetMaxMemoryArgs,
) -> Result<remote::DomainGetMaxMemoryRet> {
    Ok(remote::DomainGetMaxMemoryRet {
        memory: presentation::present(&*state(&call, &args.dom)?)?
            .summary
            .max_memory,
    })
}

async fn get_max_vcpus(
    call: Call,
    args: remote::DomainGetMaxVcpusArgs,
) -> Result<remote::DomainGetMaxVcpusRet> {
    let num = presentation::present(&*state(&call, &args.dom)?)?
        .summary
        .max_vcpus;
    Ok(remote::DomainGetMaxVcpusRet {
        num: i32::try_from(num).unwrap_or(i32::MAX),
    })
}

/// `VIR_DOMAIN_VCPU_MAXIMUM` and `..._GUEST`.
const VCPU_MAXIMUM: u32 = 4;
const VCPU_GUEST: u32 = 8;

async fn get_vcpus_flags(
    call: Call,
    args: remote::DomainGetVcpusFlagsArgs,
) -> Result<remote::DomainGetVcpusFlagsRet> {
    let name = "virDomainGetVcpusFlags";
    flags::check(name, args.flags, flags::AFFECT | VCPU_MAXIMUM | VCPU_GUEST)?;
    flags::exclusive(
        name,
        args.flags,
        (VCPU_GUEST, "VIR_DOMAIN_VCPU_GUEST"),
        (flags::AFFECT_CONFIG, "VIR_DOMAIN_AFFECT_CONFIG"),
    )?;
    let state = state(&call, &args.dom)?;
    if args.flags & VCPU_GUEST != 0 {
        let count = guest_vcpus::count(&call, &args.dom, args.flags & VCPU_MAXIMUM != 0).await?;
        return Ok(remote::DomainGetVcpusFlagsRet {
            num: i32::try_from(count).unwrap_or(i32::MAX),
        });
    }
    let impact = flags::Impact::of(args.flags, state.is_active(), state.is_persistent())?;
    let document = if impact.live {
        state.document()
    } else {
        state.next_document()
    };
    let summary = document.map(|document| &document.summary);
    let num = summary.map_or(0, |summary| {
        if args.flags & VCPU_MAXIMUM != 0 {
            summary.max_vcpus
        } else {
            summary.vcpus
        }
    });
    Ok(remote::DomainGetVcpusFlagsRet {
        num: i32::try_from(num).unwrap_or(i32::MAX),
    })
}

async fn is_active(call: Call, args: remote::DomainIsActiveArgs) -> Result<remote::DomainIsActiveRet> {
    Ok(remote::DomainIsActiveRet {
        active: state(&call, &args.dom)?.is_active().into(),
    })
}

async fn is_persistent(
    call: Call,
    args: remote::DomainIsPersistentArgs,
) -> Result<remote::DomainIsPersistentRet> {
    Ok(remote::DomainIsPersistentRet {
        persistent: state(&call, &args.dom)?.is_persistent().into(),
    })
}

async fn is_updated(call: Call, args: remote::DomainIsUpdatedArgs) -> Result<remote::DomainIsUpdatedRet> {
    Ok(remote::DomainIsUpdatedRet {
        updated: state(&call, &args.dom)?.updated.into(),
    })
}

async fn get_autostart(
    call: Call,
    args: remote::DomainGetAutostartArgs,
) -> Result<remote::DomainGetAutostartRet> {
    Ok(remote::DomainGetAutostartRet {
        autostart: state(&call, &args.dom)?.autostart.always.into(),
    })
}

async fn get_autostart_once(
    call: Call,
    args: remote::DomainGetAutostartOnceArgs,
) -> Result<remote::DomainGetAutostartOnceRet> {
    Ok(remote::DomainGetAutostartOnceRet {
        autostart: state(&call, &args.dom)?.autostart.once.into(),
    })
}

async fn has_managed_save(
    call: Call,
    args: remote::DomainHasManagedSaveImageArgs,
) -> Result<remote::DomainHasManagedSaveImageRet> {
    flags::check("virDomainHasManagedSaveImage", args.flags, 0)?;
    Ok(remote::DomainHasManagedSaveImageRet {
        result: state(&call, &args.dom)?.managed_save.into(),
    })
}
