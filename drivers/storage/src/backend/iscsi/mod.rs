//! `iscsi`: the LUNs of a target that this machine's initiator logs in to, by iscsiadm.
//!
//! ```text
//!  start ─► interface of the pool's own name ─► node record, with CHAP's password ─► login ─► a session, which is a SCSI host
//!  scan  ─► the session's host looks for LUNs ─► disks in sysfs
//!  stop  ─► logout ─► the record goes
//! ```
//! A session outlives the daemon, and is found again by what sysfs says of it.

mod admin;
mod record;
mod session;

use super::{Backend, Place, Room, Scan, Volumes, lun};
use crate::failure::{argument, invalid, refused};
use crate::sysfs::Sysfs;
use crate::volume::Volume;
use admin::{Node, Portal};
use error::{Code, Result};
use model::storage::{Device, Host, PoolSource, PoolSources};
use session::Session;
use std::fs::File;
use std::path::PathBuf;
use tool::{Cancel, find};

#[derive(Debug)]
pub(super) struct Iscsi;

/// What is said of a target before this machine logs in.
const SETTINGS: &[(&str, &str)] = &[
    // It shall not do so by itself when it starts.
    ("node.startup", "manual"),
    // A try takes 15 s. Left to itself iscsid goes on for longer than a start may take, and comes in when nobody waits.
    ("node.session.initial_login_retry_max", "3"),
    // Seconds in which a target may say goodbye, which is less than a stop may take.
    ("node.conn[0].timeo.logout_timeout", "5"),
];

/// The target of a pool.
#[derive(Debug)]
struct Target<'a> {
    portal: Portal,
    /// The qualified name.
    name: &'a str,
    /// As whom it is used, where that is not as everybody on this machine.
    initiator: Option<&'a str>,
}

/// A name that is a word of its own, and no step of a path: iscsiadm makes folders of it.
fn word<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    let plain = !name.is_empty()
        && !name.starts_with(['-', '.'])
        && !name
            .contains(|letter: char| letter.is_whitespace() || letter.is_control() || "/,".contains(letter));
    if !plain {
        return Err(argument(format!("'{name}' cannot be the name of {what}")));
    }
    Ok(name)
}

fn portal(source: Option<&PoolSource>) -> Result<Portal> {
    match source.map(|source| source.hosts.as_slice()) {
        Some([host]) => Portal::of(word("a host", &host.name)?, host.port),
        Some([_, _, ..]) => Err(argument("iscsi pools have one host")),
        _ => Err(argument("hostname must be specified for iscsi sources")),
    }
}

fn initiator(source: Option<&PoolSource>) -> Result<Option<&str>> {
    let initiator = source.and_then(|source| source.initiator.as_ref());
    initiator
        .map(|initiator| word("an initiator", &initiator.iqn.name))
        .transpose()
}

fn target(place: &Place) -> Result<Target<'_>> {
    let source = place.pool.source();
    let device = source.and_then(|source| source.devices.first());
    let device = device.ok_or_else(|| argument("an iscsi pool needs the name of its target in <device>"))?;
    Ok(Target {
        portal: portal(source)?,
        name: word("a target", &device.path)?,
        initiator: initiator(source)?,
    })
}

fn session(place: &Place) -> Result<Option<Session>> {
    let target = target(place)?;
    Ok(Session::find(
        &place.host.sysfs,
        target.name,
        target.initiator,
        target.portal.host(),
    ))
}

fn log_in(place: &Place, target: &Target<'_>, cancel: &Cancel) -> Result<()> {
    admin::load_initiator(&place.host.sysfs, cancel);
    let interface = match target.initiator {
        Some(initiator) => Some(admin::interface(initiator, cancel)?),
        None => None,
    };
    let node = Node {
        portal: &target.portal,
        target: target.name,
        interface: interface.as_deref(),
    };
    node.add().run(cancel)?;
    let prepared = SETTINGS
        .iter()
        .try_for_each(|(name, value)| node.set(name, value).run(cancel).map(drop));
    let auth = place.pool.source().and_then(|source| source.auth.as_ref());
    let logged_in = match (auth, &place.secret) {
        (Some(auth), Some(secret)) => record::authenticate(&node, &auth.username, secret),
        (Some(_), None) => Err(invalid(format!("pool '{}' has no secret", place.pool.name))),
        (None, _) => Ok(()),
    };
    let logged_in = prepared.and(logged_in).and_then(|()| node.log_in().run(cancel));
    if logged_in.is_err() {
        // A password is kept for nobody, whoever waits.
        let _ = node.remove().run(&Cancel::default());
    }
    logged_in.map(drop)
}

impl Backend for Iscsi {
    fn is_usable(&self) -> bool {
        find("iscsiadm").is_some()
    }

    fn is_active(&self, place: &Place, _cancel: &Cancel) -> Result<bool> {
        session(place).map(|session| session.is_some())
    }

    fn is_lost(&self, place: &Place) -> bool {
        session(place).is_ok_and(|session| session.is_some_and(|session| !session.answers))
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        if session(place)?.is_some() {
            return Ok(());
        }
        log_in(place, &target(place)?, cancel)
    }

    fn stop(&self, place: &Place, _hangs: bool, cancel: &Cancel) -> Result<()> {
        let target = target(place)?;
        let Some(session) = session(place)? else {
            return Ok(());
        };
        let node = Node {
            portal: &target.portal,
            target: target.name,
            interface: session.interface.as_deref(),
        };
        if let Err(err) = node.log_out().run(cancel) {
            cancel.check()?;
            // One whose target does not answer may have ended meanwhile.
            if self::session(place)?.is_some() {
                return Err(err);
            }
        }
        // It may be another's, who has removed it already.
        if let Err(err) = node.remove().run(cancel) {
            cancel.check()?;
            tracing::debug!(%err, "a record of a target stays");
        }
        Ok(())
    }

    fn sources(&self, given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        let portal = portal(given)?;
        admin::load_initiator(&Sysfs::default(), cancel);
        let interface = match initiator(given)? {
            Some(initiator) => Some(admin::interface(initiator, cancel)?),
            None => None,
        };
        let told = admin::discover(&portal, interface.as_deref()).run(cancel)?;
        let sources = admin::targets(&told).into_iter().map(|name| PoolSource {
            hosts: vec![Host {
                name: portal.host().to_owned(),
                port: Some(portal.port()),
            }],
            devices: vec![Device {
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

    fn volumes(&self) -> &'static dyn Volumes {
        &Iscsi
    }
}

/// The session of a pool that is active.
///
/// # Errors
/// [`Code::OperationInvalid`] where there is none, [`Code::OperationTimeout`] where its target does not answer.
fn usable_session(place: &Place) -> Result<Session> {
    let name = &place.pool.name;
    match session(place)? {
        Some(session) if session.answers => Ok(session),
        Some(_) => Err(refused(
            Code::OperationTimeout,
            format!("the target of pool '{name}' does not answer; the pool can be stopped"),
        )),
        None => Err(invalid(format!(
            "there is no session with the target of pool '{name}'"
        ))),
    }
}

impl Volumes for Iscsi {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let session = usable_session(place)?;
        admin::rescan(session.number).run(cancel)?;
        lun::settle(&place.host.sysfs, session.host, cancel)?;
        lun::scan(place, session.host, cancel)
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        self.scan(place, cancel).map(|scan| scan.room)
    }

    fn content(&self, place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        usable_session(place)?;
        lun::content(volume, write)
    }
}
