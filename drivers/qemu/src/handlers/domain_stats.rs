//! Figures of domains, many at once.

use super::{Call, domain_list};
use crate::Driver;
use crate::domain::Domain;
use crate::stats;
use daemon::Routes;
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::remote;
use protocol::remote::procedure as p;
use std::sync::Arc;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectGetAllDomainStats, _>(all);
}

/// `VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT`.
const NOWAIT: u32 = 1 << 29;
/// `..._BACKING`.
const BACKING: u32 = 1 << 30;
/// `..._ENFORCE_STATS`.
const ENFORCE: u32 = 1 << 31;
/// The filter bits, which are those of lists of domains.
const FILTERS: u32 = 0xff;

async fn all(
    call: Call,
    args: remote::ConnectGetAllDomainStatsArgs,
) -> Result<remote::ConnectGetAllDomainStatsRet> {
    crate::flags::check(
        "virConnectGetAllDomainStats",
        args.flags,
        FILTERS | NOWAIT | BACKING | ENFORCE,
    )?;
    let groups = groups(args.stats, args.flags & ENFORCE != 0)?;
    let domains: Vec<Arc<Domain>> = if args.doms.is_empty() {
        domain_list::filtered(&call, "virConnectGetAllDomainStats", args.flags & FILTERS)?
    } else {
        // One that is gone by now is left out, as from a list made a moment later.
        args.doms
            .iter()
            .filter_map(|dom| call.driver.domains.find(dom).ok())
            .collect()
    };
    let shut_off = || {
        let states = domains.iter().map(|domain| domain.state());
        let shut_off = states.filter(|state| !state.is_active());
        shut_off.filter_map(|state| state.document().cloned()).collect()
    };
    let measuring = async {
        if groups & stats::group::BLOCK != 0 {
            call.driver.images.measure(shut_off()).await;
        }
    };
    let asking = async {
        if args.flags & NOWAIT != 0 {
            return None;
        }
        let running = domains
            .iter()
            .filter_map(|domain| domain.state().live.clone())
            .collect();
        Some(stats::refresh(running, stats::needed(groups), stats::PATIENCE).await)
    };
    let (_lull, ()) = futures_util::join!(asking, measuring);
    let backing = args.flags & BACKING != 0;
    let running = domains.iter().filter(|domain| domain.state().is_active()).count();
    let ret_stats = if running <= FEW {
        records(&domains, groups, backing)
    } else {
        // The kernel is asked several times for each guest: that is work for all processors, and not for the threads that
        // serve other clients.
        let parts = std::thread::available_parallelism().map_or(1, usize::from);
        let share = domains.len().div_ceil(parts).max(1);
        let parts = domains.chunks(share).map(|part| {
            let part = part.to_vec();
            call.driver.blocking(move || Ok(records(&part, groups, backing)))
        });
        futures_util::future::try_join_all(parts).await?.concat()
    };
    Ok(remote::ConnectGetAllDomainStatsRet { ret_stats })
}

/// So many running domains are told at once.
const FEW: usize = 64;

fn records(domains: &[Arc<Domain>], groups: u32, backing: bool) -> Vec<remote::DomainStatsRecord> {
    let collector = stats::Call::new(groups, backing);
    let record = |domain: &Arc<Domain>| remote::DomainStatsRecord {
        dom: domain.reference(),
        params: collector.collect(&domain.state()),
    };
    domains.iter().map(record).collect()
}

/// The groups a client wants; all that are told where it names none.
fn groups(wanted: u32, enforce: bool) -> Result<u32> {
    use stats::group::{KNOWN, NUMBERED};
    if wanted == 0 {
        return Ok(KNOWN);
    }
    let missing = wanted & !KNOWN;
    if enforce && missing != 0 {
        let text = format!("Stats types bits 0x{missing:x} are not supported by this daemon or QEMU");
        return Err(Error::new(Code::ArgumentUnsupported, ErrorDomain::Qemu, text));
    }
    let unknown = wanted & !NUMBERED;
    if unknown != 0 {
        tracing::debug!("statistics groups 0x{unknown:x} are unknown");
    }
    Ok(wanted & KNOWN)
}
