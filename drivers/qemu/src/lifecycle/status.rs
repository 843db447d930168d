//! The status document of a running guest: what the next daemon needs to adopt it.
//!
//! ```xml
//! <domstatus state='running' reason='booted' pid='4711'>
//!   <monitor path='…/domain-3-web/monitor.sock' type='unix'/>
//!   <volume target='vda' path='/…/disk'/>
//!   <helper pid='4712' name='swtpm'/>
//!   <owned path='/…/disk' returns='yes'/>
//!   <assigned driver='vfio-pci' bound='yes' former='igbvf'>…</assigned>
//!   <lock manager='lockd' held='yes'><lease name='/…/disk'/></lock>
//!   <origin>…the definition it was started from…</origin>
//!   <domain type='qemu' id='3'>…</domain>
//! </domstatus>
//! ```
//! It is written before QEMU is started, without a pid: whoever finds it so knows that a start was not finished. It lies
//! where a boot wipes it, so it is replaced whole but not forced to the disk.

use super::Resources;
use super::volumes::VolumePath;
use crate::domain::{Guest, Live, RunState};
use crate::host_devices::Assigned;
use crate::leases::{Lease, Leases};
use crate::ownership::Owned;
use error::{Code, Domain as ErrorDomain, Error, Result};
use std::io::Write;
use std::path::Path;
use xml::{Element, YesNo};

/// What is read back.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "domstatus")]
pub(crate) struct Status {
    /// The state's word.
    #[xml(attr)]
    pub state: String,
    /// The reason's word.
    #[xml(attr)]
    pub reason: String,
    /// QEMU's process; missing while it is being started.
    #[xml(attr)]
    pub pid: Option<u32>,
    /// Whether it is to go with the client that started it.
    #[xml(attr)]
    pub bound: Option<YesNo>,
    /// The way to its monitor.
    #[xml(child)]
    pub monitor: MonitorPath,
    /// Processes beside QEMU.
    #[xml(children = "helper")]
    pub helpers: Vec<Helper>,
    /// Where disks lie that are volumes of pools.
    #[xml(children = "volume")]
    pub volumes: Vec<VolumePath>,
    /// Files that are its user's as long as it runs.
    #[xml(children = "owned")]
    pub owned: Vec<OwnedFile>,
    /// What it has of the host's PCI devices.
    #[xml(children = "assigned")]
    pub assigned: Vec<Assigned>,
    /// What it leases.
    #[xml(child)]
    pub lock: Option<Lock>,
    /// What it was started from, without what was chosen at start.
    #[xml(child)]
    pub origin: Origin,
    /// The live document.
    #[xml(child)]
    pub domain: model::domain::Domain,
}

/// A monitor's socket.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "monitor")]
pub(crate) struct MonitorPath {
    /// Where it listens.
    #[xml(attr)]
    pub path: String,
    /// The kind of socket: `unix`.
    #[xml(attr = "type")]
    pub kind: String,
}

/// A process beside QEMU.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "helper")]
pub(crate) struct Helper {
    /// Its number.
    #[xml(attr)]
    pub pid: u32,
}

/// A file that has changed hands.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "owned")]
pub(crate) struct OwnedFile {
    /// Where it is.
    #[xml(attr)]
    pub path: String,
    /// Whether it goes back.
    #[xml(attr)]
    pub returns: YesNo,
}

impl OwnedFile {
    fn of(owned: &Owned) -> Self {
        Self {
            path: owned.path.display().to_string(),
            returns: owned.returns.into(),
        }
    }

    /// The file.
    pub(crate) fn owned(&self) -> Owned {
        Owned {
            path: self.path.as_str().into(),
            returns: self.returns.is_yes(),
            label: None,
        }
    }
}

/// What a guest leases.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "lock")]
pub(crate) struct Lock {
    /// The lock manager: `lockd`.
    #[xml(attr)]
    pub manager: String,
    /// Whether it has its leases now.
    #[xml(attr)]
    pub held: YesNo,
    /// The leases.
    #[xml(children = "lease")]
    pub leases: Vec<Lease>,
}

impl Lock {
    fn of(leases: &Leases) -> Self {
        Self {
            manager: "lockd".to_owned(),
            held: if leases.held() { YesNo::Yes } else { YesNo::No },
            leases: leases.list.clone(),
        }
    }
}

/// The document a guest was started from.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "origin")]
pub(crate) struct Origin {
    /// The document.
    #[xml(child)]
    pub domain: model::domain::Domain,
}

/// What is written, borrowed from where it is.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    /// What the guest does.
    pub run: RunState,
    /// QEMU's process, once there is one.
    pub pid: Option<i32>,
    /// Whether it is to go with the client that started it.
    pub bound: bool,
    /// Where its monitor listens.
    pub monitor: &'a Path,
    /// Processes beside QEMU.
    pub helpers: &'a [i32],
    /// Where disks lie that are volumes of pools.
    pub volumes: &'a [VolumePath],
    /// Files that are its user's as long as it runs.
    pub owned: &'a [Owned],
    /// What it has of the host's PCI devices.
    pub assigned: &'a [Assigned],
    /// What it leases.
    pub leases: Option<&'a Leases>,
    /// The document it was started from.
    pub origin: &'a str,
    /// The live document.
    pub document: &'a str,
}

impl Snapshot<'_> {
    /// The whole document.
    pub(crate) fn to_text(&self) -> String {
        let (state, reason) = self.run.words();
        let mut text = format!("<domstatus state='{state}' reason='{reason}'");
        if let Some(pid) = self.pid {
            text.push_str(&format!(" pid='{pid}'"));
        }
        if self.bound {
            text.push_str(" bound='yes'");
        }
        text.push_str(">\n");
        let path = self.monitor.display().to_string();
        text.push_str(&xml::to_string(&MonitorPath {
            path,
            kind: "unix".to_owned(),
        }));
        for volume in self.volumes {
            text.push_str(&xml::to_string(volume));
        }
        for pid in self.helpers {
            text.push_str(&format!("<helper pid='{pid}'/>\n"));
        }
        for owned in self.owned {
            text.push_str(&xml::to_string(&OwnedFile::of(owned)));
        }
        for assigned in self.assigned {
            text.push_str(&xml::to_string(assigned));
        }
        if let Some(leases) = self.leases {
            text.push_str(&xml::to_string(&Lock::of(leases)));
        }
        text.push_str("<origin>\n");
        text.push_str(self.origin);
        text.push_str("</origin>\n");
        text.push_str(self.document);
        text.push_str("</domstatus>\n");
        text
    }
}

/// Puts the document in place of the former one.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let replace = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|refused| refused.error)?;
        Ok(())
    };
    replace().map_err(|err| {
        let text = format!("cannot write the status '{}': {err}", path.display());
        Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
    })
}

impl Status {
    /// What the guest did when the document was written.
    pub(crate) fn run(&self) -> RunState {
        RunState::from_words(&self.state, &self.reason)
            .unwrap_or(RunState::Running(crate::domain::Running::Unknown))
    }
}

/// The document of a running guest as it is now.
pub(crate) fn of(live: &Live, run: RunState, guest: Option<&Guest>) -> String {
    let resources = guest.map(|guest| &guest.resources);
    let helpers = resources.map(Resources::helper_pids).unwrap_or_default();
    Snapshot {
        run,
        pid: Some(live.process.pid()),
        bound: live.bound_to.is_some(),
        monitor: &live.monitor_path,
        helpers: &helpers,
        volumes: &live.volumes,
        owned: resources.map_or(&[][..], |resources| &resources.owned),
        assigned: resources.map_or(&[][..], |resources| resources.host_devices.assigned()),
        leases: guest.and_then(|guest| guest.leases.as_ref()),
        origin: &live.origin.text,
        document: &live.document.text,
    }
    .to_text()
}
