//! The guest's file systems, as its agent sees them: which there are, held still for a snapshot, trimmed.

use super::Call;
use super::guest_agent::{connection, count};
use crate::Driver;
use crate::agent::Connection;
use crate::flags;
use daemon::Routes;
use error::Result;
use model::domain::devices::{Address, Disk};
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainFsfreeze, _>(freeze);
    routes.on::<p::DomainFsthaw, _>(thaw);
    routes.on::<p::DomainFstrim, _>(trim);
    routes.on::<p::DomainGetFsinfo, _>(info);
}

async fn freeze(call: Call, args: remote::DomainFsfreezeArgs) -> Result<remote::DomainFsfreezeRet> {
    flags::check("virDomainFSFreeze", args.flags, 0)?;
    let mut agent = connection(&call, &args.dom).await?;
    let frozen = if args.mountpoints.is_empty() {
        agent.execute("guest-fsfreeze-freeze", ()).await
    } else {
        let arguments = json!({ "mountpoints": args.mountpoints });
        agent.execute("guest-fsfreeze-freeze-list", arguments).await
    };
    Ok(remote::DomainFsfreezeRet { filesystems: frozen? })
}

async fn thaw(call: Call, args: remote::DomainFsthawArgs) -> Result<remote::DomainFsthawRet> {
    flags::check("virDomainFSThaw", args.flags, 0)?;
    if !args.mountpoints.is_empty() {
        let text = "specifying mountpoints is not supported";
        return Err(error::Error::new(
            error::Code::ArgumentUnsupported,
            error::Domain::Qemu,
            text,
        ));
    }
    let mut agent = connection(&call, &args.dom).await?;
    Ok(remote::DomainFsthawRet {
        filesystems: agent.execute("guest-fsfreeze-thaw", ()).await?,
    })
}

async fn trim(call: Call, args: remote::DomainFstrimArgs) -> Result<()> {
    flags::check("virDomainFSTrim", args.flags, 0)?;
    if args.mount_point.is_some() {
        let text = "Specifying mount point is not supported for now";
        return Err(error::Error::new(
            error::Code::ArgumentUnsupported,
            error::Domain::Qemu,
            text,
        ));
    }
    let arguments = json!({ "minimum": args.minimum });
    let _: IgnoredAny = connection(&call, &args.dom)
        .await?
        .execute("guest-fstrim", arguments)
        .await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FileSystem {
    name: String,
    mountpoint: String,
    r#type: String,
    #[serde(default)]
    disk: Vec<DiskPlace>,
    total_bytes: Option<u64>,
    used_bytes: Option<u64>,
}

/// Where a disk sits, as the guest sees it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct DiskPlace {
    serial: Option<String>,
    dev: Option<String>,
    bus: i64,
    target: i64,
    unit: i64,
    pci_controller: PciPlace,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PciPlace {
    domain: i64,
    bus: i64,
    slot: i64,
    function: i64,
}

/// The most that is taken of what the agent lists.
const MOST: usize = remote::limits::DOMAIN_FSINFO_MAX;

async fn info(call: Call, args: remote::DomainGetFsinfoArgs) -> Result<remote::DomainGetFsinfoRet> {
    flags::check("virDomainGetFSInfo", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let mut agent = connection(&call, &args.dom).await?;
    let systems: Vec<FileSystem> = agent.execute("guest-get-fsinfo", ()).await?;
    let disks = state.running()?.document.parse()?.devices.disks;
    let info: Vec<remote::DomainFsinfo> = systems
        .into_iter()
        .take(MOST)
        .map(|system| {
            let targets = system.disk.iter().filter_map(|place| place.target_of(&disks));
            remote::DomainFsinfo {
                dev_aliases: targets.take(remote::limits::DOMAIN_FSINFO_DISKS_MAX).collect(),
                mountpoint: system.mountpoint,
                name: system.name,
                fstype: system.r#type,
            }
        })
        .collect();
    let ret = u32::try_from(info.len()).unwrap_or(u32::MAX);
    Ok(remote::DomainGetFsinfoRet { info, ret })
}

impl DiskPlace {
    /// The domain's disk that sits there, by its target's name.
    fn target_of(&self, disks: &[Disk]) -> Option<String> {
        let sits_here = |disk: &&Disk| match disk.info.address.as_ref() {
            Some(Address::Pci(pci)) => {
                let place = &self.pci_controller;
                i64::from(pci.domain) == place.domain
                    && i64::from(pci.bus) == place.bus
                    && i64::from(pci.slot) == place.slot
                    && i64::from(pci.function) == place.function
            }
            Some(Address::Drive(drive)) => {
                (
                    i64::from(drive.bus),
                    i64::from(drive.target),
                    i64::from(drive.unit),
                ) == (self.bus, self.target, self.unit)
            }
            _ => false,
        };
        disks.iter().find(sits_here).map(|disk| disk.target.dev.clone())
    }
}

/// The same as typed parameters.
pub(super) async fn parameters(agent: &mut Connection) -> Result<Vec<TypedParam>> {
    let systems: Vec<FileSystem> = agent.execute("guest-get-fsinfo", ()).await?;
    if systems.is_empty() {
        return Ok(Vec::new());
    }
    let mut params = vec![count("fs.count", systems.len().min(MOST))];
    for (at, system) in systems.into_iter().take(MOST).enumerate() {
        params.push(TypedParam::new(format!("fs.{at}.name"), system.name));
        params.push(TypedParam::new(format!("fs.{at}.mountpoint"), system.mountpoint));
        params.push(TypedParam::new(format!("fs.{at}.fstype"), system.r#type));
        params.extend(
            system
                .total_bytes
                .map(|size| TypedParam::new(format!("fs.{at}.total-bytes"), size)),
        );
        params.extend(
            system
                .used_bytes
                .map(|size| TypedParam::new(format!("fs.{at}.used-bytes"), size)),
        );
        params.push(count(&format!("fs.{at}.disk.count"), system.disk.len().min(MOST)));
        for (number, disk) in system.disk.into_iter().take(MOST).enumerate() {
            let named = [("serial", disk.serial), ("device", disk.dev)];
            params.extend(named.into_iter().filter_map(|(what, value)| {
                Some(TypedParam::new(format!("fs.{at}.disk.{number}.{what}"), value?))
            }));
        }
    }
    Ok(params)
}
