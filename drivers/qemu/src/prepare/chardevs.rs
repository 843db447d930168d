//! Character devices: ports of a board, consoles and channels.

use super::Facts;
use super::machine::{Board, Machine};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::chardev::{
    ChannelTarget, Console, ConsoleTarget, ConsoleTargetType, ParallelTarget, Protocol, ProtocolType,
    SerialModel, SerialTarget, SerialTargetModel, SerialTargetType, SourceMode,
};
use model::domain::devices::{Channel, CharSource, DeviceInfo, Devices, Serial};

/// Completes all of them.
pub(super) fn complete(devices: &mut Devices, machine: &Machine, facts: &Facts) -> Result<()> {
    let default = default_target(machine.board);
    // A console alone stands for a serial port.
    if devices.serials.is_empty()
        && let Some(console) = devices.consoles.first().filter(|console| is_serial(console))
    {
        devices.serials.push(Serial {
            source: console.source.clone(),
            log: console.log.clone(),
            target: None,
            info: DeviceInfo::default(),
        });
    }
    serials(devices, default);
    consoles(devices, default);
    for channel in &mut devices.channels {
        // Whether somebody listens is only true of a run.
        if let ChannelTarget::Virtio { state, .. } = &mut channel.target {
            *state = None;
        }
        generated(channel, facts)?;
    }
    protocols(devices);
    Ok(())
}

/// Takes away a socket's path that this daemon chose for another run: the next one has its own.
fn generated(channel: &mut Channel, facts: &Facts) -> Result<()> {
    let name = channel.name().map(str::to_owned);
    let CharSource::Unix { source: place } = &mut channel.source else {
        return Ok(());
    };
    let Some(source) = place.as_ref() else {
        return Ok(());
    };
    let chosen = match (source.path.as_deref(), &name) {
        (None, _) => true,
        (Some(path), Some(name)) => facts.is_channel_path(path, name),
        (Some(_), None) => false,
    };
    if !chosen {
        return Ok(());
    }
    let again = source.reconnect.as_ref().and_then(|reconnect| reconnect.enabled);
    if again == Some(xml::YesNo::Yes) {
        return Err(Error::new(
            Code::InternalError,
            ErrorDomain::Qemu,
            "<channel>: <reconnect> is for sockets that QEMU connects to; the daemon's own it binds",
        ));
    }
    *place = None;
    Ok(())
}

/// Bytes go over TCP as they are, and the ends of a UDP connection have an order.
fn protocols(devices: &mut Devices) {
    for (_, source) in devices.all_chars_mut() {
        match source {
            CharSource::Tcp { protocol, .. } => {
                protocol.get_or_insert(Protocol {
                    kind: ProtocolType::Raw,
                });
            }
            // Where it listens is written first.
            CharSource::Udp { sources } => sources.sort_by_key(|source| source.mode == SourceMode::Connect),
            _ => {}
        }
    }
}

/// The kind of the board's own serial ports, where they have a name.
fn default_target(board: Board) -> Option<SerialTargetType> {
    match board {
        Board::ArmVirt => Some(SerialTargetType::System),
        board if board.is_arm() => None,
        _ => Some(SerialTargetType::Isa),
    }
}

fn is_serial(console: &Console) -> bool {
    matches!(
        console.target.as_ref().and_then(|target| target.kind),
        None | Some(ConsoleTargetType::Serial)
    )
}

fn serials(devices: &mut Devices, default: Option<SerialTargetType>) {
    let mut next = 0;
    for serial in &mut devices.serials {
        let target = serial.target.get_or_insert(SerialTarget {
            kind: None,
            port: None,
            model: None,
        });
        if target.kind == Some(SerialTargetType::Isa)
            && default == Some(SerialTargetType::System)
            && target
                .model
                .as_ref()
                .is_none_or(|model| model.name == SerialModel::IsaSerial)
        {
            // Documents of old call the board's own ports so.
            (target.kind, target.model) = (None, None);
        }
        target.kind = target.kind.or(default);
        let port = *target.port.get_or_insert(next);
        next = next.max(port + 1);
        let name = match target.kind {
            Some(SerialTargetType::Isa) => Some(SerialModel::IsaSerial),
            Some(SerialTargetType::Usb) => Some(SerialModel::UsbSerial),
            Some(SerialTargetType::Pci) => Some(SerialModel::PciSerial),
            Some(SerialTargetType::IsaDebug) => Some(SerialModel::IsaDebugCon),
            Some(SerialTargetType::System) if default == target.kind => Some(SerialModel::Pl011),
            _ => None,
        };
        if let (None, Some(name)) = (&target.model, name) {
            target.model = Some(SerialTargetModel { name });
        }
    }
    let mut next = 0;
    for parallel in &mut devices.parallels {
        let target = parallel.target.get_or_insert(ParallelTarget { port: None });
        next = *target.port.get_or_insert(next) + 1;
    }
}

/// The first serial port is the first console, and the other way round.
fn consoles(devices: &mut Devices, default: Option<SerialTargetType>) {
    let first_is_serial = devices.consoles.first().is_some_and(is_serial);
    if let Some(serial) = devices.serials.first() {
        let is_own = serial.target.as_ref().and_then(|target| target.kind) == default;
        let mirror = Console {
            tty: None,
            source: serial.source.clone(),
            log: serial.log.clone(),
            target: Some(ConsoleTarget {
                kind: Some(ConsoleTargetType::Serial),
                port: serial.target.as_ref().and_then(|target| target.port).or(Some(0)),
            }),
            info: DeviceInfo::default(),
        };
        if is_own && first_is_serial {
            if let Some(console) = devices.consoles.first_mut() {
                *console = mirror;
            }
        } else if is_own {
            devices.consoles.insert(0, mirror);
        }
    }
    for (index, console) in devices.consoles.iter_mut().enumerate() {
        let target = console.target.get_or_insert(ConsoleTarget {
            kind: None,
            port: None,
        });
        target.kind.get_or_insert(ConsoleTargetType::Serial);
        let order = u32::try_from(index).unwrap_or(0);
        if target.kind == Some(ConsoleTargetType::Serial) {
            target.port.get_or_insert(order);
        } else {
            // Their order numbers them, whatever a document says.
            target.port = Some(order);
        }
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
