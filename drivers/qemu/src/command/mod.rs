//! A live document as QEMU's command line, libvirt's word for word.
//!
//! Nothing here opens, runs or asks anything. A start goes
//!
//! ```text
//!  live document ─ requirements() ─► what the host must provide ─ caller opens and spawns ─► Named descriptors
//!  live document + capabilities + CommandContext (with those descriptors) ─ build() ─► CommandLine
//! ```
//! [`requirements`] lists, in the order of the document, what a device wants of the host. Some of it is needed (a tap, a
//! TPM emulator's socket): without its descriptor or process QEMU or [`build`] fails. Some can be left to QEMU
//! ([`Requirement::is_needed`] is false): a channel's listening socket that nobody opened is made by QEMU from its path.
//! Ports of VNC and SPICE servers, paths of sockets, PCI addresses and aliases stand in the document before either
//! function is called.
//!
//! For what QEMU has no arguments, [`settings`] gives commands for its monitor; they belong before the guest runs.
//!
//! An element that cannot be honoured is refused with [`Code::ConfigUnsupported`](error::Code::ConfigUnsupported) and its
//! name; nothing is left out silently.

mod address;
mod blockdev;
mod boot;
mod chardev;
mod clock;
mod controller;
mod cpu;
mod disk;
mod disk_identity;
mod filesystem;
mod firmware;
mod graphics;
mod hostdev;
mod input;
mod interface;
mod iommu;
mod iothread;
mod launch_security;
mod line;
mod machine;
mod memory;
mod memory_module;
mod numa;
mod passthrough;
mod pretend;
mod redirdev;
mod requirement;
mod rng;
mod secret;
mod serial;
mod settings;
mod shmem;
mod smbios;
mod sound;
mod throttle;
mod tls;
mod tpm;
mod transient;
mod video;
mod watchdog;

use crate::binary::BinaryCaps;
use error::Result;
use model::CpuSet;
use model::domain::Domain;
use std::path::{Path, PathBuf};

pub(crate) use blockdev::sources;
pub(crate) use blockdev::{DiskNumbers, disk_numbers};
pub use memory::{has_huge_pages, has_memory_in_files};
pub use pretend::Answers;
pub use requirement::{Provision, Requirement, Role, requirements};
pub use secret::{Secret, SecretNeed};
pub(crate) use settings::throttle_setting;
pub use settings::{Setting, settings};
pub use tls::{Certificates, Encryption, Sasl};
pub(crate) use transient::{is_covered, overlay_name};

/// What is known of one run beside its document.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// The run's number.
    pub id: i32,
    /// The folder of this run.
    pub domain_dir: PathBuf,
    /// The folder of its channels' sockets.
    pub channel_dir: PathBuf,
    /// The number QEMU knows its monitor's listening socket by; it makes the socket itself where there is none.
    pub monitor_fd: Option<i32>,
    /// Whether QEMU confines itself with seccomp.
    pub sandbox: bool,
    /// Whether QEMU marks its messages with the time.
    pub log_timestamp: bool,
    /// Whether the guest's memory goes into core dumps of QEMU, where the document does not say.
    pub dump_guest_core: bool,
    /// Whether VNC servers without a password of their own get one from the configuration.
    pub vnc_password: bool,
    /// The same of SPICE servers; one without any password lets everybody in.
    pub spice_password: bool,
    /// How connections are protected; the document is settled by it.
    pub encryption: Encryption,
    /// The folder of the run's memory that lies in files.
    pub memory_dir: PathBuf,
    /// Folders of the run in the host's file systems of huge pages, the one with the default size first.
    pub huge_pages: Vec<HugePages>,
    /// The file with the run's master key, 32 bytes; none where there are no secrets.
    pub master_key: Option<PathBuf>,
    /// Secrets that answer [`requirements`].
    pub secrets: Vec<Secret>,
    /// Devices whose process runs or whose device of the host was taken, by alias: what descriptors cannot tell of
    /// [`requirements`].
    pub provided: Vec<String>,
    /// Descriptors that answer [`requirements`].
    pub descriptors: Vec<Named>,
    /// What was found on the host where the document leaves it to the host.
    pub found: Found,
}

/// What was found on the host for one run.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The host's nodes for memory whose placement is "auto"; all where nobody advises.
    pub numa_nodes: Option<CpuSet>,
    /// The node that displays with OpenGL are drawn by, where the document names none.
    pub render_node: Option<PathBuf>,
    /// The nodes of SCSI units that are passed through, by the devices' aliases.
    pub scsi_nodes: Vec<(String, PathBuf)>,
    /// Block devices in CD drives of the guest that are no drives themselves: QEMU asks those of the host for their medium.
    pub other_blocks: Vec<PathBuf>,
    /// Where a guest that starts as it was elsewhere comes from, as QEMU names it.
    pub incoming: Option<String>,
}

/// The run's folder in one of the host's file systems of huge pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePages {
    /// Size of a page in KiB.
    pub page_kib: u64,
    /// The folder.
    pub folder: PathBuf,
}

/// Descriptors for one device, by the numbers QEMU knows them by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The device.
    pub alias: String,
    /// What they are for.
    pub role: Role,
    /// The numbers; as many as the requirement asks for.
    pub numbers: Vec<i32>,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The binary, absolute.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that the document adds to [`environment`].
    pub environment: Vec<(String, String)>,
}

/// QEMU's environment: nothing of the daemon's but the search path and the user's name.
pub fn environment(domain_dir: &Path) -> Vec<(String, String)> {
    let folder = domain_dir.display().to_string();
    let mut environment = vec![("LC_ALL".to_owned(), "C".to_owned())];
    for (name, default) in [
        (
            "PATH",
            Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ),
        ("USER", None),
        ("LOGNAME", None),
    ] {
        let value = std::env::var(name).ok().or_else(|| default.map(str::to_owned));
        environment.extend(value.map(|value| (name.to_owned(), value)));
    }
    environment.push(("HOME".to_owned(), folder.clone()));
    for (name, below) in [
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_CONFIG_HOME", ".config"),
    ] {
        environment.push((name.to_owned(), format!("{folder}/{below}")));
    }
    environment
}

/// The socket that passt of an interface listens on.
pub fn passt_socket(domain_dir: &Path, alias: &str) -> PathBuf {
    domain_dir.join(format!("{alias}.passt.socket"))
}

/// The socket that the TPM emulator listens on.
pub fn swtpm_socket(domain_dir: &Path, alias: &str) -> PathBuf {
    domain_dir.join(format!("{alias}.swtpm.sock"))
}

/// The socket that the virtiofsd of a file system listens on.
pub fn virtiofsd_socket(domain_dir: &Path, alias: &str) -> PathBuf {
    domain_dir.join(format!("{alias}-fs.sock"))
}

/// The command line of a completed document with aliases.
///
/// # Errors
/// [`Code::ConfigUnsupported`](error::Code::ConfigUnsupported) naming the element that this QEMU or this daemon cannot
/// honour; [`Code::InternalError`](error::Code::InternalError) for a document that is not completed.
pub fn build(domain: &Domain, caps: &BinaryCaps, context: &CommandContext) -> Result<CommandLine> {
    machine::check(domain)?;
    requirement::check(domain, context)?;
    let mut line = line::Line::new(domain, caps, context);
    line.option(
        "-name",
        line::KeyValues::new()
            .set("guest", &domain.name)
            .set("debug-threads", "on")
            .finish(),
    );
    line.deprecation();
    line.flag("-S");
    line.master_key();
    line.firmware_layers()?;
    line.machine()?;
    line.tseg()?;
    line.cpu()?;
    line.firmware()?;
    line.memory()?;
    line.smp()?;
    line.iothreads();
    line.throttle_groups();
    line.numa()?;
    if let Some(uuid) = domain.uuid {
        line.option("-uuid", uuid.to_string());
    }
    line.generation()?;
    line.smbios()?;
    line.display_none();
    line.flag("-no-user-config");
    line.flag("-nodefaults");
    line.monitor();
    line.clock()?;
    line.flag("-no-shutdown");
    line.power()?;
    line.boot()?;
    devices(&mut line)?;
    line.passthrough();
    line.sandbox();
    line.late_devices()?;
    line.message_time();
    Ok(line.finish())
}

/// Devices, in the order in which QEMU must know them: buses before what sits on them.
fn devices(line: &mut line::Line<'_>) -> Result<()> {
    line.iommu()?;
    line.controllers()?;
    line.hubs()?;
    line.memory_modules()?;
    line.disks()?;
    line.filesystems()?;
    line.interfaces()?;
    line.smartcards()?;
    line.serials()?;
    line.parallels()?;
    line.channels()?;
    line.consoles()?;
    line.tpms()?;
    line.inputs()?;
    line.audios();
    line.graphics()?;
    line.videos()?;
    line.sounds()?;
    line.watchdogs()?;
    line.redirdevs()?;
    line.hostdevs()?;
    line.incoming();
    line.balloon()?;
    line.rngs()?;
    line.notes()?;
    line.launch_security()?;
    refuse(line.domain)
}

/// Devices that are not built yet.
fn refuse(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    if devices.nvram.is_some() {
        return Err(line::unsupported(
            "<nvram>: guests with such a device are not supported yet",
        ));
    }
    let others = [("keywrap", domain.key_wrap.is_some())];
    match others.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(line::unsupported(format!("<{name}> is not supported yet"))),
        None => Ok(()),
    }
}
