//! Transient disks, whose guest writes into an image of the run's own.

use super::line::Line;
use model::domain::devices::Disk;

/// The image that a guest of that name writes into instead of `base`; libvirt's name for it.
pub(crate) fn overlay_name(base: &str, guest: &str) -> String {
    format!("{base}.TRANSIENT-{guest}")
}

/// Whether a run's image lies on top of a transient disk of that guest.
pub(crate) fn is_covered(disk: &Disk, guest: &str) -> bool {
    let base = disk.backing_chain().next().and_then(|layer| layer.source.path());
    let expected = base.map(|base| overlay_name(base, guest));
    disk.transient.is_some() && expected.is_some() && expected.as_deref() == disk.source_path()
}

impl Line<'_> {
    /// Whether libvirt has no argument for a disk: one that shares its image it plugs once QEMU runs and the image on top
    /// is there. A start has that from the beginning.
    pub(super) fn is_plugged_later(&self, disk: &Disk) -> bool {
        let shares = disk
            .transient
            .as_ref()
            .and_then(|transient| transient.share_backing);
        shares.is_some_and(|it| it.is_yes()) && !is_covered(disk, &self.domain.name)
    }
}
