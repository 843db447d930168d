//! `iscsi-direct`: the LUNs of a target that nobody on this machine logs in to but QEMU, in guests, and libiscsi's programs, which look
//! for them here.

use super::{Backend, Needed, Place, Room, Scan, Volumes, lun};
use crate::failure::argument;
use crate::volume::{Device, Volume};
use error::Result;
use model::storage::{Device as SourceDevice, Host, PoolSource, PoolSources, VolumeKind};
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct IscsiDirect;

/// What a portal listens on where nobody says otherwise.
const PORT: u16 = 3260;

/// Where a target is, and who asks.
#[derive(Debug)]
struct Portal<'a> {
    host: &'a str,
    port: u16,
    initiator: &'a str,
}

/// A name without what means something in an address.
fn plain<'a>(what: &str, name: Option<&'a str>) -> Result<&'a str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".:-_".contains(letter);
    name.filter(|name| !name.is_empty() && !name.starts_with('-') && name.chars().all(is_plain))
        .ok_or_else(|| argument(format!("iscsi-direct pools need the plain name of {what}")))
}

fn portal(source: Option<&PoolSource>) -> Result<Portal<'_>> {
    let host = source.and_then(|source| source.hosts.first());
    let initiator = source.and_then(|source| source.initiator.as_ref());
    Ok(Portal {
        host: plain("a host", host.map(|host| host.name.as_str()))?,
        port: host.and_then(|host| host.port).unwrap_or(PORT),
        initiator: plain(
            "an initiator",
            initiator.map(|initiator| initiator.iqn.name.as_str()),
        )?,
    })
}

fn target(source: Option<&PoolSource>) -> Result<&str> {
    let device = source.and_then(|source| source.devices.first());
    plain("a target", device.map(|device| device.path.as_str()))
}

impl Portal<'_> {
    fn word(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn tool(&self, program: &'static str) -> Tool {
        Tool::new(program).with(["--initiator-name", self.initiator])
    }

    /// Lists targets, and the LUNs of all that let this initiator in.
    fn list(&self, luns: bool) -> Tool {
        self.tool("iscsi-ls")
            .with(luns.then_some("--show-luns"))
            .with([format!("iscsi://{}", self.word())])
    }

    /// Tells how many bytes a LUN has.
    fn size(&self, target: &str, lun: u64) -> Tool {
        self.tool("iscsi-readcapacity16").with([
            "--size".to_owned(),
            format!("iscsi://{}/{target}/{lun}", self.word()),
        ])
    }
}

/// The targets in the words of `iscsi-ls`, and which of each one's LUNs are disks.
fn targets(told: &str) -> Vec<(String, Vec<u64>)> {
    let mut targets: Vec<(String, Vec<u64>)> = Vec::new();
    for line in told.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(name) = first.strip_prefix("Target:") {
            targets.push((name.to_owned(), Vec::new()));
        } else if let Some(lun) = first.strip_prefix("Lun:")
            && words.next() == Some("Type:DIRECT_ACCESS")
            && let (Ok(lun), Some((_, luns))) = (lun.parse(), targets.last_mut())
        {
            luns.push(lun);
        }
    }
    targets
}

fn volume(portal: &Portal<'_>, target: &str, lun: u64, size: u64) -> Volume {
    let path = format!("ip-{}-iscsi-{target}-lun-{lun}", portal.word());
    Volume {
        capacity: size,
        allocation: size,
        device: Some(Box::new(Device {
            key: path.clone(),
            path,
            lasting: None,
            parts: Vec::new(),
        })),
        ..Volume::named(&format!("unit:0:0:{lun}"), VolumeKind::Network)
    }
}

/// The same for somebody who has to prove who it is.
fn with_auth(place: &Place, tool: Tool) -> Tool {
    let auth = place.pool.source().and_then(|source| source.auth.as_ref());
    match (auth, &place.secret) {
        (Some(auth), Some(secret)) => tool
            .with_variable("LIBISCSI_CHAP_USERNAME", auth.username.as_bytes())
            .with_variable("LIBISCSI_CHAP_PASSWORD", secret.expose()),
        _ => tool,
    }
}

impl Backend for IscsiDirect {
    fn is_usable(&self) -> bool {
        find("iscsi-ls").is_some()
    }

    fn is_active(&self, _place: &Place, _cancel: &Cancel) -> Result<bool> {
        // There is nothing here that could be gone.
        Ok(true)
    }

    fn sources(&self, given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        let portal = portal(given)?;
        let told = portal.list(false).run(cancel)?;
        let sources = targets(&told).into_iter().map(|(name, _)| PoolSource {
            hosts: vec![Host {
                name: portal.host.to_owned(),
                port: Some(portal.port),
            }],
            devices: vec![SourceDevice {
                path: name,
                part_separator: None,
                free: Vec::new(),
            }],
            initiator: given.and_then(|given| given.initiator.clone()),
            ..PoolSource::default()
        });
        Ok(PoolSources {
            sources: sources.collect(),
        })
    }

    fn secret(&self) -> Needed {
        Needed::Always
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &IscsiDirect
    }
}

impl Volumes for IscsiDirect {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let source = place.pool.source();
        let (portal, target) = (portal(source)?, target(source)?);
        let told = with_auth(place, portal.list(true)).run(cancel)?;
        let own = targets(&told).into_iter().find(|(name, _)| name == target);
        let Some((_, luns)) = own else {
            let text = format!("pool '{}': its server has no target '{target}'", place.pool.name);
            return Err(crate::failure::invalid(text));
        };
        let mut volumes = Vec::new();
        for lun in luns {
            let told = with_auth(place, portal.size(target, lun)).run(cancel)?;
            // One that cannot tell its size has no medium.
            if let Ok(size) = told.trim().parse() {
                volumes.push(volume(&portal, target, lun, size));
            }
        }
        Ok(lun::all(volumes))
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        self.scan(place, cancel).map(|scan| scan.room)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::place;
    use super::*;

    #[test]
    fn targets_and_disks_of_a_real_portal_are_told() {
        let told = "Target:iqn.2013-06.com.example:pool Portal:127.0.0.1:3260,1\n\
                    Lun:0    Type:STORAGE_ARRAY_CONTROLLER\nLun:1    Type:DIRECT_ACCESS (Size:15M)\n\
                    Target:iqn.b Portal:127.0.0.1:3260,1\nLun:12   Type:DIRECT_ACCESS (Size:19M)\n";
        assert_eq!(
            targets(told),
            [
                ("iqn.2013-06.com.example:pool".to_owned(), vec![1]),
                ("iqn.b".to_owned(), vec![12])
            ]
        );
    }

    #[test]
    fn words_are_in_their_order() {
        let document = |host: &str| {
            format!(
                "<pool type='iscsi-direct'><name>p</name><source><host name='{host}'/><device path='iqn.t'/>\
                 <initiator><iqn name='iqn.own'/></initiator></source></pool>"
            )
        };
        let pool = place(&document("::1"));
        let portal = portal(pool.pool.source()).unwrap();
        assert_eq!(
            portal.list(true).words().join(" "),
            "iscsi-ls --initiator-name iqn.own --show-luns iscsi://[::1]:3260"
        );
        assert_eq!(
            portal.size("iqn.t", 3).words().join(" "),
            "iscsi-readcapacity16 --initiator-name iqn.own --size iscsi://[::1]:3260/iqn.t/3"
        );
        for host in ["a/b", "u%p@h", "-s"] {
            assert!(
                super::portal(place(&document(host)).pool.source()).is_err(),
                "{host}"
            );
        }
    }
}
