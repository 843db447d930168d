//! `<hostdev type='scsi_host'>`: the kernel's own end of a guest's SCSI controller, which serves a target that the host's
//! administrator has made.

use super::descriptors::Descriptors;
use crate::command::Role;
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::Host;
use model::domain::Domain as Model;
use model::domain::devices::hostdev::HostdevKind;
use std::fs::File;

/// The node, from the host's root.
const NODE: &str = "dev/vhost-scsi";

/// Opens it for each such device of a live document.
///
/// # Errors
/// [`Code::SystemError`] where the kernel has none.
pub(super) fn open(model: &Model, host: &Host, descriptors: &mut Descriptors) -> Result<()> {
    for hostdev in &model.devices.hostdevs {
        if !matches!(hostdev.kind, HostdevKind::ScsiHost { .. }) {
            continue;
        }
        let node = host.path(NODE);
        let opened = File::options()
            .read(true)
            .write(true)
            .open(&node)
            .map_err(|err| {
                let text = format!(
                    "<hostdev type='scsi_host'>: cannot open '{}': {err}",
                    node.display()
                );
                Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
            })?;
        let alias = hostdev.info.alias_name().unwrap_or_default();
        descriptors.add(alias, Role::Vhost, vec![opened.into()]);
    }
    Ok(())
}
