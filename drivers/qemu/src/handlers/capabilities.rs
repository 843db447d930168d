//! What the host and its QEMU binaries can do.

use super::Call;
use crate::Driver;
use crate::capabilities::{BaselineOptions, Query};
use crate::flags;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectGetCapabilities, _>(get);
    routes.on::<p::ConnectGetDomainCapabilities, _>(domain);
    routes.on::<p::ConnectGetCpuModelNames, _>(cpu_models);
    routes.on::<p::ConnectCompareCpu, _>(compare_cpu);
    routes.on::<p::ConnectBaselineCpu, _>(baseline_cpu);
    routes.on::<p::ConnectCompareHypervisorCpu, _>(compare_hypervisor_cpu);
    routes.on::<p::ConnectBaselineHypervisorCpu, _>(baseline_hypervisor_cpu);
}

async fn get(call: Call, (): ()) -> Result<remote::ConnectGetCapabilitiesRet> {
    Ok(remote::ConnectGetCapabilitiesRet {
        capabilities: call.driver.capabilities.document().await?,
    })
}

async fn domain(
    call: Call,
    args: remote::ConnectGetDomainCapabilitiesArgs,
) -> Result<remote::ConnectGetDomainCapabilitiesRet> {
    /// `VIR_CONNECT_GET_DOMAIN_CAPABILITIES_DISABLE_DEPRECATED_FEATURES`: concerns s390, whose models are not offered.
    const DISABLE_DEPRECATED_FEATURES: u32 = 1;
    flags::check(
        "virConnectGetDomainCapabilities",
        args.flags,
        DISABLE_DEPRECATED_FEATURES,
    )?;
    let query = Query {
        emulator: args.emulatorbin.as_deref(),
        arch: args.arch.as_deref(),
        machine: args.machine.as_deref(),
        virt: args.virttype.as_deref(),
    };
    Ok(remote::ConnectGetDomainCapabilitiesRet {
        capabilities: call.driver.capabilities.domain(query).await?,
    })
}

async fn cpu_models(
    call: Call,
    args: remote::ConnectGetCpuModelNamesArgs,
) -> Result<remote::ConnectGetCpuModelNamesRet> {
    flags::check("virConnectGetCPUModelNames", args.flags, 0)?;
    let models = call.driver.capabilities.cpu_models(&args.arch).await?;
    let ret = i32::try_from(models.len()).unwrap_or(i32::MAX);
    let models = if args.need_results == 0 {
        Vec::new()
    } else {
        models
    };
    Ok(remote::ConnectGetCpuModelNamesRet { models, ret })
}

/// `VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE`.
const FAIL_INCOMPATIBLE: u32 = 1;
/// `VIR_CONNECT_COMPARE_CPU_VALIDATE_XML`.
const VALIDATE_XML: u32 = 2;

/// Refuses what cannot be held against a schema yet.
fn comparison_flags(name: &str, given: u32) -> Result<bool> {
    flags::check(name, given, FAIL_INCOMPATIBLE | VALIDATE_XML)?;
    if given & VALIDATE_XML != 0 {
        return Err(error::Error::new(
            error::Code::NoSupport,
            error::Domain::Cpu,
            "holding a processor's document against its schema is not supported yet",
        ));
    }
    Ok(given & FAIL_INCOMPATIBLE != 0)
}

async fn compare_cpu(
    call: Call,
    args: remote::ConnectCompareCpuArgs,
) -> Result<remote::ConnectCompareCpuRet> {
    let fail = comparison_flags("virConnectCompareCPU", args.flags)?;
    let outcome = call
        .driver
        .capabilities
        .compare_cpu(&args.xml, None, fail)
        .await?;
    Ok(remote::ConnectCompareCpuRet {
        result: outcome as i32,
    })
}

async fn compare_hypervisor_cpu(
    call: Call,
    args: remote::ConnectCompareHypervisorCpuArgs,
) -> Result<remote::ConnectCompareHypervisorCpuRet> {
    let fail = comparison_flags("virConnectCompareHypervisorCPU", args.flags)?;
    let query = Query {
        emulator: args.emulator.as_deref(),
        arch: args.arch.as_deref(),
        machine: args.machine.as_deref(),
        virt: args.virttype.as_deref(),
    };
    let outcome = call
        .driver
        .capabilities
        .compare_cpu(&args.xml_cpu, Some(query), fail)
        .await?;
    Ok(remote::ConnectCompareHypervisorCpuRet {
        result: outcome as i32,
    })
}

/// `VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES`.
const EXPAND: u32 = 1;
/// `VIR_CONNECT_BASELINE_CPU_MIGRATABLE`.
const MIGRATABLE: u32 = 2;

fn baseline_options(given: u32) -> BaselineOptions {
    BaselineOptions {
        expand: given & EXPAND != 0,
        migratable: given & MIGRATABLE != 0,
    }
}

async fn baseline_cpu(
    call: Call,
    args: remote::ConnectBaselineCpuArgs,
) -> Result<remote::ConnectBaselineCpuRet> {
    flags::check("virConnectBaselineCPU", args.flags, EXPAND | MIGRATABLE)?;
    let options = baseline_options(args.flags);
    let cpu = call
        .driver
        .capabilities
        .baseline_cpu(args.xml_cp_us, None, options)
        .await?;
    Ok(remote::ConnectBaselineCpuRet { cpu })
}

async fn baseline_hypervisor_cpu(
    call: Call,
    args: remote::ConnectBaselineHypervisorCpuArgs,
) -> Result<remote::ConnectBaselineHypervisorCpuRet> {
    flags::check("virConnectBaselineHypervisorCPU", args.flags, EXPAND | MIGRATABLE)?;
    let query = Query {
        emulator: args.emulator.as_deref(),
        arch: args.arch.as_deref(),
        machine: args.machine.as_deref(),
        virt: args.virttype.as_deref(),
    };
    let options = baseline_options(args.flags);
    let cpu = call
        .driver
        .capabilities
        .baseline_cpu(args.xml_cp_us, Some(query), options)
        .await?;
    Ok(remote::ConnectBaselineHypervisorCpuRet { cpu })
}
