//! `<os>`: what the guest boots, and through which firmware.

use xml::{Element, Value, YesNo};

use super::devices::disk_source::DiskSource;

/// How the guest boots.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "os")]
pub struct Os {
    /// Has the host choose loader and variable store.
    #[xml(attr)]
    pub firmware: Option<FirmwareKind>,
    #[xml(child, default)]
    pub r#type: OsType,
    /// First program of a container.
    #[xml(value = "init")]
    pub init: Option<String>,
    #[xml(value = "initarg")]
    pub init_args: Vec<String>,
    #[xml(children = "initenv")]
    pub init_env: Vec<InitEnv>,
    #[xml(value = "initdir")]
    pub init_dir: Option<String>,
    #[xml(value = "inituser")]
    pub init_user: Option<String>,
    #[xml(value = "initgroup")]
    pub init_group: Option<String>,
    /// What the firmware that is chosen must be able to do.
    #[xml(child = "firmware")]
    pub firmware_features: Option<FirmwareFeatures>,
    #[xml(child)]
    pub loader: Option<Loader>,
    #[xml(child)]
    pub nvram: Option<Box<Nvram>>,
    #[xml(value = "kernel")]
    pub kernel: Option<String>,
    #[xml(value = "initrd")]
    pub initrd: Option<String>,
    #[xml(value = "cmdline")]
    pub cmdline: Option<String>,
    #[xml(value = "dtb")]
    pub dtb: Option<String>,
    #[xml(value = "root")]
    pub root: Option<String>,
    #[xml(value = "shim")]
    pub shim: Option<String>,
    #[xml(child)]
    pub acpi: Option<AcpiTables>,
    /// In the order in which they are tried; excludes `<boot order>` of devices.
    #[xml(children = "boot")]
    pub boot: Vec<Boot>,
    #[xml(child = "bootmenu")]
    pub boot_menu: Option<BootMenu>,
    #[xml(child)]
    pub bios: Option<Bios>,
    #[xml(child)]
    pub smbios: Option<SmbiosSource>,
}

/// Architecture, machine type and kind of the guest system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "type")]
pub struct OsType {
    #[xml(attr)]
    pub arch: Option<String>,
    #[xml(attr)]
    pub machine: Option<String>,
    /// `hvm`: fully virtualised.
    #[xml(text)]
    pub kind: String,
}

/// Firmware that is chosen by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FirmwareKind {
    #[xml("bios")]
    Bios,
    #[xml("efi")]
    Efi,
}

/// Features that firmware must have, or must not have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "firmware")]
pub struct FirmwareFeatures {
    /// The firmware's kind in the form of old clients.
    #[xml(attr)]
    pub r#type: Option<FirmwareKind>,
    #[xml(children = "feature")]
    pub features: Vec<FirmwareFeature>,
}

/// One feature.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "feature")]
pub struct FirmwareFeature {
    #[xml(attr)]
    pub enabled: YesNo,
    #[xml(attr)]
    pub name: FirmwareFeatureName,
}

/// Features of firmware that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FirmwareFeatureName {
    #[xml("enrolled-keys")]
    EnrolledKeys,
    #[xml("secure-boot")]
    SecureBoot,
}

/// The firmware's code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "loader")]
pub struct Loader {
    #[xml(attr)]
    pub readonly: Option<YesNo>,
    #[xml(attr)]
    pub secure: Option<YesNo>,
    #[xml(attr)]
    pub r#type: Option<LoaderType>,
    /// Variables are not kept.
    #[xml(attr)]
    pub stateless: Option<YesNo>,
    #[xml(attr)]
    pub format: Option<FirmwareFormat>,
    #[xml(text)]
    pub path: Option<String>,
}

/// How the code gets into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum LoaderType {
    #[xml("rom")]
    Rom,
    #[xml("pflash")]
    Pflash,
}

/// Format of a firmware image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FirmwareFormat {
    #[xml("raw")]
    Raw,
    #[xml("qcow2")]
    Qcow2,
}

/// The firmware's variables: a path, or a source as of a disk.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "nvram", leading = "template templateFormat type")]
pub struct Nvram {
    /// What a missing variable store is copied from.
    #[xml(attr)]
    pub template: Option<String>,
    #[xml(attr = "templateFormat")]
    pub template_format: Option<FirmwareFormat>,
    #[xml(attr)]
    pub format: Option<FirmwareFormat>,
    #[xml(flatten)]
    pub source: Option<DiskSource>,
    #[xml(text)]
    pub path: Option<String>,
}

impl Nvram {
    /// The file that the variables are in, where it is one of this host.
    pub fn file(&self) -> Option<&str> {
        match &self.source {
            Some(DiskSource::File { source: Some(source) }) => source.file.as_deref(),
            Some(_) => None,
            None => self.path.as_deref(),
        }
    }
}

/// `<initenv name='X'>value</initenv>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "initenv")]
pub struct InitEnv {
    #[xml(attr)]
    pub name: String,
    #[xml(text)]
    pub value: String,
}

/// Additional ACPI tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "acpi")]
pub struct AcpiTables {
    #[xml(children = "table")]
    pub tables: Vec<AcpiTable>,
}

/// A file with an ACPI table.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "table")]
pub struct AcpiTable {
    #[xml(attr)]
    pub r#type: AcpiTableType,
    #[xml(text)]
    pub path: String,
}

/// Kind of an ACPI table file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum AcpiTableType {
    /// One table with its header.
    #[xml("raw")]
    Raw,
    /// Several tables.
    #[xml("rawset")]
    RawSet,
    #[xml("slic")]
    Slic,
    #[xml("msdm")]
    Msdm,
}

/// `<boot dev='hd'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "boot")]
pub struct Boot {
    #[xml(attr)]
    pub dev: BootDevice,
}

/// Class of boot devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum BootDevice {
    #[xml("fd")]
    Floppy,
    #[xml("hd")]
    Disk,
    #[xml("cdrom")]
    Cdrom,
    #[xml("network")]
    Network,
}

/// The firmware's boot menu.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "bootmenu")]
pub struct BootMenu {
    #[xml(attr)]
    pub enable: Option<YesNo>,
    /// In milliseconds.
    #[xml(attr)]
    pub timeout: Option<u16>,
}

/// What SeaBIOS is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "bios")]
pub struct Bios {
    #[xml(attr = "useserial")]
    pub use_serial: Option<YesNo>,
    /// Milliseconds until a failed boot is retried; -1: never.
    #[xml(attr = "rebootTimeout")]
    pub reboot_timeout: Option<i32>,
}

/// Where the guest's SMBIOS tables come from.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "smbios")]
pub struct SmbiosSource {
    #[xml(attr)]
    pub mode: SmbiosMode,
}

/// Source of SMBIOS tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SmbiosMode {
    #[xml("emulate")]
    Emulate,
    #[xml("host")]
    Host,
    #[xml("sysinfo")]
    Sysinfo,
}
