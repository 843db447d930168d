//! Graphics cards.

use super::Role;
use super::address::{alias, virtio_options};
use super::line::{Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::devices::Video;
use model::domain::devices::video::{VideoDriverName, VideoModel, VideoType};

impl Line<'_> {
    pub(super) fn videos(&mut self) -> Result<()> {
        for (index, video) in self.domain.devices.videos.iter().enumerate() {
            let Some(model) = &video.model else {
                return Err(incomplete("<video> has no model"));
            };
            if model.kind == VideoType::None {
                continue;
            }
            let primary = model.primary.map_or(index == 0, |primary| primary.is_yes());
            self.video(video, model, primary)?;
        }
        Ok(())
    }

    fn video(&mut self, video: &Video, model: &VideoModel, primary: bool) -> Result<()> {
        let id = alias(&video.info)?;
        let driver = video.driver.as_ref();
        let accelerated = model
            .acceleration
            .as_ref()
            .and_then(|it| it.accel3d)
            .is_some_and(|yes| yes.is_yes());
        let foreign = driver.and_then(|driver| driver.name) == Some(VideoDriverName::VhostUser);
        let name = match (model.kind, primary) {
            (VideoType::Virtio, true) if foreign => "vhost-user-vga",
            (VideoType::Virtio, false) if foreign => "vhost-user-gpu-pci",
            (VideoType::Virtio, true) if accelerated && self.caps.has_device("virtio-vga-gl") => {
                "virtio-vga-gl"
            }
            (VideoType::Virtio, false) if accelerated && self.caps.has_device("virtio-gpu-gl-pci") => {
                "virtio-gpu-gl-pci"
            }
            (VideoType::Virtio, true) if self.caps.has_device("virtio-vga") => "virtio-vga",
            (VideoType::Virtio, _) => "virtio-gpu-pci",
            (VideoType::Vga, true) => "VGA",
            (VideoType::Vga, false) => "secondary-vga",
            (VideoType::Cirrus, _) => "cirrus-vga",
            (VideoType::Vmvga, _) => "vmware-svga",
            (VideoType::Qxl, true) => "qxl-vga",
            (VideoType::Qxl, false) => "qxl",
            (VideoType::Bochs, _) => "bochs-display",
            (VideoType::Ramfb, _) => "ramfb",
            (VideoType::Default | VideoType::None, _) => {
                return Err(incomplete("<video>: the model was not chosen"));
            }
            (VideoType::Xen | VideoType::Vbox | VideoType::Parallels | VideoType::Gop, _) => {
                return Err(unsupported("<video>: QEMU has no such <model>"));
            }
        };
        if !self.caps.has_device(name) {
            return Err(unsupported(format!("<video>: this QEMU has no card '{name}'")));
        }
        if foreign {
            let number = self.descriptor(id, Role::Connected);
            let number =
                number.ok_or_else(|| unsupported("<video>: no vhost-user graphics process was started"))?;
            self.option("-chardev", format!("socket,id=chr-vu-{id},fd={number}"));
        }
        let mut props = Props::driver(name);
        if let Some(driver) = driver {
            // As libvirt has it: a card that is also VGA takes none of these.
            if !name.contains("vga") {
                virtio_options(&mut props, &driver.virtio);
            }
            if driver.vgaconf.is_some() {
                return Err(unsupported("<video>: <driver vgaconf> is for bhyve"));
            }
        }
        props.put("id", id);
        if matches!(model.kind, VideoType::Qxl | VideoType::Virtio) {
            props = props.maybe("max_outputs", model.heads.filter(|heads| *heads > 0));
        }
        if model.kind == VideoType::Virtio {
            props = props.maybe("blob", model.blob.map(|blob| blob.is_on()));
        }
        let mebibytes = |kib: u32| kib / 1024;
        match model.kind {
            VideoType::Qxl => {
                props = props
                    .maybe("ram_size", model.ram.map(|kib| u64::from(kib) * 1024))
                    .maybe("vram_size", model.vram.map(|kib| u64::from(kib) * 1024))
                    .set("vram64_size_mb", mebibytes(model.vram64.unwrap_or(0)))
                    .maybe("vgamem_mb", model.vgamem.map(mebibytes));
            }
            VideoType::Vga | VideoType::Vmvga => props = props.maybe("vgamem_mb", model.vram.map(mebibytes)),
            VideoType::Bochs => props = props.maybe("vgamem", model.vram.map(|kib| u64::from(kib) * 1024)),
            _ => {}
        }
        if let Some(resolution) = &model.resolution {
            if !matches!(
                model.kind,
                VideoType::Vga | VideoType::Qxl | VideoType::Virtio | VideoType::Bochs
            ) {
                return Err(unsupported("<resolution>: this graphics card has no choice"));
            }
            props = props.set("xres", resolution.x).set("yres", resolution.y);
        }
        if foreign {
            props.put("chardev", format!("chr-vu-{id}"));
        }
        self.attach(&mut props, &video.info)?;
        self.device(props);
        Ok(())
    }
}
