//! The machine as a whole: name, board, acceleration, monitor, firmware and boot order.

use super::options::{CommandBuilder, Properties, escape};
use super::{CommandContext, cannot};
use crate::binary::{Accel, BinaryCaps};
use error::Result;
use model::domain::devices::MemBalloon;
use model::domain::devices::disk::DiskDevice;
use model::domain::lifecycle::LifecycleAction;
use model::domain::os::{BootDevice, LoaderType};
use model::domain::{Domain, DomainType};
use xml::{OnOff, YesNo};

/// Who it is, and that its processors wait for us.
pub(super) fn identity(command: &mut CommandBuilder, domain: &Domain) {
    command.add("-name", format!("guest={},debug-threads=on", escape(&domain.name)));
    command.flag("-S");
}

/// Board and acceleration.
pub(super) fn machine(
    command: &mut CommandBuilder,
    domain: &Domain,
    caps: &BinaryCaps,
    context: &CommandContext,
) -> Result<()> {
    let firmware = firmware(command, domain)?;
    let name = domain.os.r#type.machine.as_deref().unwrap_or_default();
    let mut machine = format!("{name},usb=off");
    let features = domain.features.as_deref();
    let mut option = |text: String| {
        machine.push(',');
        machine.push_str(&text);
    };
    if let Some(vmport) = features.and_then(|features| features.vmport.as_ref()) {
        option(format!("vmport={}", vmport.state.unwrap_or(OnOff::On)));
    }
    if let Some(smm) = features.and_then(|features| features.smm.as_ref()) {
        option(format!("smm={}", smm.state.unwrap_or(OnOff::On)));
    }
    if let Some(ps2) = features.and_then(|features| features.ps2.as_ref()) {
        option(format!("i8042={}", ps2.state.unwrap_or(OnOff::On)));
    }
    let dump = match domain.memory.dump_core {
        Some(wanted) => wanted == OnOff::On,
        None => context.dump_guest_core,
    };
    option(format!("dump-guest-core={}", if dump { "on" } else { "off" }));
    if let Some(shared) = domain.memory_backing.as_ref().filter(|backing| backing.no_share_pages) {
        let _ = shared;
        option("mem-merge=off".to_owned());
    }
    for (unit, node) in firmware {
        option(format!("pflash{unit}={node}"));
    }
    if domain.cpu.as_ref().is_none_or(|cpu| cpu.numa.is_none()) {
        option(format!("memory-backend={}", super::memory::ram_id(domain, caps)));
    }
    let on_q35_or_pc = name.starts_with("pc");
    if on_q35_or_pc {
        let acpi = features.is_some_and(|features| features.acpi);
        option(format!("acpi={}", if acpi { "on" } else { "off" }));
    }
    command.add("-machine", machine);
    let accel = if domain.r#type == DomainType::Kvm { "kvm" } else { "tcg" };
    command.add("-accel", accel.to_owned());
    Ok(())
}

/// The acceleration of a domain.
pub(super) fn accel(domain: &Domain) -> Accel {
    if domain.r#type == DomainType::Kvm { Accel::Kvm } else { Accel::Tcg }
}

/// Flash memory with UEFI's code and variables; gives the number of each unit and its node.
fn firmware(command: &mut CommandBuilder, domain: &Domain) -> Result<Vec<(u32, &'static str)>> {
    let Some(loader) = domain.os.loader.as_ref() else { return Ok(Vec::new()) };
    let Some(path) = loader.path.as_deref() else { return Ok(Vec::new()) };
    if loader.r#type != Some(LoaderType::Pflash) {
        command.add("-bios", path.to_owned());
        return Ok(Vec::new());
    }
    let word = |format: Option<model::domain::os::FirmwareFormat>| {
        format.map_or_else(|| "raw".to_owned(), |format| format.to_string())
    };
    let mut pflash = |storage: &str, format: &str, file: &str, read_only: bool, kind: String| {
        command.json(
            "-blockdev",
            Properties::default()
                .with("driver", "file")
                .with("filename", file)
                .with("node-name", storage)
                .with("auto-read-only", true)
                .with("discard", "unmap"),
        );
        command.json(
            "-blockdev",
            Properties::default()
                .with("node-name", format)
                .with("read-only", read_only)
                .with("driver", kind)
                .with("file", storage),
        );
    };
    let read_only = loader.readonly == Some(YesNo::Yes);
    pflash("libvirt-pflash0-storage", "libvirt-pflash0-format", path, read_only, word(loader.format));
    let mut units = vec![(0, "libvirt-pflash0-format")];
    if let Some(nvram) = domain.os.nvram.as_ref() {
        let Some(path) = nvram.path.as_deref() else {
            return Err(cannot("<nvram>: only variables in a file are supported"));
        };
        pflash("libvirt-pflash1-storage", "libvirt-pflash1-format", path, false, word(nvram.format));
        units.push((1, "libvirt-pflash1-format"));
    }
    Ok(units)
}

/// SMBIOS tables.
pub(super) fn smbios(command: &mut CommandBuilder, domain: &Domain) -> Result<()> {
    use model::domain::os::SmbiosMode;
    match domain.os.smbios.as_ref().map(|smbios| smbios.mode) {
        None | Some(SmbiosMode::Emulate) => Ok(()),
        Some(SmbiosMode::Sysinfo) => super::qemu_namespace::sysinfo(command, domain),
        Some(mode) => Err(cannot(format!("<smbios mode='{mode}'> is not supported"))),
    }
}

/// The monitor, no screen of its own, nothing by default.
pub(super) fn monitor(command: &mut CommandBuilder, domain: &Domain, context: &CommandContext) {
    if domain.devices.graphics.is_empty() {
        command.add("-display", "none".to_owned());
    }
    command.flag("-no-user-config");
    command.flag("-nodefaults");
    command.add("-chardev", format!("socket,id=charmonitor,fd={},server=on,wait=off", context.monitor_fd));
    command.add("-mon", "chardev=charmonitor,id=monitor,mode=control".to_owned());
}

/// Kernel, boot menu, and what a reboot means.
pub(super) fn boot(command: &mut CommandBuilder, domain: &Domain) -> Result<()> {
    if domain.on_reboot == Some(LifecycleAction::Destroy) {
        command.flag("-no-reboot");
    }
    command.flag("-no-shutdown");
    let features = domain.features.as_deref();
    if let Some(pm) = domain.pm.as_ref() {
        let bridge = if domain.os.r#type.machine.as_deref().is_some_and(|name| name.starts_with("pc-q35")) {
            "ICH9-LPC"
        } else {
            "PIIX4_PM"
        };
        if let Some(enabled) = pm.suspend_to_mem.as_ref().and_then(|sleep| sleep.enabled) {
            command.add("-global", format!("{bridge}.disable_s3={}", i32::from(enabled == YesNo::No)));
        }
        if let Some(enabled) = pm.suspend_to_disk.as_ref().and_then(|sleep| sleep.enabled) {
            command.add("-global", format!("{bridge}.disable_s4={}", i32::from(enabled == YesNo::No)));
        }
    }
    let _ = features;
    let mut boot = Vec::new();
    if let Some(menu) = domain.os.boot_menu.as_ref() {
        match menu.enable {
            Some(YesNo::Yes) => {
                boot.push("menu=on".to_owned());
                boot.extend(menu.timeout.map(|timeout| format!("splash-time={timeout}")));
            }
            Some(YesNo::No) => boot.push("menu=off".to_owned()),
            None => {}
        }
    }
    if let Some(timeout) = domain.os.bios.as_ref().and_then(|bios| bios.reboot_timeout) {
        boot.push(format!("reboot-timeout={timeout}"));
    }
    boot.push("strict=on".to_owned());
    command.add("-boot", boot.join(","));
    if let Some(kernel) = domain.os.kernel.as_deref() {
        command.add("-kernel", kernel.to_owned());
    }
    if let Some(initrd) = domain.os.initrd.as_deref() {
        command.add("-initrd", initrd.to_owned());
    }
    if let Some(cmdline) = domain.os.cmdline.as_deref() {
        command.add("-append", cmdline.to_owned());
    }
    if let Some(dtb) = domain.os.dtb.as_deref() {
        command.add("-dtb", dtb.to_owned());
    }
    Ok(())
}

/// The place in the boot order of the first device of each class, where `<os>` gives classes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BootOrder {
    disk: Option<u32>,
    cdrom: Option<u32>,
    floppy: Option<u32>,
    network: Option<u32>,
}

impl BootOrder {
    /// That of a document.
    pub(super) fn of(domain: &Domain) -> Self {
        let mut order = Self::default();
        for (place, boot) in (1..).zip(&domain.os.boot) {
            let class = match boot.dev {
                BootDevice::Disk => &mut order.disk,
                BootDevice::Cdrom => &mut order.cdrom,
                BootDevice::Floppy => &mut order.floppy,
                BootDevice::Network => &mut order.network,
            };
            class.get_or_insert(place);
        }
        order
    }

    /// The place of a disk, which is then given away.
    pub(super) fn take_disk(&mut self, device: DiskDevice) -> Option<u32> {
        match device {
            DiskDevice::Disk | DiskDevice::Lun => self.disk.take(),
            DiskDevice::Cdrom => self.cdrom.take(),
            DiskDevice::Floppy => self.floppy.take(),
        }
    }

    /// The place of an interface, which is then given away.
    pub(super) fn take_network(&mut self) -> Option<u32> {
        self.network.take()
    }
}

/// Whether a balloon is there.
pub(super) fn has_balloon(balloon: Option<&MemBalloon>) -> bool {
    balloon.is_some_and(|balloon| balloon.model != model::domain::devices::memballoon::BalloonModel::None)
}
