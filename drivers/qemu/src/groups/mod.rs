//! The control groups of guests: what each may use of the host.
//!
//! ```text
//!  systemd   machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/{emulator,vcpu0,iothread1}
//!  else      machine/qemu-1-web.libvirt-qemu/{emulator,vcpu0,iothread1}
//! ```
//! These are libvirt's places (`cgroups.html`). A private instance has a partition of its own in `machine`, since its guests'
//! numbers begin anew. A user's daemon has none, and neither has one on a host whose groups cannot be written to: guests run all
//! the same, and those whose documents ask for limits are refused.

mod apply;
mod guest;
pub(crate) mod nodes;
mod schedule;
mod wanted;

pub(crate) use apply::{block_device, processors, schedule_emulator, settle_thread};
pub(crate) use guest::{GuestGroups, Threads};
use schedule::Schedulers;
pub(crate) use wanted::{available, check, check_nodes, memory_policy};

use crate::config::QemuConfig;
use cgroup::{Controller, Hierarchy};
use daemon::Layout;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use std::path::{Path, PathBuf};

/// The partition of guests whose documents name none.
const PARTITION: &str = "/machine";

/// What this daemon may use of the host's control groups.
#[derive(Debug)]
pub(crate) struct Groups {
    hierarchy: Hierarchy,
    /// The partition of a private instance.
    private: Option<String>,
    /// Whether systemd makes the groups.
    systemd: bool,
    /// Whether the daemon is one of a user.
    session: bool,
}

impl Groups {
    /// Looks what there is; that there is nothing is told in the log, once.
    pub(crate) fn find(layout: &Layout, config: &QemuConfig, systemd: bool) -> Self {
        let hierarchy = if layout.privileged() {
            Hierarchy::find(&config.cgroup_controllers.0)
        } else {
            Hierarchy::default()
        };
        let mut groups = Self {
            hierarchy,
            private: layout.private_root().map(private_partition),
            systemd,
            session: !layout.privileged(),
        };
        if layout.privileged() && !config.cgroup_controllers.0.is_empty() {
            let usable = match groups.hierarchy.is_empty() {
                true => Err("no controller is mounted".to_owned()),
                // systemd makes them where it is.
                false if systemd => Ok(()),
                false => groups.try_out().map_err(|err| err.to_string()),
            };
            if let Err(why) = usable {
                tracing::warn!(
                    why,
                    "guests cannot be limited: there are no control groups to put them into"
                );
                groups.hierarchy = Hierarchy::default();
            }
        }
        groups
    }

    /// What a host without control groups has.
    pub(crate) fn none() -> Self {
        Self {
            hierarchy: Hierarchy::default(),
            private: None,
            systemd: false,
            session: false,
        }
    }

    fn try_out(&self) -> cgroup::Result<()> {
        let partition = self.hierarchy.group(&self.folder(PARTITION));
        partition.create()?;
        partition.remove_if_empty();
        Ok(())
    }

    /// Whether there is such a controller.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        self.hierarchy.has(controller)
    }

    /// The partition that a guest belongs to, as its document names it.
    pub(crate) fn partition<'a>(&self, model: &'a Model) -> Option<&'a str> {
        if self.hierarchy.is_empty() {
            return None;
        }
        let named = model
            .resource
            .as_ref()
            .and_then(|resource| resource.partition.as_deref());
        Some(named.unwrap_or(PARTITION))
    }

    /// Where a partition is, without systemd.
    fn folder(&self, partition: &str) -> PathBuf {
        let mut parts = partition.split('/').filter(|part| !part.is_empty());
        let mut folder = PathBuf::from(parts.next().unwrap_or_default());
        let own = self.private.as_deref().into_iter();
        for part in own.chain(parts) {
            folder.push(format!("{part}.partition"));
        }
        folder
    }

    /// The groups of a guest where systemd does not make them.
    fn own_group(&self, model: &Model, id: i32, name: &str) -> Option<GuestGroups> {
        let partition = self.partition(model)?;
        let machine = crate::lifecycle::scope::machine_name(name, id);
        let path = self.folder(partition).join(format!("{machine}.libvirt-qemu"));
        Some(GuestGroups::without_systemd(self.hierarchy.group(&path)))
    }

    /// The groups of a guest that was found running, or, without a process, those that it may have left.
    pub(crate) fn of_adopted(
        &self,
        model: &Model,
        id: i32,
        name: &str,
        pid: Option<u32>,
    ) -> Option<GuestGroups> {
        if !self.systemd {
            return self.own_group(model, id, name);
        }
        GuestGroups::of_scope(self.hierarchy.group_of(pid?)?)
    }

    /// Makes the groups of a starting guest and puts its process, which waits, into them. With systemd the process is in its
    /// scope already.
    ///
    /// # Errors
    /// The kernel refuses, or the partition does not exist.
    pub(crate) fn make(&self, model: &Model, id: i32, name: &str, pid: u32) -> Result<Option<GuestGroups>> {
        let Some(partition) = self.partition(model) else {
            return Ok(None);
        };
        let groups = if self.systemd {
            self.hierarchy.group_of(pid).and_then(GuestGroups::of_scope)
        } else {
            let missing = partition != PARTITION && !self.hierarchy.group(&self.folder(partition)).exists();
            if missing {
                let text = format!("there is no control group of the partition '{partition}'");
                return Err(Error::new(Code::SystemError, ErrorDomain::Cgroup, text));
            }
            self.own_group(model, id, name)
        };
        let Some(groups) = groups else {
            return Ok(None);
        };
        groups.enter(pid).map_err(told)?;
        Ok(Some(groups))
    }

    /// The slice of a partition.
    pub(crate) fn slice(partition: Option<&str>) -> String {
        let parts = partition
            .unwrap_or(PARTITION)
            .split('/')
            .filter(|part| !part.is_empty());
        format!("{}.slice", parts.collect::<Vec<_>>().join("-"))
    }

    /// Whether the daemon is a user's, which has no control groups of its own.
    pub(crate) fn is_session(&self) -> bool {
        self.session
    }
}

/// The name of a private instance's partition: its root's path.
fn private_partition(root: &Path) -> String {
    let path = root.display().to_string();
    path.trim_matches('/').replace('/', "-")
}

/// What clients hear of an error.
pub(crate) fn told(err: cgroup::Error) -> Error {
    let code = match &err {
        cgroup::Error::NoController(_) => Code::OperationInvalid,
        cgroup::Error::NotSupported(..) => Code::OperationUnsupported,
        cgroup::Error::OutOfRange { .. } => Code::InvalidArg,
        cgroup::Error::Unexpected { .. } => Code::InternalError,
        cgroup::Error::System { .. } => Code::SystemError,
    };
    Error::new(code, ErrorDomain::Cgroup, err.to_string()).caused_by(err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_folders_or_slices() {
        let mut groups = Groups::none();
        assert_eq!(groups.folder("/machine"), Path::new("machine"));
        assert_eq!(
            groups.folder("/machine/web/a"),
            Path::new("machine/web.partition/a.partition")
        );
        assert_eq!(Groups::slice(Some("/machine/web/a")), "machine-web-a.slice");
        assert_eq!(Groups::slice(None), "machine.slice");
        groups.private = Some(private_partition(Path::new("/tmp/fvX/root")));
        assert_eq!(
            groups.folder("/machine"),
            Path::new("machine/tmp-fvX-root.partition")
        );
    }
}
