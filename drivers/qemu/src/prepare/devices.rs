//! Devices that every machine of a kind has, and what a device's element leaves open.

use super::Facts;
use super::machine::{Board, Machine};
use error::Result;
use model::Mac;
use model::domain::Domain;
use model::domain::devices::audio::{Audio, AudioType};
use model::domain::devices::chardev::{
    ChannelTarget, Console, ConsoleTarget, ConsoleTargetType, SerialModel, SerialTarget, SerialTargetModel,
    SerialTargetType,
};
use model::domain::devices::graphics::Listen;
use model::domain::devices::info::VirtioModel;
use model::domain::devices::input::{InputBus, InputType};
use model::domain::devices::interface::{InterfaceKind, InterfaceMac, InterfaceModel};
use model::domain::devices::memballoon::BalloonModel;
use model::domain::devices::rng::RngBackend;
use model::domain::devices::tpm::{TpmBackendKind, TpmModel, TpmVersion};
use model::domain::devices::video::{VideoModel, VideoType};
use model::domain::devices::watchdog::{PanicModel, WatchdogAction, WatchdogModel};
use model::domain::devices::{CharSource, DeviceInfo, Devices, Graphics, Input, MemBalloon, Video, Watchdog};
use xml::YesNo;

/// Completes devices in the order in which libvirt lists them.
pub(super) fn complete(domain: &mut Domain, machine: &Machine, _facts: &Facts) -> Result<()> {
    let devices = &mut domain.devices;
    devices.disks.iter_mut().for_each(super::disks::complete);
    interfaces(devices);
    serials(devices);
    consoles(devices);
    for channel in &mut devices.channels {
        // Whether somebody listens is only true of a run.
        if let ChannelTarget::Virtio { state, .. } = &mut channel.target {
            *state = None;
        }
    }
    inputs(devices, machine);
    graphics(devices);
    audio(devices);
    videos(devices);
    watchdogs(devices, machine);
    for panic in &mut devices.panics {
        panic.model.get_or_insert(PanicModel::Isa);
    }
    if let Some(vsock) = devices.vsock.as_mut() {
        vsock.model.get_or_insert(VirtioModel::Virtio);
        let cid = vsock.cid.get_or_insert_default();
        let chosen = if cid.address.is_some() {
            YesNo::No
        } else {
            YesNo::Yes
        };
        cid.auto.get_or_insert(chosen);
    }
    for tpm in &mut devices.tpms {
        let model = *tpm.model.get_or_insert(TpmModel::Tis);
        if let TpmBackendKind::Emulator(_) = tpm.backend.kind {
            let version = tpm
                .backend
                .version
                .filter(|version| *version != TpmVersion::Default);
            // The register interface is of the older standard, the other of the newer one.
            let default = if model == TpmModel::Crb {
                TpmVersion::V2_0
            } else {
                TpmVersion::V1_2
            };
            tpm.backend.version = Some(version.unwrap_or(default));
        }
    }
    for rng in &mut devices.rngs {
        if let RngBackend::Random { path } = &mut rng.backend {
            path.get_or_insert_with(|| "/dev/random".to_owned());
        }
    }
    devices
        .memballoon
        .get_or_insert_with(|| MemBalloon::new(BalloonModel::Virtio));
    Ok(())
}

fn interfaces(devices: &mut Devices) {
    for interface in &mut devices.interfaces {
        let mac = interface.mac.get_or_insert_with(InterfaceMac::default);
        mac.address.get_or_insert_with(random_mac);
        // A passed-through card is what it is.
        if !matches!(interface.kind, InterfaceKind::Hostdev { .. }) {
            interface.model.get_or_insert_with(|| InterfaceModel {
                kind: "rtl8139".to_owned(),
            });
        }
    }
}

/// An address of QEMU's own range, with the rest at random.
fn random_mac() -> Mac {
    let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    Mac::qemu([a, b, c])
}

fn serials(devices: &mut Devices) {
    let mut next = 0;
    for serial in &mut devices.serials {
        let target = serial.target.get_or_insert(SerialTarget {
            kind: None,
            port: None,
            model: None,
        });
        let kind = *target.kind.get_or_insert(SerialTargetType::Isa);
        let port = *target.port.get_or_insert(next);
        next = next.max(port + 1);
        let name = match kind {
            SerialTargetType::Isa => Some(SerialModel::IsaSerial),
            SerialTargetType::Usb => Some(SerialModel::UsbSerial),
            SerialTargetType::Pci => Some(SerialModel::PciSerial),
            _ => None,
        };
        if let (None, Some(name)) = (&target.model, name) {
            target.model = Some(SerialTargetModel { name });
        }
    }
    let mut next = 0;
    for parallel in &mut devices.parallels {
        let target = parallel
            .target
            .get_or_insert(model::domain::devices::chardev::ParallelTarget { port: None });
        next = *target.port.get_or_insert(next) + 1;
    }
}

/// The first serial port is the first console, and the other way round.
fn consoles(devices: &mut Devices) {
    let is_serial = |console: &Console| {
        matches!(
            console.target.as_ref().and_then(|target| target.kind),
            None | Some(ConsoleTargetType::Serial)
        )
    };
    let first_is_serial = devices.consoles.first().is_some_and(is_serial);
    if first_is_serial && devices.serials.is_empty() {
        // A console alone stands for a serial port.
        if let Some(console) = devices.consoles.first() {
            devices.serials.push(model::domain::devices::Serial {
                source: console.source.clone(),
                log: console.log.clone(),
                target: Some(SerialTarget {
                    kind: Some(SerialTargetType::Isa),
                    port: Some(0),
                    model: Some(SerialTargetModel {
                        name: SerialModel::IsaSerial,
                    }),
                }),
                info: DeviceInfo::default(),
            });
        }
    }
    let serial_target = || {
        Some(ConsoleTarget {
            kind: Some(ConsoleTargetType::Serial),
            port: Some(0),
        })
    };
    if let Some(serial) = devices.serials.first() {
        let is_isa = serial.target.as_ref().and_then(|target| target.kind) == Some(SerialTargetType::Isa);
        let mirror = Console {
            tty: None,
            source: serial.source.clone(),
            log: serial.log.clone(),
            target: serial_target(),
            info: DeviceInfo::default(),
        };
        if is_isa && first_is_serial {
            if let Some(console) = devices.consoles.first_mut() {
                *console = mirror;
            }
        } else if is_isa {
            devices.consoles.insert(0, mirror);
        }
    }
    for (index, console) in devices.consoles.iter_mut().enumerate() {
        let target = console.target.get_or_insert(ConsoleTarget {
            kind: None,
            port: None,
        });
        target.kind.get_or_insert(ConsoleTargetType::Serial);
        target.port.get_or_insert(u32::try_from(index).unwrap_or(0));
        if let CharSource::Pty { source } = &mut console.source {
            // The terminal is another one at each start.
            *source = None;
        }
    }
    for serial in &mut devices.serials {
        if let CharSource::Pty { source } = &mut serial.source {
            *source = None;
        }
    }
}

/// The board has a PS/2 mouse and keyboard.
fn inputs(devices: &mut Devices, machine: &Machine) {
    // The host's own devices hang on no bus.
    let on_bus = |input: &&mut Input| input.kind != InputType::Evdev;
    for input in devices.inputs.iter_mut().filter(on_bus) {
        let default = match input.kind {
            InputType::Tablet => InputBus::Usb,
            InputType::Passthrough => InputBus::Virtio,
            _ if machine.board == Board::Bare => InputBus::Usb,
            _ => InputBus::Ps2,
        };
        input.bus.get_or_insert(default);
    }
    if machine.board == Board::Bare {
        return;
    }
    for kind in [InputType::Mouse, InputType::Keyboard] {
        let there = devices
            .inputs
            .iter()
            .any(|input| input.kind == kind && input.bus == Some(InputBus::Ps2));
        if !there {
            devices.inputs.push(Input {
                kind,
                bus: Some(InputBus::Ps2),
                model: None,
                driver: None,
                source: None,
                info: DeviceInfo::default(),
            });
        }
    }
}

fn graphics(devices: &mut Devices) {
    for server in &mut devices.graphics {
        match server {
            Graphics::Vnc(vnc) => {
                let chosen = matches!(vnc.port, None | Some(-1));
                if chosen && vnc.socket.is_none() && !on_socket(&vnc.listens) {
                    vnc.port = Some(-1);
                    vnc.autoport = Some(YesNo::Yes);
                } else if vnc.port.is_some() {
                    vnc.autoport.get_or_insert(YesNo::No);
                }
                listen(&mut vnc.listens, &mut vnc.listen);
                if let Some(Listen::Socket { socket: Some(socket) }) = vnc.listens.first() {
                    vnc.socket = Some(socket.clone());
                }
            }
            Graphics::Spice(spice)
                if spice.port.is_none()
                    && spice.tls_port.is_none()
                    && spice.autoport != Some(YesNo::Yes)
                    && spice.listens.is_empty()
                    && spice.listen.is_none() =>
            {
                // Without a port there is nowhere to listen.
                spice.autoport = None;
                spice.listens.push(Listen::None);
            }
            Graphics::Spice(spice) => {
                if spice.port.is_none() && spice.tls_port.is_none() && !on_socket(&spice.listens) {
                    spice.autoport.get_or_insert(YesNo::Yes);
                }
                listen(&mut spice.listens, &mut spice.listen);
            }
            _ => {}
        }
    }
}

fn on_socket(listens: &[Listen]) -> bool {
    matches!(listens.first(), Some(Listen::Socket { .. } | Listen::None))
}

/// The address stands in the first `<listen>` and, for old readers, in an attribute too.
fn listen(listens: &mut Vec<Listen>, attribute: &mut Option<String>) {
    if listens.is_empty() {
        listens.push(Listen::Address {
            address: attribute.clone(),
        });
    }
    if let Some(Listen::Address {
        address: Some(address),
    }) = listens.first()
    {
        *attribute = Some(address.clone());
    }
}

fn audio(devices: &mut Devices) {
    if !devices.audios.is_empty() {
        return;
    }
    let kind = match devices.graphics.first() {
        Some(Graphics::Spice(_)) => AudioType::Spice,
        None | Some(Graphics::Vnc(_)) => AudioType::None,
        // Whoever shows the screen brings the sound as well.
        Some(_) => return,
    };
    devices.audios.push(new_audio(kind));
}

fn videos(devices: &mut Devices) {
    if devices.videos.is_empty() && !devices.graphics.is_empty() {
        devices.videos.push(Video {
            driver: None,
            model: None,
            info: DeviceInfo::default(),
        });
    }
    for (index, video) in devices.videos.iter_mut().enumerate() {
        let model = video.model.get_or_insert_with(new_video_model);
        if model.kind == VideoType::Default {
            model.kind = VideoType::Cirrus;
        }
        match model.kind {
            VideoType::None => continue,
            VideoType::Qxl => {
                model.ram.get_or_insert(64 * 1024);
                model.vram.get_or_insert(64 * 1024);
                model.vgamem.get_or_insert(16 * 1024);
            }
            VideoType::Vga | VideoType::Cirrus | VideoType::Vmvga | VideoType::Bochs => {
                model.vram.get_or_insert(16 * 1024);
            }
            _ => {}
        }
        if !matches!(model.kind, VideoType::Ramfb) {
            model.heads.get_or_insert(1);
        }
        model.primary = (index == 0).then_some(YesNo::Yes);
    }
}

/// A screen adapter that is left to this daemon.
fn new_video_model() -> VideoModel {
    VideoModel {
        kind: VideoType::Default,
        ram: None,
        vram: None,
        vram64: None,
        vgamem: None,
        heads: None,
        primary: None,
        blob: None,
        acceleration: None,
        resolution: None,
    }
}

/// The guest's way to sound, of that kind.
fn new_audio(kind: AudioType) -> Audio {
    Audio {
        id: 1,
        kind,
        timer_period: None,
        try_mmap: None,
        exclusive: None,
        dsp_policy: None,
        server_name: None,
        runtime_dir: None,
        driver: None,
        path: None,
        input: None,
        output: None,
    }
}

/// The q35 board has a watchdog of its own.
fn watchdogs(devices: &mut Devices, machine: &Machine) {
    for watchdog in &mut devices.watchdogs {
        watchdog.action.get_or_insert(WatchdogAction::Reset);
    }
    let itco = devices
        .watchdogs
        .iter()
        .any(|watchdog| watchdog.model == WatchdogModel::Itco);
    if machine.board == Board::Q35 && !itco {
        devices.watchdogs.push(Watchdog {
            model: WatchdogModel::Itco,
            action: Some(
                devices
                    .watchdogs
                    .first()
                    .and_then(|one| one.action)
                    .unwrap_or(WatchdogAction::Reset),
            ),
            info: DeviceInfo::default(),
        });
    }
}
