//! Devices that every machine of a kind has, and what a device's element leaves open.

use super::Facts;
use super::machine::{Board, Machine};
use error::Result;
use model::domain::Domain;
use model::domain::devices::audio::{Audio, AudioType};
use model::domain::devices::filesystem::FsAccessMode;
use model::domain::devices::graphics::Listen;
use model::domain::devices::info::VirtioModel;
use model::domain::devices::input::{InputBus, InputType};
use model::domain::devices::memballoon::BalloonModel;
use model::domain::devices::rng::RngBackend;
use model::domain::devices::shmem::{ShmemModel, ShmemType};
use model::domain::devices::size::ShmemSize;
use model::domain::devices::sound::SoundModel;
use model::domain::devices::tpm::{TpmBackendKind, TpmModel, TpmVersion};
use model::domain::devices::video::{VideoModel, VideoType};
use model::domain::devices::watchdog::{PanicModel, WatchdogAction, WatchdogModel};
use model::domain::devices::{DeviceInfo, Devices, Graphics, Input, MemBalloon, Video, Watchdog};
use xml::YesNo;

/// Completes devices in the order in which libvirt lists them.
pub(super) fn complete(domain: &mut Domain, machine: &Machine, facts: &Facts) -> Result<()> {
    let devices = &mut domain.devices;
    devices.disks.iter_mut().for_each(super::disks::complete);
    super::interfaces::complete(devices, machine);
    super::hostdevs::complete(&mut devices.hostdevs);
    filesystems(devices);
    super::chardevs::complete(devices, machine, facts)?;
    inputs(devices, machine);
    graphics(devices, facts);
    audio(devices);
    videos(devices, machine);
    watchdogs(devices, machine);
    for panic in &mut devices.panics {
        let default = if machine.board == Board::ArmVirt {
            PanicModel::PvPanic
        } else {
            PanicModel::Isa
        };
        panic.model.get_or_insert(default);
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
            let default = if model == TpmModel::Crb || machine.board.is_arm() {
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
    shmems(devices);
    for sound in devices
        .sounds
        .iter_mut()
        .filter(|sound| sound.model == SoundModel::Virtio)
    {
        sound.streams.get_or_insert(2);
    }
    super::memories::slots(devices);
    if !machine.board.is_arm() {
        devices
            .memballoon
            .get_or_insert_with(|| MemBalloon::new(BalloonModel::Virtio));
    }
    Ok(())
}

/// Guests see files as they are, and what the host lets QEMU do with them.
fn filesystems(devices: &mut Devices) {
    for shared in &mut devices.filesystems {
        shared.accessmode.get_or_insert(FsAccessMode::Passthrough);
    }
}

fn shmems(devices: &mut Devices) {
    for shmem in &mut devices.shmems {
        let kind = shmem
            .model
            .get_or_insert(ShmemModel {
                kind: ShmemType::Ivshmem,
            })
            .kind;
        // With a server the size is its to say.
        if kind == ShmemType::IvshmemPlain {
            shmem.size.get_or_insert(ShmemSize(4));
        }
        if kind == ShmemType::IvshmemDoorbell {
            let msi = shmem.msi.get_or_insert_default();
            msi.ioeventfd.get_or_insert(xml::OnOff::On);
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
            _ if machine.board.is_pc() => InputBus::Ps2,
            _ => InputBus::Usb,
        };
        input.bus.get_or_insert(default);
    }
    if !machine.board.is_pc() {
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

fn graphics(devices: &mut Devices, facts: &Facts) {
    for server in &mut devices.graphics {
        match server {
            Graphics::Vnc(vnc) => {
                if vnc
                    .socket
                    .as_deref()
                    .is_some_and(|socket| facts.is_generated(socket))
                {
                    // Another run's.
                    vnc.socket = None;
                    vnc.listens.clear();
                }
                if vnc.socket.is_some() && !matches!(vnc.listens.first(), Some(Listen::Socket { .. })) {
                    // The attribute goes before what the element says.
                    vnc.listens = vec![Listen::Socket {
                        socket: vnc.socket.clone(),
                    }];
                }
                let chosen = matches!(vnc.port, None | Some(-1)) || vnc.autoport == Some(YesNo::Yes);
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
    for listen in listens.iter_mut() {
        if let Listen::Network { address, .. } = listen {
            // A run's.
            *address = None;
            *attribute = None;
        }
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

fn videos(devices: &mut Devices, machine: &Machine) {
    if devices.videos.is_empty() && !devices.graphics.is_empty() {
        devices.videos.push(Video {
            driver: None,
            model: None,
            info: DeviceInfo::default(),
        });
    }
    // The primary one is the first, whatever the document's order.
    let primary = |video: &Video| video.model.as_ref().and_then(|model| model.primary) == Some(YesNo::Yes);
    if let Some(at) = devices.videos.iter().position(primary) {
        devices
            .videos
            .get_mut(..=at)
            .into_iter()
            .for_each(|videos| videos.rotate_right(1));
    }
    for (index, video) in devices.videos.iter_mut().enumerate() {
        let model = video.model.get_or_insert_with(new_video_model);
        if model.kind == VideoType::Default {
            model.kind = if machine.board.is_arm() {
                VideoType::Virtio
            } else {
                VideoType::Cirrus
            };
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
        model.heads.get_or_insert(1);
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
