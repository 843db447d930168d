//! Devices of the host that guests get: found, refused where another guest has them, taken from the host's drivers, and given
//! back.
//!
//! ```text
//!  live document ─ find ─► places in the document, claims, what is going to be done      nothing is changed yet
//!     ─ status document ─ take ─► bound to VFIO's driver, told their addresses ─► nodes that QEMU opens
//!  end of the run ─ give back                       the same from the status document, where the daemon has died
//! ```
//! All that is asked and changed lies below the [`Host`]'s root, which tests replace, but for the nodes that QEMU opens.

mod assigned;
mod claims;
mod find;
#[cfg(test)]
mod made_up;
mod memory_lock;
mod module;
mod pci;
mod usb;
mod vf;

pub(crate) use assigned::Assigned;
pub(crate) use claims::Claims;
pub(crate) use find::find;
pub(crate) use memory_lock::memory_lock;

use crate::ownership::Owned;
use claims::Claim;
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::Host;
use model::domain::Domain as Model;
use model::domain::devices::InterfaceKind;
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::interface_source::HostNicAddress;
use pci::Function;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tool::Tool;
use vf::Settings;

/// The node by which address spaces for devices are made.
const CONTAINER: &str = "/dev/vfio/vfio";

/// Where udev is asked, if there is one.
const UDEV: &str = "run/udev/control";

/// How long it may take until that has heard of everything.
const UDEV_PATIENCE: Duration = Duration::from_secs(15);

fn refused(code: Code, text: String) -> Error {
    Error::new(code, ErrorDomain::Qemu, text)
}

/// How many devices of a live document VFIO passes on.
fn passes_by_vfio(model: &Model) -> u64 {
    let cards = model.devices.interfaces.iter().filter(|interface| {
        matches!(&interface.kind, InterfaceKind::Hostdev { source }
            if matches!(source.address, Some(HostNicAddress::Pci(_))))
    });
    let others = model
        .devices
        .hostdevs
        .iter()
        .filter(|hostdev| matches!(hostdev.kind, HostdevKind::Pci { .. } | HostdevKind::Mdev { .. }));
    u64::try_from(cards.count().saturating_add(others.count())).unwrap_or(u64::MAX)
}

/// What one run has of the host's devices.
#[derive(Debug, Default)]
pub(crate) struct HostDevices {
    /// Where they are; `None` where there are none.
    host: Option<Host>,
    assigned: Vec<Assigned>,
    /// What cards are to tell their functions.
    settings: Vec<Settings>,
    claims: Vec<Claim>,
    /// Nodes that QEMU opens and that become its user's.
    nodes: Vec<Owned>,
    /// Whether VFIO is among what passes them on.
    has_container: bool,
    /// The devices in the guest that were found, by alias.
    pub(crate) provided: Vec<String>,
    /// Nodes of SCSI units, by alias.
    pub(crate) scsi_nodes: Vec<(String, PathBuf)>,
    /// Whether there is anything to be given back.
    taken: bool,
}

impl HostDevices {
    /// Those of a guest that ran before this daemon, as its status document has them.
    pub(crate) fn of(host: &Host, claims: &Arc<Claims>, model: &Model, assigned: Vec<Assigned>) -> Self {
        Self {
            host: Some(host.clone()),
            assigned,
            claims: claims.of_adopted(model),
            taken: true,
            ..Self::default()
        }
    }

    /// What goes into the status document.
    pub(crate) fn assigned(&self) -> &[Assigned] {
        &self.assigned
    }

    /// The nodes that become the guest's user's.
    pub(crate) fn changing_hands(&self) -> &[Owned] {
        &self.nodes
    }

    /// The nodes that QEMU opens though its arguments do not name them all.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let own = self.nodes.iter().map(|node| node.path.display().to_string());
        own.chain(self.has_container.then(|| CONTAINER.to_owned()))
            .collect()
    }

    /// Takes the devices from the host's drivers and has cards tell functions what the document says. It stands in the
    /// status document by then. Blocks, inside the runtime.
    ///
    /// # Errors
    /// What the kernel refuses; [`Code::OperationInvalid`] for one whose IOMMU group the host goes on to use. What was done is
    /// undone by [`Self::give_back`].
    pub(crate) fn take(&mut self) -> Result<()> {
        let Some(host) = self.host.clone() else {
            return Ok(());
        };
        self.taken = true;
        for assigned in &self.assigned {
            assigned.bind(&host)?;
        }
        for settings in &self.settings {
            tokio::runtime::Handle::current().block_on(settings.set())?;
        }
        self.check_groups(&host)?;
        if !self.assigned.is_empty() {
            settle(&host);
        }
        Ok(())
    }

    /// VFIO gives nobody a part of a group whose other parts the host uses.
    fn check_groups(&self, host: &Host) -> Result<()> {
        for assigned in &self.assigned {
            let function = Function::at(host, &assigned.address);
            for other in function.whole_group() {
                if let Some(driver) = other.foreign_driver() {
                    let text = format!(
                        "PCI device {} is in IOMMU group {} with PCI device {}, which is in use by the host's driver '{driver}'",
                        assigned.address,
                        function.group().unwrap_or_default(),
                        other.address
                    );
                    return Err(refused(Code::OperationInvalid, text));
                }
            }
        }
        Ok(())
    }

    /// Gives the devices back to whom they were; what does not go back is told in the log. Waits until nobody has them open.
    /// Blocks, inside the runtime; from a task too, whose worker's other tasks go on elsewhere.
    pub(crate) fn give_back(&self) {
        let Some(host) = self
            .host
            .as_ref()
            .filter(|_| self.taken && !self.assigned.is_empty())
        else {
            return;
        };
        tokio::task::block_in_place(|| {
            for assigned in &self.assigned {
                // Before the host's driver has it, which reads its address then.
                if let Some(before) = &assigned.function
                    && let Err(err) = tokio::runtime::Handle::current().block_on(before.set())
                {
                    tracing::warn!(%err, "a virtual function of a guest that has ended keeps its address");
                }
                if let Err(err) = assigned.give_back(host) {
                    tracing::warn!(%err, "a device of a guest that has ended does not go back to the host");
                }
            }
        });
    }
}

/// Waits until udev has heard of new nodes: else it could make them root's again when they are the guest's already. One that
/// takes long is not waited for.
fn settle(host: &Host) {
    if !host.path(UDEV).exists() {
        return;
    }
    let settled = Tool::new("udevadm")
        .with(["settle", "--timeout=10"])
        .within(UDEV_PATIENCE)
        .run_to_end();
    if let Err(err) = settled {
        tracing::warn!(%err, "udev has not come to rest");
    }
}

#[cfg(test)]
mod tests;
