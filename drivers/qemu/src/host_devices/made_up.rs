//! A made-up `/sys` and `/dev` whose bus does what the kernel's does when drivers are changed.

use host::Host;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The driver that a function is for, beside the kernel's own files.
const NATIVE: &str = "made_up_native";

pub(super) struct MadeUp(tempfile::TempDir);

impl MadeUp {
    /// A host with a bus without devices, and the driver that passes devices on.
    pub(super) fn new() -> Self {
        let made_up = Self(tempfile::tempdir().unwrap());
        made_up.put("sys/bus/pci/drivers_probe", "");
        made_up.put("dev/vfio/vfio", "");
        made_up.driver("vfio-pci");
        made_up
    }

    pub(super) fn host(&self) -> Host {
        Host::at(self.0.path())
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn driver(&self, name: &str) {
        self.put(&format!("sys/bus/pci/drivers/{name}/unbind"), "");
    }

    fn device(address: &str) -> String {
        format!("sys/bus/pci/devices/{address}")
    }

    /// A function in an IOMMU group, with the driver that is for it.
    pub(super) fn function(&self, address: &str, group: u32, driver: &str) {
        let device = Self::device(address);
        self.put(&format!("{device}/class"), "0x020000\n");
        self.put(&format!("{device}/driver_override"), "(null)\n");
        self.put(&format!("{device}/{NATIVE}"), driver);
        let devices = self.path(&format!("sys/kernel/iommu_groups/{group}/devices"));
        fs::create_dir_all(&devices).unwrap();
        symlink(self.path(&device), devices.join(address)).unwrap();
        symlink(
            self.path(&format!("sys/kernel/iommu_groups/{group}")),
            self.path(&format!("{device}/iommu_group")),
        )
        .unwrap();
        if !driver.is_empty() {
            self.driver(driver);
            bind(&self.host(), address);
        }
    }

    /// A card with a link.
    pub(super) fn card(&self, address: &str, link: &str, group: u32) {
        self.function(address, group, "igb");
        fs::create_dir_all(self.path(&format!("{}/net/{link}", Self::device(address)))).unwrap();
        self.put(&format!("sys/class/net/{link}/flags"), "0x1003\n");
    }

    /// Makes a function one of a card's.
    pub(super) fn virtual_function(&self, card: &str, number: u32, address: &str) {
        let (card, function) = (self.path(&Self::device(card)), self.path(&Self::device(address)));
        symlink(&card, function.join("physfn")).unwrap();
        symlink(&function, card.join(format!("virtfn{number}"))).unwrap();
    }

    /// The driver that has a function.
    pub(super) fn driver_of(&self, address: &str) -> Option<String> {
        let link = fs::read_link(self.path(&format!("{}/driver", Self::device(address)))).ok()?;
        Some(link.file_name()?.to_str()?.to_owned())
    }

    /// What its file of the only driver holds.
    pub(super) fn only_driver_of(&self, address: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{}/driver_override", Self::device(address))));
        text.unwrap().trim().to_owned()
    }
}

/// What the kernel does when `text` was written to that file.
pub(super) fn kernel(host: &Host, path: &Path, text: &str) {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["sys", "bus", "pci", "devices", address, "driver", "unbind"] => {
            assert_eq!(text, *address);
            let device = host.path(MadeUp::device(address));
            fs::remove_file(device.join("driver")).unwrap();
            let _ = fs::remove_file(node(host, address));
        }
        ["sys", "bus", "pci", "drivers_probe"] => bind(host, text),
        _ => {}
    }
}

/// The node of a function's group.
fn node(host: &Host, address: &str) -> PathBuf {
    let group = fs::read_link(host.path(MadeUp::device(address)).join("iommu_group")).unwrap();
    host.path("dev/vfio").join(group.file_name().unwrap())
}

fn bind(host: &Host, address: &str) {
    let device = host.path(MadeUp::device(address));
    let read = |name: &str| fs::read_to_string(device.join(name)).unwrap().trim().to_owned();
    let only = read("driver_override");
    let name = if only.is_empty() || only == "(null)" {
        read(NATIVE)
    } else {
        only
    };
    let driver = host.path("sys/bus/pci/drivers").join(&name);
    if name.is_empty() || !driver.exists() || device.join("driver").exists() {
        return;
    }
    symlink(driver, device.join("driver")).unwrap();
    if name == "vfio-pci" {
        fs::write(node(host, address), "").unwrap();
    }
}
