//! Memory that guests share, and memory where a guest's kernel leaves its last words.

use super::address::alias;
use super::line::{KeyValues, Line, Props, incomplete, on_off, unsupported};
use error::Result;
use model::domain::devices::Shmem;
use model::domain::devices::shmem::{ShmemRole, ShmemType};

impl Line<'_> {
    pub(super) fn shmems(&mut self) -> Result<()> {
        self.domain
            .devices
            .shmems
            .iter()
            .try_for_each(|shmem| self.shmem(shmem))
    }

    fn shmem(&mut self, shmem: &Shmem) -> Result<()> {
        let id = alias(&shmem.info)?;
        match shmem.model.as_ref().map(|model| model.kind) {
            Some(ShmemType::IvshmemPlain) => {
                let size = shmem.size.ok_or_else(|| incomplete("<shmem> has no size"))?;
                let backend = format!("shmmem-{id}");
                let props = Props::object("memory-backend-file", backend.as_str())
                    .set("mem-path", format!("/dev/shm/{}", shmem.name))
                    .set("size", size.bytes())
                    .set("share", true);
                self.object(props);
                let master = shmem.role.map(|role| on_off(role == ShmemRole::Master));
                let mut props = Props::driver("ivshmem-plain")
                    .set("id", id)
                    .set("memdev", backend)
                    .maybe("master", master);
                self.attach(&mut props, &shmem.info)?;
                self.device(props);
                Ok(())
            }
            Some(ShmemType::IvshmemDoorbell) => {
                let chardev = super::chardev::id(id);
                let msi = shmem.msi.as_ref();
                let master = shmem.role.map(|role| on_off(role == ShmemRole::Master));
                let mut props = Props::driver("ivshmem-doorbell")
                    .set("id", id)
                    .set("chardev", chardev.as_str())
                    .maybe("master", master)
                    .maybe("vectors", msi.and_then(|msi| msi.vectors))
                    .maybe(
                        "ioeventfd",
                        msi.and_then(|msi| msi.ioeventfd).map(|it| it.is_on()),
                    );
                self.attach(&mut props, &shmem.info)?;
                self.device(props);
                let own = shmem.server.as_ref().and_then(|server| server.path.clone());
                let path = own.unwrap_or_else(|| format!("/var/lib/libvirt/shmem-{}-sock", shmem.name));
                let option = KeyValues::new()
                    .word("socket")
                    .set("id", chardev)
                    .set("path", path);
                self.option("-chardev", option.finish());
                Ok(())
            }
            Some(ShmemType::Ivshmem) => Err(unsupported("<shmem>: QEMU no longer has the model 'ivshmem'")),
            None => Err(incomplete("<shmem>: the model was not chosen")),
        }
    }

    pub(super) fn pstore(&mut self) -> Result<()> {
        let Some(pstore) = &self.domain.devices.pstore else {
            return Ok(());
        };
        let id = alias(&pstore.info)?;
        let path = pstore
            .path
            .as_deref()
            .ok_or_else(|| incomplete("<pstore> has no path"))?;
        let backend = format!("mem{id}");
        let props = Props::object("memory-backend-file", backend.as_str())
            .set("mem-path", path)
            .set("size", pstore.size.bytes())
            .set("share", true);
        self.object(props);
        let mut props = Props::driver("acpi-erst").set("id", id).set("memdev", backend);
        self.attach(&mut props, &pstore.info)?;
        self.device(props);
        Ok(())
    }
}
