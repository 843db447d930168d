//! Folders of the host that the guest sees, and memory that it shares.

use super::address::{alias, virtio_options};
use super::line::{KeyValues, Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::devices::Filesystem;
use model::domain::devices::filesystem::{
    FilesystemKind, FsAccessMode, FsDriverType, FsMultidevs, FsWritePolicy,
};

impl Line<'_> {
    pub(super) fn filesystems(&mut self) -> Result<()> {
        self.domain
            .devices
            .filesystems
            .iter()
            .try_for_each(|filesystem| self.filesystem(filesystem))
    }

    fn filesystem(&mut self, filesystem: &Filesystem) -> Result<()> {
        let FilesystemKind::Mount { source } = &filesystem.kind else {
            return Err(unsupported("<filesystem>: only the type 'mount' is for QEMU"));
        };
        if filesystem.space_hard_limit.is_some() || filesystem.space_soft_limit.is_some() {
            return Err(unsupported("<filesystem>: limits of space are not for QEMU"));
        }
        let id = alias(&filesystem.info)?;
        let tag = filesystem
            .target_dir()
            .ok_or_else(|| incomplete("<filesystem> has no target"))?;
        let options = filesystem.driver.as_ref();
        if filesystem.driver_type() == Some(FsDriverType::Virtiofs) {
            let own = source.as_ref().and_then(|source| source.socket.clone());
            let path = own.unwrap_or_else(|| {
                super::virtiofsd_socket(&self.context.domain_dir, id)
                    .display()
                    .to_string()
            });
            let chardev = format!("chr-vu-{id}");
            let option = KeyValues::new()
                .word("socket")
                .set("id", &chardev)
                .set("path", path);
            self.option("-chardev", option.finish());
            let driver = self.virtio_driver(
                "vhost-user-fs",
                &filesystem.info,
                filesystem.model,
                "<filesystem>",
            )?;
            let mut props = Props::driver(&driver);
            if let Some(options) = options {
                virtio_options(&mut props, &options.virtio);
            }
            props = props
                .set("id", id)
                .set("chardev", chardev)
                .maybe("queue-size", options.and_then(|options| options.queue))
                .set("tag", tag);
            if let Some(order) = filesystem.info.boot_order() {
                props.put("bootindex", order);
            }
            self.attach(&mut props, &filesystem.info)?;
            self.device(props);
            return Ok(());
        }
        let mut fsdev = match filesystem.driver_type() {
            None | Some(FsDriverType::Path) => {
                let model = match filesystem.accessmode.unwrap_or(FsAccessMode::Passthrough) {
                    FsAccessMode::Passthrough => "passthrough",
                    FsAccessMode::Mapped => "mapped",
                    FsAccessMode::Squash => "none",
                };
                KeyValues::new().word("local").set("security_model", model)
            }
            Some(FsDriverType::Handle) => KeyValues::new().word("handle"),
            Some(_) => return Err(unsupported("<filesystem>: QEMU has no such driver")),
        };
        match filesystem.multidevs {
            Some(FsMultidevs::Remap) => fsdev.put("multidevs", "remap"),
            Some(FsMultidevs::Forbid) => fsdev.put("multidevs", "forbid"),
            Some(FsMultidevs::Warn) => fsdev.put("multidevs", "warn"),
            Some(FsMultidevs::Default) | None => {}
        }
        fsdev = fsdev
            .maybe("fmode", filesystem.fmode.map(|mode| format!("{:04o}", mode.0)))
            .maybe("dmode", filesystem.dmode.map(|mode| format!("{:04o}", mode.0)));
        if options.and_then(|options| options.wrpolicy) == Some(FsWritePolicy::Immediate) {
            fsdev.put("writeout", "immediate");
        }
        let path = source.as_ref().and_then(|source| source.dir.as_deref());
        fsdev.put("id", format!("fsdev-{id}"));
        fsdev.put(
            "path",
            path.ok_or_else(|| incomplete("<filesystem> has no source"))?,
        );
        if filesystem.readonly {
            fsdev = fsdev.word("readonly");
        }
        self.option("-fsdev", fsdev.finish());
        let driver = self.virtio_driver("virtio-9p", &filesystem.info, filesystem.model, "<filesystem>")?;
        let mut props = Props::driver(&driver);
        if let Some(options) = options {
            virtio_options(&mut props, &options.virtio);
        }
        props = props
            .set("id", id)
            .set("fsdev", format!("fsdev-{id}"))
            .set("mount_tag", tag);
        self.attach(&mut props, &filesystem.info)?;
        self.device(props);
        Ok(())
    }
}
