//! What the element of a passed-through device leaves open.

use model::domain::devices::Hostdev;
use model::domain::devices::hostdev::{HostdevKind, HostdevMode, MdevModel, ScsiProtocol};
use xml::{OnOff, YesNo};

/// Completes all of them.
pub(super) fn complete(hostdevs: &mut [Hostdev]) {
    hostdevs.iter_mut().for_each(one);
}

fn one(hostdev: &mut Hostdev) {
    if hostdev.mode == HostdevMode::Subsystem {
        hostdev.managed.get_or_insert(YesNo::No);
    }
    match &mut hostdev.kind {
        HostdevKind::Mdev {
            model: MdevModel::VfioPci,
            display,
            ..
        } => {
            display.display.get_or_insert(OnOff::Off);
        }
        HostdevKind::Scsi { source, .. } if source.protocol == Some(ScsiProtocol::Iscsi) => {
            if let Some(name) = source.name.as_mut().filter(|name| !name.contains('/')) {
                name.push_str("/0");
            }
        }
        _ => {}
    }
}
