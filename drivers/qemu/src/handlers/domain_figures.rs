//! Figures of one domain: disks, interfaces, memory, processors.
//!
//! A call about one domain wants fresh figures: it waits for QEMU until its deadline and then says so.

use super::Call;
use super::cpu_map;
use super::reply_room::fitting;
use crate::Driver;
use crate::domain::{Ask, Live, State};
use crate::flags;
use crate::stats::Interfaces;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};
use std::sync::Arc;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainBlockStats, _>(block_stats);
    routes.on::<p::DomainBlockStatsFlags, _>(block_stats_flags);
    routes.on::<p::DomainInterfaceStats, _>(interface_stats);
    routes.on::<p::DomainMemoryStats, _>(memory_stats);
    routes.on::<p::DomainGetVcpus, _>(vcpus);
    routes.on::<p::DomainGetCpuStats, _>(cpu_stats);
    routes.on::<p::DomainGetControlInfo, _>(control_info);
    routes.on::<p::DomainGetJobInfo, _>(job_info);
    routes.on::<p::DomainGetJobStats, _>(job_stats);
}

/// The running domain with fresh figures of that kind.
async fn fresh(call: &Call, dom: &remote::Domain, ask: Ask) -> Result<(Arc<State>, Arc<Live>)> {
    let state = call.driver.domains.find(dom)?.state();
    let live = Arc::clone(state.running()?);
    live.reached().await?;
    live.refresh(ask).await.map_err(crate::lifecycle::monitor_error)?;
    Ok((state, live))
}

fn no_disk(name: &str) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, format!("invalid path: {name}"))
}

async fn block(call: &Call, dom: &remote::Domain, name: &str) -> Result<qmp::types::BlockDeviceStats> {
    let (_, live) = fresh(
        call,
        dom,
        Ask {
            blocks: true,
            ..Ask::default()
        },
    )
    .await?;
    let sample = live.sample.load();
    if name.is_empty() {
        // The whole domain: the sum over its disks.
        let mut sum = qmp::types::BlockDeviceStats::default();
        for one in sample.blocks.iter().map(|one| &one.stats) {
            sum.rd_bytes = sum.rd_bytes.saturating_add(one.rd_bytes);
            sum.wr_bytes = sum.wr_bytes.saturating_add(one.wr_bytes);
            sum.rd_operations = sum.rd_operations.saturating_add(one.rd_operations);
            sum.wr_operations = sum.wr_operations.saturating_add(one.wr_operations);
            sum.flush_operations = sum.flush_operations.saturating_add(one.flush_operations);
            sum.rd_total_time_ns = sum.rd_total_time_ns.saturating_add(one.rd_total_time_ns);
            sum.wr_total_time_ns = sum.wr_total_time_ns.saturating_add(one.wr_total_time_ns);
            sum.flush_total_time_ns = sum.flush_total_time_ns.saturating_add(one.flush_total_time_ns);
        }
        return Ok(sum);
    }
    let disk = live.names.disk(name).ok_or_else(|| no_disk(name))?;
    let stats = sample.block(disk).map(|one| one.stats.clone());
    stats.ok_or_else(|| {
        Error::new(
            Code::InternalError,
            Domain::Qemu,
            format!("QEMU tells nothing of disk '{name}'"),
        )
    })
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

async fn block_stats(call: Call, args: remote::DomainBlockStatsArgs) -> Result<remote::DomainBlockStatsRet> {
    let stats = block(&call, &args.dom, &args.path).await?;
    Ok(remote::DomainBlockStatsRet {
        rd_req: signed(stats.rd_operations),
        rd_bytes: signed(stats.rd_bytes),
        wr_req: signed(stats.wr_operations),
        wr_bytes: signed(stats.wr_bytes),
        // QEMU does not count them.
        errs: -1,
    })
}

async fn block_stats_flags(
    call: Call,
    args: remote::DomainBlockStatsFlagsArgs,
) -> Result<remote::DomainBlockStatsFlagsRet> {
    flags::check("virDomainBlockStatsFlags", args.flags, flags::STRING_OKAY)?;
    let stats = block(&call, &args.dom, &args.path).await?;
    let all = [
        ("wr_bytes", stats.wr_bytes),
        ("wr_operations", stats.wr_operations),
        ("rd_bytes", stats.rd_bytes),
        ("rd_operations", stats.rd_operations),
        ("flush_operations", stats.flush_operations),
        ("wr_total_times", stats.wr_total_time_ns),
        ("rd_total_times", stats.rd_total_time_ns),
        ("flush_total_times", stats.flush_total_time_ns),
    ];
    let nparams = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let params = if args.nparams == 0 {
        Vec::new()
    } else {
        all.into_iter()
            .map(|(name, value)| TypedParam::new(name, signed(value)))
            .collect()
    };
    Ok(remote::DomainBlockStatsFlagsRet { params, nparams })
}

async fn interface_stats(
    call: Call,
    args: remote::DomainInterfaceStatsArgs,
) -> Result<remote::DomainInterfaceStatsRet> {
    let state = call.driver.domains.find(&args.dom)?.state();
    let live = state.running()?;
    let unknown = || {
        Error::new(
            Code::InvalidArg,
            Domain::Domain,
            format!("'{}' is not a known interface", args.device),
        )
    };
    let mut names = live.names.interfaces.iter();
    let name = names.find(|name| *name.target == *args.device && !name.target.is_empty());
    let name = name.ok_or_else(unknown)?;
    let table = Interfaces::read().map_err(|err| {
        Error::new(
            Code::SystemError,
            Domain::Qemu,
            format!("cannot read '/proc/net/dev': {err}"),
        )
        .caused_by(err)
    })?;
    let counters = table.of_guest(name).ok_or_else(unknown)?;
    let [rx_bytes, rx_packets, rx_errs, rx_drop] = counters.received.map(signed);
    let [tx_bytes, tx_packets, tx_errs, tx_drop] = counters.sent.map(signed);
    Ok(remote::DomainInterfaceStatsRet {
        rx_bytes,
        rx_packets,
        rx_errs,
        rx_drop,
        tx_bytes,
        tx_packets,
        tx_errs,
        tx_drop,
    })
}

/// `virDomainMemoryStatTags`: the tag, what QEMU calls the figure, and whether it counts bytes that are told in KiB.
const MEMORY: &[(i32, &str, bool)] = &[
    (0, "stat-swap-in", true),
    (1, "stat-swap-out", true),
    (2, "stat-major-faults", false),
    (3, "stat-minor-faults", false),
    (4, "stat-free-memory", true),
    (5, "stat-total-memory", true),
    (8, "stat-available-memory", true),
    (10, "stat-disk-caches", true),
    (11, "stat-htlb-pgalloc", false),
    (12, "stat-htlb-pgfail", false),
];

async fn memory_stats(
    call: Call,
    args: remote::DomainMemoryStatsArgs,
) -> Result<remote::DomainMemoryStatsRet> {
    const ACTUAL_BALLOON: i32 = 6;
    const RSS: i32 = 7;
    const LAST_UPDATE: i32 = 9;
    flags::check("virDomainMemoryStats", args.flags, 0)?;
    let (state, live) = fresh(
        &call,
        &args.dom,
        Ask {
            memory: true,
            ..Ask::default()
        },
    )
    .await?;
    let mut stats = vec![remote::DomainMemoryStat {
        tag: ACTUAL_BALLOON,
        val: crate::presentation::memory(&state),
    }];
    if let Some(told) = live.sample.load().memory.as_ref() {
        for (tag, name, bytes) in MEMORY {
            if *name == crate::stats::AFTER_UPDATE {
                stats.push(remote::DomainMemoryStat {
                    tag: LAST_UPDATE,
                    val: told.last_update,
                });
            }
            let value = told
                .get(name)
                .map(|value| if *bytes { value / 1024 } else { value });
            stats.extend(value.map(|val| remote::DomainMemoryStat { tag: *tag, val }));
        }
    }
    let resident = live.process.resident().map(|bytes| bytes / 1024);
    stats.extend(resident.map(|val| remote::DomainMemoryStat { tag: RSS, val }));
    stats.truncate(usize::try_from(args.max_stats).unwrap_or(usize::MAX));
    Ok(remote::DomainMemoryStatsRet { stats })
}

async fn vcpus(call: Call, args: remote::DomainGetVcpusArgs) -> Result<remote::DomainGetVcpusRet> {
    let (_, live) = fresh(
        &call,
        &args.dom,
        Ask {
            vcpus: true,
            ..Ask::default()
        },
    )
    .await?;
    let (most, length) = cpu_map::room(args.maxinfo, args.maplen)?;
    let most = most.min(remote::limits::VCPUINFO_MAX);
    let sample = live.sample.load();
    let (mut info, mut cpumaps) = (Vec::new(), Vec::new());
    for vcpu in sample.vcpus.iter().take(most) {
        let stat = live.process.thread(vcpu.thread);
        info.push(remote::VcpuInfo {
            number: vcpu.index,
            state: 1,
            cpu_time: stat.map_or(0, crate::domain::Stat::cpu_time),
            cpu: stat.map_or(-1, |stat| stat.processor),
        });
        let allowed = live.process.affinity(vcpu.thread).into_iter();
        let allowed = allowed.filter_map(|cpu| u32::try_from(cpu).ok());
        cpumaps.extend(cpu_map::map_of(allowed, length));
    }
    Ok(remote::DomainGetVcpusRet { info, cpumaps })
}

async fn cpu_stats(call: Call, args: remote::DomainGetCpuStatsArgs) -> Result<remote::DomainGetCpuStatsRet> {
    /// The place of a processor that means all of them together.
    const TOTAL: i32 = -1;
    flags::check("virDomainGetCPUStats", args.flags, flags::STRING_OKAY)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let live = state.running()?;
    if args.start_cpu != TOTAL {
        let text = "the kernel does not tell what a process used of each processor";
        return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
    }
    let stat = live.process.stat().ok_or_else(crate::lifecycle::not_running)?;
    let all = [
        ("cpu_time", stat.cpu_time()),
        ("user_time", stat.user_time()),
        ("system_time", stat.system_time()),
    ];
    let params = all.map(|(name, value)| TypedParam::new(name, value)).to_vec();
    let room = i32::try_from(args.nparams).unwrap_or(i32::MAX);
    let (params, nparams) = fitting(params, room);
    Ok(remote::DomainGetCpuStatsRet { params, nparams })
}

async fn control_info(
    call: Call,
    args: remote::DomainGetControlInfoArgs,
) -> Result<remote::DomainGetControlInfoRet> {
    /// `VIR_DOMAIN_CONTROL_OK` and `..._OCCUPIED`.
    const OK: u32 = 0;
    const OCCUPIED: u32 = 2;
    flags::check("virDomainGetControlInfo", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let waiting = state.running()?.monitor()?.oldest_unanswered();
    let milliseconds = waiting.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let state = if waiting.is_some() { OCCUPIED } else { OK };
    Ok(remote::DomainGetControlInfoRet {
        state,
        details: 0,
        state_time: milliseconds,
    })
}

/// There are no jobs yet that last: whoever asks hears that none runs.
async fn job_info(call: Call, args: remote::DomainGetJobInfoArgs) -> Result<remote::DomainGetJobInfoRet> {
    let state = call.driver.domains.find(&args.dom)?.state();
    state.running()?;
    Ok(remote::DomainGetJobInfoRet {
        r#type: 0,
        time_elapsed: 0,
        time_remaining: 0,
        data_total: 0,
        data_processed: 0,
        data_remaining: 0,
        mem_total: 0,
        mem_processed: 0,
        mem_remaining: 0,
        file_total: 0,
        file_processed: 0,
        file_remaining: 0,
    })
}

async fn job_stats(call: Call, args: remote::DomainGetJobStatsArgs) -> Result<remote::DomainGetJobStatsRet> {
    /// `VIR_DOMAIN_JOB_STATS_COMPLETED` and `..._KEEP_COMPLETED`: there is no completed job either.
    const COMPLETED: u32 = 1 | 2;
    flags::check("virDomainGetJobStats", args.flags, COMPLETED)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    if args.flags & COMPLETED == 0 {
        state.running()?;
    }
    Ok(remote::DomainGetJobStatsRet {
        r#type: 0,
        params: Vec::new(),
    })
}
