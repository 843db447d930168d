//! Weight and limits at the host's block devices.

use super::super::Call;
use super::super::reply_room::fitting;
use super::super::typed_params::{Kind, Params};
use super::asked;
use crate::Driver;
use crate::definition::tune::groups_with;
use crate::domain::Live;
use crate::flags;
use crate::groups::{block_device, told};
use cgroup::{BlockLimit, Controller};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use model::domain::tune::{BlkioDevice, BlkioTune};
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetBlkioParameters, _>(get);
    routes.on::<p::DomainSetBlkioParameters, _>(set);
}

const PARAMETERS: &[(&str, Kind)] = &[
    ("weight", Kind::Uint),
    ("device_weight", Kind::String),
    ("device_read_iops_sec", Kind::String),
    ("device_write_iops_sec", Kind::String),
    ("device_read_bytes_sec", Kind::String),
    ("device_write_bytes_sec", Kind::String),
];

async fn get(
    call: Call,
    args: remote::DomainGetBlkioParametersArgs,
) -> Result<remote::DomainGetBlkioParametersRet> {
    let name = "virDomainGetBlkioParameters";
    let asked = asked(&call, &args.dom, name, args.flags, Some("Block I/O tuning"))?;
    let mut tune = asked.model.blkio_tune.as_deref().cloned().unwrap_or_default();
    if let Some(live) = &asked.live {
        in_force(live, &mut tune)?;
    }
    let (params, nparams) = fitting(shares(&tune), args.nparams);
    Ok(remote::DomainGetBlkioParametersRet { params, nparams })
}

/// What the guest's groups have of the devices that its document names.
fn in_force(live: &Live, tune: &mut BlkioTune) -> Result<()> {
    let groups = groups_with(live, Controller::Block)?;
    tune.weight = match groups.block_weight() {
        // No device here has a scheduler that weighs.
        Err(err) if err.code() == Code::OperationUnsupported => None,
        weight => u32::try_from(weight?).ok(),
    };
    for device in &mut tune.devices {
        let number = block_device(&device.path)?;
        let limit = |limit| groups.whole().device_limit(number, limit).map_err(told);
        let operations = |which| limit(which).map(|value| u32::try_from(value).ok());
        device.read_iops_sec = operations(BlockLimit::ReadOperations)?;
        device.write_iops_sec = operations(BlockLimit::WriteOperations)?;
        device.read_bytes_sec = Some(limit(BlockLimit::ReadBytes)?);
        device.write_bytes_sec = Some(limit(BlockLimit::WriteBytes)?);
        if device.weight.is_some() {
            let weight = groups.whole().device_weight(number).map_err(told)?;
            device.weight = u32::try_from(weight).ok();
        }
    }
    Ok(())
}

fn shares(tune: &BlkioTune) -> Vec<TypedParam> {
    // One text for all devices: path and value by turns.
    let listed = |value: &dyn Fn(&BlkioDevice) -> Option<u64>| {
        let known = tune
            .devices
            .iter()
            .filter_map(|device| Some((device, value(device).filter(|value| *value > 0)?)));
        let parts: Vec<String> = known
            .map(|(device, value)| format!("{},{value}", device.path))
            .collect();
        parts.join(",")
    };
    vec![
        TypedParam::new("weight", tune.weight.unwrap_or(0)),
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

async fn set(call: Call, args: remote::DomainSetBlkioParametersArgs) -> Result<()> {
    flags::check(
        "virDomainSetBlkioParameters",
        args.flags,
        flags::AFFECT | flags::STRING_OKAY,
    )?;
    let domain = call.driver.domains.find(&args.dom)?;
    let params = Params::of(args.params, PARAMETERS)?;
    let change = change(&params)?;
    domain
        .run(&call.driver, "limiting block devices", move |owner| {
            owner.set_block_shares(change, args.flags).boxed()
        })
        .await
}

fn change(params: &Params) -> Result<BlkioTune> {
    let mut tune = BlkioTune {
        weight: params
            .unsigned("weight")
            .and_then(|weight| u32::try_from(weight).ok()),
        devices: Vec::new(),
    };
    for (name, _) in PARAMETERS.iter().filter(|(_, kind)| *kind == Kind::String) {
        let Some(text) = params.text(name) else { continue };
        for (path, value) in pairs(name, text)? {
            let known = tune.devices.iter().position(|device| device.path == path);
            let at = known.unwrap_or_else(|| {
                tune.devices.push(BlkioDevice {
                    path: path.to_owned(),
                    ..BlkioDevice::default()
                });
                tune.devices.len() - 1
            });
            let Some(device) = tune.devices.get_mut(at) else {
                continue;
            };
            let small = || u32::try_from(value).map_err(|_| unreadable(name, text));
            match *name {
                "device_weight" => device.weight = Some(small()?),
                "device_read_iops_sec" => device.read_iops_sec = Some(small()?),
                "device_write_iops_sec" => device.write_iops_sec = Some(small()?),
                "device_read_bytes_sec" => device.read_bytes_sec = Some(value),
                _ => device.write_bytes_sec = Some(value),
            }
        }
    }
    Ok(tune)
}

fn unreadable(name: &str, text: &str) -> Error {
    let text = format!("unable to parse blkio device '{name}' '{text}'");
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

/// Paths and values, by turns.
fn pairs<'a>(name: &str, text: &'a str) -> Result<Vec<(&'a str, u64)>> {
    let words: Vec<&str> = text.split(',').collect();
    words
        .chunks(2)
        .map(|pair| match pair {
            [path, value] if !path.is_empty() => {
                let value = value.parse().map_err(|_| unreadable(name, text))?;
                Ok((*path, value))
            }
            _ => Err(unreadable(name, text)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_stand_in_one_text() {
        let device = |path: &str, weight| BlkioDevice {
            path: path.to_owned(),
            weight,
            ..BlkioDevice::default()
        };
        let tune = BlkioTune {
            weight: Some(500),
            devices: vec![
                device("/dev/a", Some(100)),
                device("/dev/b", None),
                device("/dev/c", Some(300)),
            ],
        };
        let all = shares(&tune);
        assert_eq!(all[1], TypedParam::new("device_weight", "/dev/a,100,/dev/c,300"));
    }

    #[test]
    fn one_text_is_many_devices() {
        let params =
            |name: &str, text: &str| Params::of(vec![TypedParam::new(name, text)], PARAMETERS).unwrap();
        let read = change(&params("device_read_bytes_sec", "/dev/a,7,/dev/b,0")).unwrap();
        assert_eq!(read.devices.len(), 2);
        assert_eq!(read.devices[1].read_bytes_sec, Some(0));
        for odd in ["", "/dev/a", "/dev/a,", "/dev/a,x", ",7", "/dev/a,7,"] {
            assert!(change(&params("device_weight", odd)).is_err(), "{odd}");
        }
        assert!(change(&params("device_weight", "/dev/a,4294967296")).is_err());
    }
}
