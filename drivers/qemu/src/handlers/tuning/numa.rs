//! Where memory comes from.

use super::super::Call;
use super::super::reply_room::fitting;
use super::super::typed_params::{Kind, Params};
use super::asked;
use crate::Driver;
use crate::flags;
use crate::groups::Threads;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use model::CpuSet;
use model::domain::tune::NumaMode;
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetNumaParameters, _>(get);
    routes.on::<p::DomainSetNumaParameters, _>(set);
}

const PARAMETERS: &[(&str, Kind)] = &[("numa_mode", Kind::Int), ("numa_nodeset", Kind::String)];

/// The modes in the order of `virDomainNumatuneMemMode`.
const MODES: [NumaMode; 4] = [
    NumaMode::Strict,
    NumaMode::Preferred,
    NumaMode::Interleave,
    NumaMode::Restrictive,
];

async fn get(
    call: Call,
    args: remote::DomainGetNumaParametersArgs,
) -> Result<remote::DomainGetNumaParametersRet> {
    let asked = asked(&call, &args.dom, "virDomainGetNumaParameters", args.flags, None)?;
    let memory = asked
        .model
        .numa_tune
        .as_ref()
        .and_then(|tune| tune.memory.as_ref());
    let mode = memory.and_then(|memory| memory.mode).unwrap_or(NumaMode::Strict);
    let number = MODES.iter().position(|one| *one == mode).unwrap_or(0);
    let nodes = memory
        .and_then(|memory| memory.nodeset.as_ref())
        .map(ToString::to_string);
    let held = asked.live.as_ref().and_then(|live| {
        let groups = live.groups.as_ref()?;
        groups.threads(Threads::Emulator).memory_nodes().ok()
    });
    let nodes = nodes.or(held.filter(|held| !held.is_empty()));
    let all = vec![
        TypedParam::new("numa_mode", i32::try_from(number).unwrap_or(0)),
        TypedParam::new("numa_nodeset", nodes.unwrap_or_default()),
    ];
    let (params, nparams) = fitting(all, args.nparams);
    Ok(remote::DomainGetNumaParametersRet { params, nparams })
}

async fn set(call: Call, args: remote::DomainSetNumaParametersArgs) -> Result<()> {
    flags::check(
        "virDomainSetNumaParameters",
        args.flags,
        flags::AFFECT | flags::STRING_OKAY,
    )?;
    let refused = |text: String| Error::new(Code::InvalidArg, Domain::Qemu, text);
    let domain = call.driver.domains.find(&args.dom)?;
    let params = Params::of(args.params, PARAMETERS)?;
    let mode = params.signed("numa_mode").map(|number| {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let mode = MODES.get(at).copied();
        mode.ok_or_else(|| refused(format!("unsupported numatune mode: '{number}'")))
    });
    let nodes = params.text("numa_nodeset").map(|text| {
        let nodes = text.parse::<CpuSet>().ok().filter(|nodes| !nodes.is_empty());
        nodes.ok_or_else(|| refused(format!("Invalid nodeset of 'numatune': {text}")))
    });
    let (mode, nodes) = (mode.transpose()?, nodes.transpose()?);
    domain
        .run(&call.driver, "choosing nodes of memory", move |owner| {
            owner.set_memory_nodes(mode, nodes, args.flags).boxed()
        })
        .await
}
