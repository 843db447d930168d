//! Limits of a guest's disks.

use super::super::Call;
use super::super::reply_room::fitting;
use super::super::typed_params::{Kind, Params};
use super::asked;
use crate::Driver;
use crate::definition::tune::{LIMITS, limit, set_limit};
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use model::domain::devices::disk::IoTune;
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetBlockIoTune, _>(get);
    routes.on::<p::DomainSetBlockIoTune, _>(set);
}

/// The group that shares a disk's limits.
const GROUP: &str = "group_name";

async fn get(call: Call, args: remote::DomainGetBlockIoTuneArgs) -> Result<remote::DomainGetBlockIoTuneRet> {
    let asked = asked(&call, &args.dom, "virDomainGetBlockIoTune", args.flags, None)?;
    let count = i32::try_from(LIMITS.len() + 1).unwrap_or(i32::MAX);
    if args.nparams == 0 {
        return Ok(remote::DomainGetBlockIoTuneRet {
            params: Vec::new(),
            nparams: count,
        });
    }
    let name = args.disk.as_deref().unwrap_or_default();
    let state = call.driver.domains.find(&args.dom)?.state();
    let target = match &asked.live {
        Some(_) => state.disk_target(name),
        None => name,
    };
    let disk = asked.model.devices.disk_by_name(target).ok_or_else(|| {
        let text = format!("disk '{name}' not found in domain");
        Error::new(Code::InvalidArg, Domain::Qemu, text)
    })?;
    let tune = disk.io_tune.clone().unwrap_or_default();
    // A group has a name once it is there: that of its first disk's drive.
    let group = tune.group_name.clone().or_else(|| {
        let limited = asked.live.is_some() && tune != IoTune::default();
        limited.then(|| format!("drive-{}", disk.info.alias_name().unwrap_or_default()))
    });
    let mut all: Vec<TypedParam> = Vec::with_capacity(LIMITS.len() + 1);
    for name in LIMITS {
        if *name == "total_bytes_sec_max_length" {
            all.extend(group.as_deref().map(|group| TypedParam::new(GROUP, group)));
        }
        all.push(TypedParam::new(*name, limit(&tune, name).unwrap_or(0)));
    }
    let (params, nparams) = fitting(all, args.nparams);
    Ok(remote::DomainGetBlockIoTuneRet { params, nparams })
}

async fn set(call: Call, args: remote::DomainSetBlockIoTuneArgs) -> Result<()> {
    flags::check(
        "virDomainSetBlockIoTune",
        args.flags,
        flags::AFFECT | flags::STRING_OKAY,
    )?;
    let domain = call.driver.domains.find(&args.dom)?;
    let known: Vec<(&str, Kind)> = LIMITS
        .iter()
        .map(|name| (*name, Kind::Ullong))
        .chain([(GROUP, Kind::String)])
        .collect();
    let params = Params::of(args.params, &known)?;
    let mut change = IoTune {
        group_name: params.text(GROUP).map(str::to_owned),
        ..IoTune::default()
    };
    for name in LIMITS {
        set_limit(&mut change, name, params.unsigned(name));
    }
    if params.is_empty() {
        return Ok(());
    }
    domain
        .run(&call.driver, "limiting a disk", move |owner| {
            owner.set_disk_limits(args.disk, change, args.flags).boxed()
        })
        .await
}
