//! What a document's devices want of the host before QEMU starts.

use super::CommandContext;
use super::line::unsupported;
use super::secret::SecretNeed;
use error::Result;
use model::domain::Domain;
use model::domain::devices::chardev::{CharSource, ConsoleTargetType, SourceMode};
use model::domain::devices::disk_source::DiskSource;
use model::domain::devices::filesystem::{FilesystemKind, FsDriverType};
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::interface::{BackendType, InterfaceDriverName, InterfaceKind};
use model::domain::devices::tpm::TpmBackendKind;
use model::domain::devices::video::VideoDriverName;
use model::domain::devices::{Devices, Interface};
use std::path::PathBuf;
use xml::OnOff;

/// What a descriptor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Queues of a tap or macvtap.
    Tap,
    /// `/dev/vhost-net`, `/dev/vhost-vsock` or `/dev/vhost-scsi`.
    Vhost,
    /// A listening socket.
    Listen,
    /// A connected socket of a process that serves the device.
    Connected,
    /// A file that takes what the guest writes.
    Output,
    /// The copy of what the guest writes.
    Log,
    /// A device node.
    Node,
    /// The node by which a TPM's command is given up.
    Cancel,
    /// Descriptors that a client gave under the name that stands for the device.
    Group,
}

/// One thing the host must provide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The device.
    pub alias: String,
    /// What it wants.
    pub what: Provision,
}

/// Kinds of provisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provision {
    /// A listening stream socket of that path, as [`Role::Listen`]. QEMU makes it itself where none is given.
    ListeningSocket(PathBuf),
    /// That many queues of the interface's tap or macvtap, as [`Role::Tap`].
    Tap(usize),
    /// That many `/dev/vhost-net`, as [`Role::Vhost`]; packets go through QEMU where none is given.
    VhostNet(usize),
    /// passt, listening on [`passt_socket`](super::passt_socket).
    Passt,
    /// swtpm, listening on [`swtpm_socket`](super::swtpm_socket).
    TpmEmulator,
    /// The TPM's node as [`Role::Node`] and its cancel file as [`Role::Cancel`].
    Tpm(PathBuf),
    /// virtiofsd, listening on [`virtiofsd_socket`](super::virtiofsd_socket).
    Virtiofsd,
    /// A vhost-user graphics process, connected, as [`Role::Connected`].
    VhostUserGpu,
    /// `/dev/vhost-vsock` with the guest's address set, as [`Role::Vhost`].
    VhostVsock,
    /// `/dev/vhost-scsi`, as [`Role::Vhost`].
    VhostScsi,
    /// The vDPA node at that path, as [`Role::Node`].
    Vdpa(PathBuf),
    /// A file for what the guest writes, as [`Role::Output`]; QEMU opens it itself where none is given.
    OutputFile {
        /// Where it is.
        path: PathBuf,
        /// Whether what it holds stays.
        append: bool,
    },
    /// A file for a copy of what the guest writes, as [`Role::Log`]; QEMU opens it itself where none is given.
    LogFile {
        /// Where it is.
        path: PathBuf,
        /// Whether what it holds stays.
        append: bool,
    },
    /// A secret, among [`CommandContext::secrets`](super::CommandContext::secrets).
    Secret(SecretNeed),
    /// A device of the host, taken from its driver.
    HostDevice,
    /// The descriptors that a client gave under that name, as [`Role::Group`] of that name.
    FdGroup(String),
}

impl Requirement {
    /// Whether the guest cannot start without it.
    pub fn is_needed(&self) -> bool {
        !matches!(
            self.what,
            Provision::ListeningSocket(_)
                | Provision::VhostNet(_)
                | Provision::OutputFile { .. }
                | Provision::LogFile { .. }
        )
    }
}

/// Refuses devices whose process or host device is not there; descriptors are asked for where they are used.
pub(super) fn check(domain: &Domain, context: &CommandContext) -> Result<()> {
    for Requirement { alias, what } in requirements(domain) {
        let element = match what {
            Provision::Passt => "<backend type='passt'>: passt",
            Provision::TpmEmulator => "<tpm>: the TPM emulator swtpm",
            Provision::Virtiofsd => "<filesystem>: virtiofsd",
            Provision::HostDevice => "<hostdev>: the device of the host",
            _ => continue,
        };
        if !context.provided.contains(&alias) {
            return Err(unsupported(format!("{element} was not provided for '{alias}'")));
        }
    }
    Ok(())
}

/// What the devices of a live document want of the host, in the document's order.
pub fn requirements(domain: &Domain) -> Vec<Requirement> {
    let devices = &domain.devices;
    let mut wanted = Vec::new();
    let mut want = |alias: Option<&str>, what| {
        wanted.push(Requirement {
            alias: alias.unwrap_or_default().to_owned(),
            what,
        });
    };
    for disk in &devices.disks {
        if let DiskSource::VhostVdpa { source: Some(source) } = &disk.source {
            want(disk.info.alias_name(), Provision::Vdpa((&source.dev).into()));
        }
        for group in super::blockdev::sources(disk)
            .into_iter()
            .filter_map(DiskSource::fd_group)
        {
            want(disk.info.alias_name(), Provision::FdGroup(group.to_owned()));
        }
    }
    for (alias, need) in super::secret::needs(domain) {
        want(Some(&alias), Provision::Secret(need));
    }
    for filesystem in &devices.filesystems {
        let own_socket = matches!(&filesystem.kind, FilesystemKind::Mount { source: Some(source) } if source.socket.is_some());
        if filesystem.driver_type() == Some(FsDriverType::Virtiofs) && !own_socket {
            want(filesystem.info.alias_name(), Provision::Virtiofsd);
        }
    }
    for interface in &devices.interfaces {
        for what in of_interface(interface) {
            want(interface.info.alias_name(), what);
        }
    }
    for (alias, path) in listening(devices) {
        want(Some(alias), Provision::ListeningSocket(path.into()));
    }
    for (alias, what) in outputs(devices) {
        want(Some(alias), what);
    }
    for tpm in &devices.tpms {
        let alias = tpm.info.alias_name();
        match &tpm.backend.kind {
            TpmBackendKind::Emulator(_) => want(alias, Provision::TpmEmulator),
            TpmBackendKind::Passthrough { device } => {
                let path = device
                    .as_ref()
                    .and_then(|device| device.path.as_deref())
                    .unwrap_or("/dev/tpm0");
                want(alias, Provision::Tpm(path.into()));
            }
            TpmBackendKind::External { .. } => {}
        }
    }
    for video in &devices.videos {
        if video.driver.as_ref().and_then(|driver| driver.name) == Some(VideoDriverName::VhostUser) {
            want(video.info.alias_name(), Provision::VhostUserGpu);
        }
    }
    for hostdev in &devices.hostdevs {
        let alias = hostdev.info.alias_name();
        match hostdev.kind {
            HostdevKind::ScsiHost { .. } => want(alias, Provision::VhostScsi),
            _ => want(alias, Provision::HostDevice),
        }
    }
    if let Some(vsock) = &devices.vsock {
        want(vsock.info.alias_name(), Provision::VhostVsock);
    }
    wanted
}

fn of_interface(interface: &Interface) -> Vec<Provision> {
    let driver = interface.driver.as_ref();
    let queues = driver
        .and_then(|driver| driver.queues)
        .filter(|queues| *queues > 0)
        .unwrap_or(1);
    let queues = usize::try_from(queues).unwrap_or(1);
    let passt = interface.backend.as_ref().and_then(|backend| backend.kind) == Some(BackendType::Passt);
    match &interface.kind {
        InterfaceKind::User { .. } | InterfaceKind::VhostUser { .. } if passt => vec![Provision::Passt],
        InterfaceKind::Ethernet { .. }
        | InterfaceKind::Network { .. }
        | InterfaceKind::Bridge { .. }
        | InterfaceKind::Direct { .. } => {
            let mut wanted = vec![Provision::Tap(queues)];
            if interface.is_virtio()
                && driver.and_then(|driver| driver.name) != Some(InterfaceDriverName::Qemu)
            {
                wanted.push(Provision::VhostNet(queues));
            }
            wanted
        }
        InterfaceKind::Vdpa { source } => vec![Provision::Vdpa((&source.dev).into())],
        InterfaceKind::Hostdev { .. } => vec![Provision::HostDevice],
        _ => Vec::new(),
    }
}

/// The sockets of character devices on which QEMU is to listen.
fn listening(devices: &Devices) -> impl Iterator<Item = (&str, &str)> {
    let all = devices.all_chars();
    let mut seen = Vec::new();
    all.filter_map(move |(info, source)| match source {
        CharSource::Unix { source: Some(source) } if source.mode == SourceMode::Bind => {
            let (alias, path) = (info.alias_name()?, source.path.as_deref()?);
            // The first console may be the first serial port by another name.
            let first = !seen.contains(&alias);
            seen.push(alias);
            first.then_some((alias, path))
        }
        _ => None,
    })
}

/// The files that character devices write.
fn outputs(devices: &Devices) -> Vec<(&str, Provision)> {
    let serials = devices
        .serials
        .iter()
        .map(|device| (&device.info, &device.source, &device.log));
    let parallels = devices
        .parallels
        .iter()
        .map(|device| (&device.info, &device.source, &device.log));
    let channels = devices
        .channels
        .iter()
        .map(|device| (&device.info, &device.source, &device.log));
    // Others are a serial port by another name.
    let consoles = devices.consoles.iter().filter(|console| {
        console.target.as_ref().and_then(|target| target.kind) == Some(ConsoleTargetType::Virtio)
    });
    let consoles = consoles.map(|device| (&device.info, &device.source, &device.log));
    let mut wanted = Vec::new();
    for (info, source, log) in serials.chain(parallels).chain(channels).chain(consoles) {
        let Some(alias) = info.alias_name() else { continue };
        if let CharSource::File { source: Some(source) } = source
            && let Some(path) = &source.path
        {
            let append = source.append.is_some_and(OnOff::is_on);
            let path = path.into();
            wanted.push((alias, Provision::OutputFile { path, append }));
        }
        if let Some(log) = log {
            let append = log.append.is_none_or(OnOff::is_on);
            let path = (&log.file).into();
            wanted.push((alias, Provision::LogFile { path, append }));
        }
    }
    wanted
}
