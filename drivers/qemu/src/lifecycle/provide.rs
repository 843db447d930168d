//! What the host gives a guest before it starts, and what is learnt from its QEMU afterwards.
//!
//! Everything here ends up in the live document, so that the arguments and the next daemon both follow from it.

use super::descriptors::Descriptors;
use super::transient::{self, Overlay};
use super::{COMMAND_WAIT, Resources, macvtap, monitor_error, passt, scripts, status, vhost_scsi, vsock};
use super::{huge_pages, tpm};
use crate::command::{self, HugePages, Named, Provision, Requirement};
use crate::config::QemuConfig;
use crate::domain::{Document, Paused, RunState};
use crate::ownership::{self, Owned};
use crate::ports::{Port, Ports};
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::Host;
use model::domain::Domain as Model;
use model::domain::devices::Address;
use model::domain::devices::chardev::{ChannelState, ChannelTarget, SourceMode, UnixSource};
use model::domain::devices::disk::SgIo;
use model::domain::devices::graphics::{ChannelMode, Listen};
use model::domain::devices::memballoon::BalloonModel;
use model::domain::devices::{CharSource, Graphics};
use qmp::Monitor;
use std::fs;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xml::YesNo;

/// The number QEMU knows its monitor's socket by.
const MONITOR_FD: i32 = 3;

/// Where one run takes place.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The folder of this run.
    pub domain_dir: PathBuf,
    /// The folder of its channels' sockets.
    pub channel_dir: PathBuf,
    /// The folder of its memory, where that lies in files.
    pub memory_dir: PathBuf,
    /// The host.
    pub host: Host,
    /// The run's folders in file systems of huge pages.
    pub huge_pages: Vec<PathBuf>,
    /// The monitor's socket.
    pub monitor: PathBuf,
    /// The status document.
    pub status: PathBuf,
    /// What it is started from.
    pub origin: Arc<Document>,
    /// The user and group QEMU runs as, where not the daemon's own.
    pub identity: Option<(u32, u32)>,
    /// UEFI variables are made anew.
    pub reset_nvram: bool,
    /// Images that take what is written to transient disks.
    pub overlays: Vec<Overlay>,
    /// For emulated TPMs.
    pub tpm: tpm::Ground,
}

/// What QEMU is handed.
#[derive(Debug)]
pub(crate) struct Provided {
    /// Descriptors and the numbers QEMU will know them by.
    pub descriptors: Vec<(OwnedFd, i32)>,
    /// The monitor's number.
    pub monitor_fd: i32,
    /// Descriptors for devices, by alias.
    pub named: Vec<Named>,
    /// Devices that a process serves, by alias.
    pub served: Vec<String>,
    /// The run's folders of huge pages.
    pub huge_pages: Vec<HugePages>,
}

pub(super) fn failed(what: &str, path: &Path, err: std::io::Error) -> Error {
    Error::new(
        Code::OperationFailed,
        ErrorDomain::Qemu,
        format!("cannot {what} '{}': {err}", path.display()),
    )
    .caused_by(err)
}

/// Refuses disks whose guest wants to send more SCSI commands than anybody may: QEMU is not given the power to pass them on.
///
/// # Errors
/// [`Code::NoSupport`] with the first of them.
fn refuse_raw_commands(model: &Model) -> Result<()> {
    for disk in &model.devices.disks {
        let asked = match (disk.rawio, disk.sgio) {
            (Some(YesNo::Yes), _) => "rawio='yes'",
            (_, Some(SgIo::Unfiltered)) => "sgio='unfiltered'",
            _ => continue,
        };
        let text = format!("<disk {asked}> of '{}' is not supported yet", disk.target.dev);
        return Err(Error::new(Code::NoSupport, ErrorDomain::Qemu, text));
    }
    Ok(())
}

/// Makes and reserves what the run needs. Blocks on the disk.
///
/// # Errors
/// What the host refuses; `resources` then gives back what was made.
pub(crate) fn before_start(
    model: &mut Model,
    ground: &Ground,
    ports: &GraphicsPorts,
    config: &QemuConfig,
    mut opened: Descriptors,
    resources: &mut Resources,
) -> Result<Provided> {
    scripts::check(model)?;
    refuse_raw_commands(model)?;
    let huge_pages = if command::has_huge_pages(model) {
        huge_pages::provide(&ground.host, &ground.huge_pages, ground.identity)?
    } else {
        Vec::new()
    };
    let memory = command::has_memory_in_files(model).then_some(&ground.memory_dir);
    for folder in [&ground.domain_dir, &ground.channel_dir]
        .into_iter()
        .chain(memory)
    {
        // A folder of that id can only be a left-over of an earlier boot: ids begin anew.
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|err| failed("remove the left-over folder", folder, err))?;
        }
        daemon::durable::create_folder(folder, 0o700)
            .map_err(|err| failed("create the folder", folder, err))?;
        own(folder, ground.identity)?;
    }
    super::launch_security::write(model, &ground.domain_dir, ground.identity)?;
    channels(model, &ground.channel_dir);
    if let Some(wanted) = command::requirements(model).into_iter().find(|wanted| {
        wanted.is_needed() && !opened.has(&wanted.alias) && !is_provided_otherwise(model, wanted)
    }) {
        let text = format!(
            "device '{}' needs of the host what this daemon does not provide yet: {:?}",
            wanted.alias, wanted.what
        );
        return Err(Error::new(Code::NoSupport, ErrorDomain::Qemu, text));
    }
    graphics(model, &ground.domain_dir, ports, config, resources)?;
    vsock::open(model, &mut opened)?;
    vhost_scsi::open(model, &ground.host, &mut opened)?;
    nvram(model, ground)?;
    let changing_hands = match ground.identity {
        Some(_) if config.dynamic_ownership => Owned::of(model, resources.host_devices.changing_hands()),
        _ => Vec::new(),
    };
    // Before there is a process: a daemon that dies from here on is followed by one that looks for it.
    let starting = status::Snapshot {
        run: RunState::Paused(Paused::StartingUp),
        pid: None,
        bound: false,
        monitor: &ground.monitor,
        helpers: &resources.helper_pids(),
        volumes: &[],
        owned: &changing_hands,
        assigned: resources.host_devices.assigned(),
        leases: None,
        origin: &ground.origin.text,
        document: &model.to_xml(),
    };
    status::write(&ground.status, &starting.to_text())?;
    resources.host_devices.take()?;
    transient::make(&ground.overlays, &mut resources.overlays)?;
    for overlay in &resources.overlays {
        own(overlay, ground.identity)?;
    }
    if let Some(identity) = ground.identity {
        resources.remembers_owners = config.remember_owner;
        for owned in changing_hands {
            // What does not go back is nobody's to remember: others may use it for longer.
            let remember = config.remember_owner && owned.returns;
            let to = match owned.label.as_deref() {
                Some(label) => ownership::parse(label)?,
                None => identity,
            };
            ownership::give(&owned.path, to, remember)?;
            resources.owned.push(owned);
        }
    }
    macvtap::make(model, &ground.domain_dir, &mut opened, &mut resources.macvtaps)?;
    scripts::up(model, &mut resources.down_scripts)?;
    let mut served = tpm::start(model, &ground.tpm, resources)?;
    served.extend(passt::start(
        model,
        &ground.domain_dir,
        ground.identity,
        resources,
    )?);
    served.extend(resources.host_devices.provided.iter().cloned());
    let listener = UnixListener::bind(&ground.monitor)
        .map_err(|err| failed("bind the monitor", &ground.monitor, err))?;
    own(&ground.monitor, ground.identity)?;
    let (mut descriptors, named) = opened.number(MONITOR_FD + 1);
    descriptors.push((listener.into(), MONITOR_FD));
    Ok(Provided {
        descriptors,
        monitor_fd: MONITOR_FD,
        named,
        served,
        huge_pages,
    })
}

/// Whether it is not among what was opened before, and is there nevertheless when QEMU is started.
fn is_provided_otherwise(model: &Model, wanted: &Requirement) -> bool {
    match wanted.what {
        Provision::TpmEmulator | Provision::Passt | Provision::VhostVsock | Provision::VhostScsi => true,
        // It was found before.
        Provision::HostDevice => true,
        // Its absence was told already.
        Provision::FdGroup(_) | Provision::Secret(_) => true,
        Provision::Tap(_) => macvtap::is_one(model, &wanted.alias),
        _ => false,
    }
}

/// Gives a file or folder to the user a process runs as.
pub(super) fn own(path: &Path, identity: Option<(u32, u32)>) -> Result<()> {
    let Some((user, group)) = identity else {
        return Ok(());
    };
    std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(|err| failed("give away", path, err))
}

/// Names the sockets of channels whose document names none.
pub(super) fn channels(model: &mut Model, folder: &Path) {
    for channel in &mut model.devices.channels {
        let name = match (channel.name(), &channel.info.address) {
            (Some(name), _) => name.to_owned(),
            // What has no name is known by its place.
            (None, Some(Address::VirtioSerial(at))) => {
                format!("vioser-{:02}-{:02}-{:02}.sock", at.controller, at.bus, at.port)
            }
            (None, _) => "channel".to_owned(),
        };
        if let ChannelTarget::Virtio { state, .. } = &mut channel.target {
            *state = Some(ChannelState::Disconnected);
        }
        let CharSource::Unix { source } = &mut channel.source else {
            continue;
        };
        let source = source.get_or_insert_with(|| UnixSource {
            mode: SourceMode::Bind,
            path: None,
            reconnect: None,
            seclabels: Vec::new(),
        });
        if source.path.is_none() {
            source.path = Some(folder.join(name.replace('/', "_")).display().to_string());
        }
    }
}

/// The ports that graphics servers may take.
#[derive(Debug, Clone)]
pub(crate) struct GraphicsPorts {
    /// VNC and SPICE.
    pub display: Arc<Ports>,
    /// VNC over WebSocket.
    pub websocket: Arc<Ports>,
}

impl GraphicsPorts {
    /// Those that a live document occupies.
    pub(crate) fn of(&self, model: &Model) -> Vec<Port> {
        let mut taken = Vec::new();
        let mut take = |port: Option<i32>, from: &Arc<Ports>| {
            if let Some(port) = port
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port != 0)
            {
                taken.push(from.exactly(port));
            }
        };
        for server in &model.devices.graphics {
            match server {
                Graphics::Vnc(vnc) => {
                    take(vnc.port, &self.display);
                    take(vnc.websocket, &self.websocket);
                }
                Graphics::Spice(spice) => {
                    take(spice.port, &self.display);
                    take(spice.tls_port, &self.display);
                }
                _ => {}
            }
        }
        taken
    }

    /// The ranges that the configuration gives.
    pub(crate) fn new(config: &QemuConfig) -> Self {
        let (display, websocket) = ranges(config);
        Self {
            display: Ports::new("display", display),
            websocket: Ports::new("WebSocket", websocket),
        }
    }

    /// The configuration has changed.
    pub(crate) fn change(&self, config: &QemuConfig) {
        let (display, websocket) = ranges(config);
        self.display.change_range(display);
        self.websocket.change_range(websocket);
    }
}

fn ranges(config: &QemuConfig) -> (RangeInclusive<u16>, RangeInclusive<u16>) {
    (
        config.remote_display_port_min..=config.remote_display_port_max,
        config.remote_websocket_port_min..=config.remote_websocket_port_max,
    )
}

/// Chooses ports and addresses of graphics servers.
pub(super) fn graphics(
    model: &mut Model,
    domain_dir: &Path,
    ports: &GraphicsPorts,
    config: &QemuConfig,
    resources: &mut Resources,
) -> Result<()> {
    for server in &mut model.devices.graphics {
        let (default, prefers_socket) = match server {
            Graphics::Vnc(_) => (config.vnc_listen.as_str(), config.vnc_auto_unix_socket),
            Graphics::Spice(_) => (config.spice_listen.as_str(), config.spice_auto_unix_socket),
            _ => (config.spice_listen.as_str(), false),
        };
        let kind = server.kind();
        if let Some(listens) = server.listens_mut() {
            if listens.is_empty() {
                listens.push(Listen::Address { address: None });
            }
            for listen in listens.iter_mut() {
                if prefers_socket && *listen == (Listen::Address { address: None }) {
                    *listen = Listen::Socket { socket: None };
                }
                match listen {
                    Listen::Address { address } if address.is_none() => *address = Some(default.to_owned()),
                    Listen::Socket { socket } if socket.is_none() => {
                        *socket = Some(domain_dir.join(format!("{kind}.sock")).display().to_string());
                    }
                    Listen::Network { address: None, .. } => {
                        let text = "<graphics>: <listen type='network'> names no network";
                        return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
                    }
                    _ => {}
                }
            }
        }
        let on_tcp = server
            .listens()
            .iter()
            .any(|listen| matches!(listen, Listen::Address { .. } | Listen::Network { .. }));
        let mut choose = |wanted: &mut Option<i32>, from: &Arc<Ports>| -> Result<()> {
            let port = match wanted
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port != 0)
            {
                Some(port) => from.exactly(port),
                None => from.any()?,
            };
            *wanted = Some(i32::from(port.number()));
            resources.ports.push(port);
            Ok(())
        };
        match server {
            Graphics::Vnc(vnc) if on_tcp => {
                choose(&mut vnc.port, &ports.display)?;
                if vnc.websocket.is_some() {
                    choose(&mut vnc.websocket, &ports.websocket)?;
                }
            }
            Graphics::Spice(spice) if on_tcp => {
                choose(&mut spice.port, &ports.display)?;
                let left_open = match spice.tls_port {
                    None => spice.autoport == Some(YesNo::Yes),
                    Some(port) => port == -1,
                };
                let wanted = spice.default_mode != Some(ChannelMode::Insecure);
                if config.spice_tls && left_open && wanted {
                    choose(&mut spice.tls_port, &ports.display)?;
                }
            }
            _ => {}
        }
        if let Some(listens) = server.listens_mut()
            && let Some(
                Listen::Address {
                    address: Some(address),
                }
                | Listen::Network {
                    address: Some(address),
                    ..
                },
            ) = listens.first()
        {
            // Old readers look for it there.
            let address = address.clone();
            match server {
                Graphics::Vnc(vnc) => vnc.listen = Some(address),
                Graphics::Spice(spice) => spice.listen = Some(address),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Makes the file of UEFI variables from its template, where it is missing or to be made anew.
fn nvram(model: &Model, ground: &Ground) -> Result<()> {
    let Some(nvram) = model.os.nvram.as_ref() else {
        return Ok(());
    };
    let Some(path) = nvram.file() else {
        return Ok(());
    };
    let path = Path::new(path);
    if path.exists() && !ground.reset_nvram {
        return Ok(());
    }
    let loader = model.os.loader.as_ref();
    let Some(template) = nvram.template.as_deref().map(Path::new) else {
        let code = loader
            .and_then(|loader| loader.path.as_deref())
            .unwrap_or_default();
        let text = format!("unable to find any master var store for loader: {code}");
        return Err(Error::new(Code::OperationFailed, ErrorDomain::Qemu, text));
    };
    if nvram
        .template_format
        .is_some_and(|format| Some(format) != nvram.format)
    {
        let text = "conversion of the nvram template to another target format is not supported";
        return Err(Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text));
    }
    let variables =
        fs::read(template).map_err(|err| failed("read the UEFI variables' template", template, err))?;
    if let Some(folder) = path.parent() {
        daemon::durable::create_folder(folder, 0o755)
            .map_err(|err| failed("create the folder", folder, err))?;
    }
    daemon::durable::replace_with_mode(path, &variables, 0o600).map_err(|err| failed("write", path, err))?;
    own(path, ground.identity)
}

/// Puts into the live document what only QEMU knows: the terminals it opened.
///
/// # Errors
/// What the monitor says.
pub(crate) async fn learn(model: &mut Model, monitor: &Monitor) -> Result<()> {
    let is_pty = |source: &CharSource| matches!(source, CharSource::Pty { .. });
    if !model.devices.chars().any(|(_, source)| is_pty(source)) {
        return Ok(());
    }
    let opened = monitor.query_chardev(COMMAND_WAIT).await.map_err(monitor_error)?;
    for (info, source) in model.devices.chars_mut() {
        let CharSource::Pty { source } = source else {
            continue;
        };
        let label = format!("char{}", info.alias_name().unwrap_or_default());
        let path = opened
            .iter()
            .find(|one| one.label == label)
            .and_then(|one| one.pty());
        if let Some(path) = path {
            source.get_or_insert_default().path = Some(path.to_owned());
        }
    }
    for console in &mut model.devices.consoles {
        console.tty = match &console.source {
            CharSource::Pty { source: Some(source) } => source.path.clone(),
            _ => None,
        };
    }
    Ok(())
}

/// Where the guest agent of a live document is reached.
pub(crate) fn agent_path(model: &Model) -> Option<PathBuf> {
    model
        .devices
        .channels
        .iter()
        .find(|channel| channel.is_guest_agent() && matches!(channel.source, CharSource::Unix { .. }))
        .and_then(|channel| channel.source.path().map(PathBuf::from))
}

/// Tells QEMU what does not stand in its arguments: passwords, which everybody could read there, and the memory the
/// guest begins with.
///
/// # Errors
/// What the monitor says.
pub(crate) async fn after_start(model: &Model, monitor: &Monitor, config: &QemuConfig) -> Result<()> {
    for setting in crate::command::settings(model) {
        monitor
            .execute::<serde::de::IgnoredAny>(setting.command, setting.arguments, COMMAND_WAIT)
            .await
            .map_err(monitor_error)?;
    }
    for server in &model.devices.graphics {
        let (protocol, access, default) = match server {
            Graphics::Vnc(vnc) => ("vnc", &vnc.access, config.vnc_password.as_ref()),
            Graphics::Spice(spice) => ("spice", &spice.access, config.spice_password.as_ref()),
            _ => continue,
        };
        if let Some(password) = access.passwd.as_ref().or(default) {
            monitor
                .set_password(protocol, password, None, COMMAND_WAIT)
                .await
                .map_err(monitor_error)?;
            if let Some(until) = access.passwd_valid_to.as_deref() {
                let until = seconds_of(until)?.to_string();
                monitor
                    .expire_password(protocol, &until, COMMAND_WAIT)
                    .await
                    .map_err(monitor_error)?;
            }
        }
    }
    if let Some(current) = model.current_memory
        && current.0 < model.memory.size.0
        && model
            .devices
            .memballoon
            .as_ref()
            .is_some_and(|balloon| balloon.model != BalloonModel::None)
    {
        monitor
            .balloon(current.bytes(), COMMAND_WAIT)
            .await
            .map_err(monitor_error)?;
    }
    Ok(())
}

/// The seconds since 1970 of a document's time, which is UTC.
fn seconds_of(text: &str) -> Result<i64> {
    let time = text
        .parse::<jiff::civil::DateTime>()
        .and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time));
    time.map(jiff::Timestamp::as_second).map_err(|err| {
        let text = format!("<graphics>: passwdValidTo '{text}' is no time: {err}");
        Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_disk_is_promised_more_commands_than_it_gets() {
        let outcome = |attribute: &str| {
            let document = format!(
                "<domain type='qemu'><name>a</name><memory>1000</memory><os><type>hvm</type></os><devices>\
                 <disk type='block' device='lun' {attribute}><source dev='/dev/sda'/><target dev='sda' bus='scsi'/></disk>\
                 </devices></domain>"
            );
            refuse_raw_commands(&Model::from_xml(&document).unwrap()).map_err(|err| err.code())
        };
        assert_eq!(outcome("rawio='yes'"), Err(Code::NoSupport));
        assert_eq!(outcome("sgio='unfiltered'"), Err(Code::NoSupport));
        assert_eq!(outcome("rawio='no' sgio='filtered'"), Ok(()));
    }

    #[test]
    fn a_time_without_zone_is_utc() {
        assert_eq!(seconds_of("2010-04-09T15:51:00").unwrap(), 1_270_828_260);
        assert!(seconds_of("tomorrow").is_err());
    }
}
