//! `<domain>`: a virtual machine.
//!
//! [`Domain`] mirrors the document field by field. [`Domain::from_xml`] is how documents of users get in: it reads,
//! refuses what cannot be, whatever the host, and fills in what libvirt always writes. What depends on the host or the
//! emulator (machine type, addresses, default devices) is added by the driver.

pub mod clock;
pub mod cpu;
pub mod devices;
pub mod features;
mod identity;
pub mod lifecycle;
pub mod memory;
pub mod os;
pub mod qemu_namespace;
mod read;
pub mod security;
pub mod tune;
pub mod vcpu;

use xml::{Element, RawElement, Value};

use crate::Uuid;
use crate::scaled::Kibibytes;
use crate::sysinfo::Sysinfo;

pub use identity::check_name;

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(
    element = "domain",
    namespace(qemu = "http://libvirt.org/schemas/domain/qemu/1.0")
)]
pub struct Domain {
    #[xml(attr)]
    pub r#type: DomainType,
    /// Live documents: number of this run.
    #[xml(attr)]
    pub id: Option<i32>,
    #[xml(value = "name", default)]
    pub name: String,
    /// `None` in a definition that leaves the choice to the daemon.
    #[xml(value = "uuid")]
    pub uuid: Option<Uuid>,
    #[xml(value = "hwuuid")]
    pub hw_uuid: Option<Uuid>,
    #[xml(child)]
    pub genid: Option<GenId>,
    #[xml(value = "title")]
    pub title: Option<String>,
    #[xml(value = "description")]
    pub description: Option<String>,
    #[xml(raw = "metadata")]
    pub metadata: Option<RawElement>,
    #[xml(child = "maxMemory")]
    pub max_memory: Option<memory::MaxMemory>,
    #[xml(child, default)]
    pub memory: memory::Memory,
    /// What the balloon leaves the guest; all of it where missing.
    #[xml(child = "currentMemory")]
    pub current_memory: Option<Kibibytes>,
    #[xml(child = "blkiotune")]
    pub blkio_tune: Option<Box<tune::BlkioTune>>,
    #[xml(child = "memtune")]
    pub mem_tune: Option<Box<memory::MemTune>>,
    #[xml(child = "memoryBacking")]
    pub memory_backing: Option<Box<memory::MemoryBacking>>,
    #[xml(child, default)]
    pub vcpu: vcpu::Vcpu,
    #[xml(child)]
    pub vcpus: Option<vcpu::Vcpus>,
    /// How many I/O threads there are.
    #[xml(value = "iothreads")]
    pub iothreads: Option<u32>,
    #[xml(child = "iothreadids")]
    pub iothread_ids: Option<vcpu::IoThreadIds>,
    #[xml(child = "defaultiothread")]
    pub default_iothread: Option<vcpu::DefaultIoThread>,
    /// Limits that several disks share.
    #[xml(wrapped = "throttlegroups/throttlegroup")]
    pub throttle_groups: Vec<devices::disk::IoTune>,
    #[xml(child = "cputune")]
    pub cpu_tune: Option<Box<tune::CpuTune>>,
    #[xml(child = "numatune")]
    pub numa_tune: Option<Box<tune::NumaTune>>,
    #[xml(child)]
    pub resource: Option<Box<Resource>>,
    #[xml(children = "sysinfo")]
    pub sysinfo: Vec<Sysinfo>,
    #[xml(value = "bootloader")]
    pub bootloader: Option<String>,
    #[xml(value = "bootloader_args")]
    pub bootloader_args: Option<String>,
    #[xml(child, default)]
    pub os: os::Os,
    #[xml(child)]
    pub idmap: Option<Box<devices::filesystem::IdMap>>,
    #[xml(child)]
    pub features: Option<Box<features::Features>>,
    #[xml(child)]
    pub cpu: Option<Box<cpu::Cpu>>,
    #[xml(child)]
    pub clock: Option<Box<clock::Clock>>,
    #[xml(value = "on_poweroff")]
    pub on_poweroff: Option<lifecycle::LifecycleAction>,
    #[xml(value = "on_reboot")]
    pub on_reboot: Option<lifecycle::LifecycleAction>,
    #[xml(value = "on_crash")]
    pub on_crash: Option<lifecycle::LifecycleAction>,
    #[xml(value = "on_lockfailure")]
    pub on_lockfailure: Option<lifecycle::LockFailureAction>,
    #[xml(child)]
    pub pm: Option<lifecycle::PowerManagement>,
    #[xml(child)]
    pub perf: Option<lifecycle::Perf>,
    #[xml(child, default)]
    pub devices: devices::Devices,
    #[xml(children = "seclabel")]
    pub seclabels: Vec<security::SecLabel>,
    #[xml(child = "keywrap")]
    pub key_wrap: Option<security::KeyWrap>,
    #[xml(child = "launchSecurity")]
    pub launch_security: Option<security::LaunchSecurity>,
    #[xml(child = "qemu:commandline")]
    pub qemu_commandline: Option<Box<qemu_namespace::QemuCommandLine>>,
    #[xml(child = "qemu:capabilities")]
    pub qemu_capabilities: Option<Box<qemu_namespace::QemuCapabilities>>,
    #[xml(child = "qemu:override")]
    pub qemu_override: Option<Box<qemu_namespace::QemuOverride>>,
    #[xml(child = "qemu:deprecation")]
    pub qemu_deprecation: Option<qemu_namespace::QemuDeprecation>,
}

impl Domain {
    /// Whether the machine is one with PCI Express: `q35` or one of its versions.
    pub fn is_q35(&self) -> bool {
        let machine = self.os.r#type.machine.as_deref();
        machine.is_some_and(|machine| machine.contains("q35"))
    }
}

/// What runs a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum DomainType {
    /// QEMU, which translates the guest's instructions.
    #[xml("qemu")]
    Qemu,
    /// QEMU with the kernel's virtualisation.
    #[xml("kvm")]
    Kvm,
    /// QEMU with macOS's virtualisation.
    #[xml("hvf")]
    Hvf,
    /// Xen.
    #[xml("xen")]
    Xen,
    /// Linux containers.
    #[xml("lxc")]
    Lxc,
    /// User-mode Linux.
    #[xml("uml")]
    Uml,
    /// OpenVZ.
    #[xml("openvz")]
    OpenVz,
    /// The test driver.
    #[xml("test")]
    Test,
    /// VMware.
    #[xml("vmware")]
    VmWare,
    /// Hyper-V.
    #[xml("hyperv")]
    HyperV,
    /// VirtualBox.
    #[xml("vbox")]
    VBox,
    /// IBM Power's hypervisor.
    #[xml("phyp")]
    Phyp,
    /// Parallels.
    #[xml("parallels")]
    Parallels,
    /// FreeBSD's hypervisor.
    #[xml("bhyve")]
    Bhyve,
    /// Virtuozzo.
    #[xml("vz")]
    Vz,
}

/// `<genid>`: a number that changes whenever the guest goes back in time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "genid")]
pub struct GenId {
    /// `None` leaves the choice to the daemon.
    #[xml(text)]
    pub uuid: Option<Uuid>,
}

/// `<resource>`: the host's group of resources that a domain belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "resource")]
pub struct Resource {
    /// The cgroup partition, an absolute path.
    #[xml(value = "partition")]
    pub partition: Option<String>,
    #[xml(child = "fibrechannel")]
    pub fibre_channel: Option<FibreChannel>,
}

/// `<fibrechannel appid='…'/>`: the tag of the guest's storage traffic.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "fibrechannel")]
pub struct FibreChannel {
    #[xml(attr = "appid")]
    pub app_id: String,
}
