//! The host: its processors and memory, as the API calls it the node.

use super::Call;
use super::reply_room::fitting;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote::procedure as p;
use protocol::{TypedParam, TypedParamValue, remote};
use xdr::{CharArray, Chars};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::NodeGetInfo, _>(info);
    routes.on::<p::NodeGetCpuStats, _>(cpu_stats);
    routes.on::<p::NodeGetCpuMap, _>(cpu_map);
    routes.on::<p::NodeGetMemoryStats, _>(memory_stats);
    routes.on::<p::NodeGetFreeMemory, _>(free_memory);
    routes.on::<p::NodeGetCellsFreeMemory, _>(cells_free_memory);
    routes.on::<p::NodeGetFreePages, _>(free_pages);
    routes.on::<p::NodeGetMemoryParameters, _>(memory_parameters);
    routes.on::<p::NodeGetSecurityModel, _>(security_model);
}

fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

async fn info(call: Call, (): ()) -> Result<remote::NodeGetInfoRet> {
    let info = call.driver.host.node_info();
    Ok(remote::NodeGetInfoRet {
        model: CharArray::from_text(&info.model),
        memory: info.memory,
        cpus: int(info.cpus),
        mhz: int(info.mhz),
        nodes: int(info.nodes),
        sockets: int(info.sockets),
        cores: int(info.cores),
        threads: int(info.threads),
    })
}

/// `VIR_NODE_CPU_STATS_ALL_CPUS` and `VIR_NODE_MEMORY_STATS_ALL_CELLS`.
const ALL: i32 = -1;

fn number(what: &str, value: i32) -> Result<Option<u32>> {
    if value == ALL {
        return Ok(None);
    }
    let invalid = || {
        Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("{what} {value} does not exist"),
        )
    };
    u32::try_from(value).map(Some).map_err(|_| invalid())
}

async fn cpu_stats(call: Call, args: remote::NodeGetCpuStatsArgs) -> Result<remote::NodeGetCpuStatsRet> {
    flags::check("virNodeGetCPUStats", args.flags, 0)?;
    let stats = call.driver.host.cpu_stats(number("processor", args.cpu_num)?)?;
    let all = [
        ("kernel", stats.kernel),
        ("user", stats.user),
        ("idle", stats.idle),
        ("iowait", stats.iowait),
    ];
    let all = all.map(|(field, value)| remote::NodeGetCpuStats {
        field: field.to_owned(),
        value,
    });
    let (params, nparams) = fitting(all.to_vec(), args.nparams);
    Ok(remote::NodeGetCpuStatsRet { params, nparams })
}

async fn memory_stats(
    call: Call,
    args: remote::NodeGetMemoryStatsArgs,
) -> Result<remote::NodeGetMemoryStatsRet> {
    flags::check("virNodeGetMemoryStats", args.flags, 0)?;
    let stats = match number("NUMA cell", args.cell_num)? {
        None => call.driver.host.memory_stats(),
        Some(cell) => call.driver.host.cell_memory_stats(cell)?,
    };
    let all = [
        ("total", Some(stats.total)),
        ("free", Some(stats.free)),
        ("buffers", stats.buffers),
        ("cached", stats.cached),
    ];
    let all = all.into_iter().filter_map(|(field, value)| {
        Some(remote::NodeGetMemoryStats {
            field: field.to_owned(),
            value: value?,
        })
    });
    let (params, nparams) = fitting(all.collect(), args.nparams);
    Ok(remote::NodeGetMemoryStatsRet { params, nparams })
}

async fn cpu_map(call: Call, args: remote::NodeGetCpuMapArgs) -> Result<remote::NodeGetCpuMapRet> {
    flags::check("virNodeGetCPUMap", args.flags, 0)?;
    let map = call.driver.host.cpu_map();
    let bytes = usize::try_from(map.count.div_ceil(8)).unwrap_or(0);
    Ok(remote::NodeGetCpuMapRet {
        cpumap: if args.need_map == 0 {
            Vec::new()
        } else {
            map.online.to_bitmap(bytes)
        },
        online: if args.need_online == 0 {
            0
        } else {
            u32::try_from(map.online.len()).unwrap_or(u32::MAX)
        },
        ret: int(map.count),
    })
}

async fn free_memory(call: Call, (): ()) -> Result<remote::NodeGetFreeMemoryRet> {
    Ok(remote::NodeGetFreeMemoryRet {
        free_mem: call.driver.host.free_memory(),
    })
}

fn start_cell(value: i32) -> Result<u32> {
    u32::try_from(value).map_err(|_| {
        Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("NUMA cell {value} does not exist"),
        )
    })
}

async fn cells_free_memory(
    call: Call,
    args: remote::NodeGetCellsFreeMemoryArgs,
) -> Result<remote::NodeGetCellsFreeMemoryRet> {
    let max = usize::try_from(args.maxcells)
        .unwrap_or(0)
        .min(remote::limits::NODE_MAX_CELLS);
    let cells = call
        .driver
        .host
        .cells_free_memory(start_cell(args.start_cell)?, max)?;
    Ok(remote::NodeGetCellsFreeMemoryRet { cells })
}

async fn free_pages(call: Call, args: remote::NodeGetFreePagesArgs) -> Result<remote::NodeGetFreePagesRet> {
    flags::check("virNodeGetFreePages", args.flags, 0)?;
    let count = usize::try_from(args.cell_count).unwrap_or(usize::MAX);
    if args.pages.len().saturating_mul(count) > remote::limits::NODE_MAX_CELLS {
        return Err(Error::new(
            Code::Rpc,
            Domain::Rpc,
            "more page counts are asked for than a reply may hold",
        ));
    }
    let found = call
        .driver
        .host
        .free_pages(&args.pages, start_cell(args.start_cell)?, count)?;
    Ok(remote::NodeGetFreePagesRet {
        counts: found.into_iter().map(|free| free.count).collect(),
    })
}

async fn memory_parameters(
    call: Call,
    args: remote::NodeGetMemoryParametersArgs,
) -> Result<remote::NodeGetMemoryParametersRet> {
    flags::check("virNodeGetMemoryParameters", args.flags, flags::STRING_OKAY)?;
    let unavailable = || {
        Error::new(
            Code::OperationUnsupported,
            Domain::Qemu,
            "this kernel has no page merging (KSM)",
        )
    };
    let ksm = call.driver.host.ksm().ok_or_else(unavailable)?;
    let mut all = Vec::new();
    for (name, value) in [
        ("shm_pages_to_scan", ksm.pages_to_scan),
        ("shm_sleep_millisecs", ksm.sleep_millisecs),
    ] {
        all.extend(value.map(|value| TypedParam::new(name, TypedParamValue::Uint(value))));
    }
    for (name, value) in [
        ("shm_pages_shared", ksm.pages_shared),
        ("shm_pages_sharing", ksm.pages_sharing),
        ("shm_pages_unshared", ksm.pages_unshared),
        ("shm_pages_volatile", ksm.pages_volatile),
        ("shm_full_scans", ksm.full_scans),
    ] {
        all.extend(value.map(|value| TypedParam::new(name, TypedParamValue::Ullong(value))));
    }
    let merge = ksm.merge_across_nodes;
    all.extend(merge.map(|value| TypedParam::new("shm_merge_across_nodes", TypedParamValue::Uint(value))));
    let (params, nparams) = fitting(all, args.nparams);
    Ok(remote::NodeGetMemoryParametersRet { params, nparams })
}

async fn security_model(_: Call, (): ()) -> Result<remote::NodeGetSecurityModelRet> {
    Ok(remote::NodeGetSecurityModelRet {
        model: Chars::from_text("none"),
        doi: Chars::from_text("0"),
    })
}
