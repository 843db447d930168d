//! What a document says of a domain's share of its host: processor time, block devices, memory, NUMA nodes.
//!
//! The figures are the document's. Guests are not put into control groups, so that nothing can be changed while one
//! runs; those calls are not served.

use super::Call;
use super::reply_room::fitting;
use crate::Driver;
use crate::flags::{self, Impact};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::Domain as Model;
use model::domain::tune::{BlkioDevice, BlkioTune, NumaMode};
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetSchedulerType, _>(scheduler_type);
    routes.on::<p::DomainGetSchedulerParameters, _>(scheduler);
    routes.on::<p::DomainGetSchedulerParametersFlags, _>(scheduler_flags);
    routes.on::<p::DomainGetBlkioParameters, _>(block);
    routes.on::<p::DomainGetMemoryParameters, _>(memory);
    routes.on::<p::DomainGetNumaParameters, _>(numa);
}

/// `VIR_DOMAIN_MEMORY_PARAM_UNLIMITED`, in KiB.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// How many parameters a scheduler has here.
const SCHEDULER_PARAMETERS: i32 = 9;

/// The document that the flags mean.
fn meant(call: &Call, dom: &remote::Domain, name: &str, given: u32) -> Result<Model> {
    flags::check(name, given, flags::AFFECT | flags::STRING_OKAY)?;
    flags::exclusive(
        name,
        given,
        (flags::AFFECT_LIVE, "VIR_DOMAIN_AFFECT_LIVE"),
        (flags::AFFECT_CONFIG, "VIR_DOMAIN_AFFECT_CONFIG"),
    )?;
    let state = call.driver.domains.find(dom)?.state();
    let impact = Impact::of(given, state.is_active(), state.is_persistent())?;
    if impact.live {
        // What the document says is not in force without control groups, and must not be told as if it were.
        let text = "the shares of a running domain are not under this daemon's control";
        return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
    }
    state
        .next_document()
        .ok_or_else(crate::lifecycle::not_running)?
        .parse()
}

async fn scheduler_type(
    call: Call,
    args: remote::DomainGetSchedulerTypeArgs,
) -> Result<remote::DomainGetSchedulerTypeRet> {
    call.driver.domains.find(&args.dom)?;
    Ok(remote::DomainGetSchedulerTypeRet {
        r#type: "posix".to_owned(),
        nparams: SCHEDULER_PARAMETERS,
    })
}

async fn scheduler(
    call: Call,
    args: remote::DomainGetSchedulerParametersArgs,
) -> Result<remote::DomainGetSchedulerParametersRet> {
    let model = meant(&call, &args.dom, "virDomainGetSchedulerParameters", 0)?;
    let (params, _) = fitting(times(&model), args.nparams);
    Ok(remote::DomainGetSchedulerParametersRet { params })
}

async fn scheduler_flags(
    call: Call,
    args: remote::DomainGetSchedulerParametersFlagsArgs,
) -> Result<remote::DomainGetSchedulerParametersFlagsRet> {
    let model = meant(
        &call,
        &args.dom,
        "virDomainGetSchedulerParametersFlags",
        args.flags,
    )?;
    let (params, _) = fitting(times(&model), args.nparams);
    Ok(remote::DomainGetSchedulerParametersFlagsRet { params })
}

fn times(model: &Model) -> Vec<TypedParam> {
    let tune = model.cpu_tune.as_deref().cloned().unwrap_or_default();
    let period = |name: &str, value: Option<u64>| TypedParam::new(name, value.unwrap_or(0));
    let quota = |name: &str, value: Option<i64>| TypedParam::new(name, value.unwrap_or(0));
    vec![
        period("cpu_shares", tune.shares),
        period("vcpu_period", tune.period),
        quota("vcpu_quota", tune.quota),
        period("emulator_period", tune.emulator_period),
        quota("emulator_quota", tune.emulator_quota),
        period("global_period", tune.global_period),
        quota("global_quota", tune.global_quota),
        period("iothread_period", tune.iothread_period),
        quota("iothread_quota", tune.iothread_quota),
    ]
}

async fn block(
    call: Call,
    args: remote::DomainGetBlkioParametersArgs,
) -> Result<remote::DomainGetBlkioParametersRet> {
    let model = meant(&call, &args.dom, "virDomainGetBlkioParameters", args.flags)?;
    let (params, nparams) = fitting(shares(model.blkio_tune.as_deref()), args.nparams);
    Ok(remote::DomainGetBlkioParametersRet { params, nparams })
}

fn shares(tune: Option<&BlkioTune>) -> Vec<TypedParam> {
    let devices = tune.map_or(&[][..], |tune| &tune.devices);
    // One text for all devices: path and value by turns.
    let listed = |value: &dyn Fn(&BlkioDevice) -> Option<u64>| {
        let known = devices
            .iter()
            .filter_map(|device| Some((device, value(device).filter(|value| *value > 0)?)));
        let parts: Vec<String> = known
            .map(|(device, value)| format!("{},{value}", device.path))
            .collect();
        parts.join(",")
    };
    vec![
        TypedParam::new("weight", tune.and_then(|tune| tune.weight).unwrap_or(0)),
        TypedParam::new("device_weight", listed(&|device| device.weight.map(u64::from))),
        TypedParam::new(
            "device_read_iops_sec",
            listed(&|device| device.read_iops_sec.map(u64::from)),
        ),
        TypedParam::new(
            "device_write_iops_sec",
            listed(&|device| device.write_iops_sec.map(u64::from)),
        ),
        TypedParam::new("device_read_bytes_sec", listed(&|device| device.read_bytes_sec)),
        TypedParam::new("device_write_bytes_sec", listed(&|device| device.write_bytes_sec)),
    ]
}

async fn memory(
    call: Call,
    args: remote::DomainGetMemoryParametersArgs,
) -> Result<remote::DomainGetMemoryParametersRet> {
    let model = meant(&call, &args.dom, "virDomainGetMemoryParameters", args.flags)?;
    let tune = model.mem_tune.as_deref().cloned().unwrap_or_default();
    let limit = |name: &str, value: Option<model::scaled::Kibibytes>| {
        TypedParam::new(name, value.map_or(UNLIMITED, |value| value.0))
    };
    let all = vec![
        limit("hard_limit", tune.hard_limit),
        limit("soft_limit", tune.soft_limit),
        limit("swap_hard_limit", tune.swap_hard_limit),
    ];
    let (params, nparams) = fitting(all, args.nparams);
    Ok(remote::DomainGetMemoryParametersRet { params, nparams })
}

async fn numa(
    call: Call,
    args: remote::DomainGetNumaParametersArgs,
) -> Result<remote::DomainGetNumaParametersRet> {
    let model = meant(&call, &args.dom, "virDomainGetNumaParameters", args.flags)?;
    let memory = model.numa_tune.as_ref().and_then(|tune| tune.memory.as_ref());
    let mode = match memory.and_then(|memory| memory.mode).unwrap_or(NumaMode::Strict) {
        NumaMode::Strict => 0,
        NumaMode::Preferred => 1,
        NumaMode::Interleave => 2,
        NumaMode::Restrictive => 3,
    };
    let nodes = memory
        .and_then(|memory| memory.nodeset.as_ref())
        .map(ToString::to_string);
    let all = vec![
        TypedParam::new("numa_mode", mode),
        TypedParam::new("numa_nodeset", nodes.unwrap_or_default()),
    ];
    let (params, nparams) = fitting(all, args.nparams);
    Ok(remote::DomainGetNumaParametersRet { params, nparams })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_room_hears_how_much_it_needs() {
        let all = || vec![TypedParam::new("a", 1), TypedParam::new("b", 2)];
        assert_eq!(fitting(all(), 0), (Vec::new(), 2));
        assert_eq!(fitting(all(), 1).0.len(), 1);
        assert_eq!(fitting(all(), 9).0.len(), 2);
        assert_eq!(fitting(all(), -1).0.len(), 0);
    }

    #[test]
    fn devices_stand_in_one_text() {
        let device = |path: &str, weight| BlkioDevice {
            path: path.to_owned(),
            weight,
            read_iops_sec: None,
            write_iops_sec: None,
            read_bytes_sec: None,
            write_bytes_sec: None,
        };
        let tune = BlkioTune {
            weight: Some(500),
            devices: vec![
                device("/dev/a", Some(100)),
                device("/dev/b", None),
                device("/dev/c", Some(300)),
            ],
        };
        let all = shares(Some(&tune));
        assert_eq!(all[1], TypedParam::new("device_weight", "/dev/a,100,/dev/c,300"));
    }
}
