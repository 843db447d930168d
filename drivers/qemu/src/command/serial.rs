//! Serial and parallel ports, consoles and channels: the guest's ends of character devices.

use super::address::{alias, controller_alias};
use super::chardev::Backend;
use super::line::{Line, Props, incomplete, unsupported};
use crate::board::Board;
use error::Result;
use model::domain::devices::chardev::{
    Channel, ChannelTarget, Console, ConsoleTargetType, Parallel, Serial, SerialModel,
};
use model::domain::devices::controller::ControllerType;
use model::domain::devices::{Address, CharSource, DeviceInfo};
use serde_json::Value;

impl Line<'_> {
    pub(super) fn serials(&mut self) -> Result<()> {
        self.domain
            .devices
            .serials
            .iter()
            .try_for_each(|serial| self.serial(serial))
    }

    fn serial(&mut self, serial: &Serial) -> Result<()> {
        let id = alias(&serial.info)?;
        let chardev = self.chardev(&Backend {
            alias: id,
            source: &serial.source,
            log: serial.log.as_ref(),
            spice_name: "vdagent",
        })?;
        let target = serial.target.as_ref();
        let model = target
            .and_then(|target| target.model.as_ref())
            .map(|model| model.name);
        let board = Board::of(self.domain);
        let driver = match model {
            Some(SerialModel::IsaSerial) if board.is_arm() => {
                return Err(unsupported("<serial>: ARM's machines have no ISA bus"));
            }
            Some(SerialModel::IsaSerial) => "isa-serial",
            Some(SerialModel::UsbSerial) => "usb-serial",
            Some(SerialModel::PciSerial) => "pci-serial",
            Some(SerialModel::IsaDebugCon) => "isa-debugcon",
            // Ports of the board, in their order.
            Some(SerialModel::Pl011) if board == Board::ArmVirt => return self.own_port(&chardev),
            None if board.is_arm() => return self.own_port(&chardev),
            None => return Err(incomplete("<serial>: the model was not chosen")),
            Some(_) => {
                return Err(unsupported(
                    "<serial>: machines of this architecture have no such <model>",
                ));
            }
        };
        let mut props = Props::driver(driver).set("chardev", chardev).set("id", id);
        match model {
            Some(SerialModel::IsaSerial) => {
                props.put("index", target.and_then(|target| target.port).unwrap_or(0))
            }
            Some(SerialModel::IsaDebugCon) => {}
            _ => {}
        }
        self.attach(&mut props, &serial.info)?;
        self.device(props);
        Ok(())
    }

    fn own_port(&mut self, chardev: &str) -> Result<()> {
        self.option("-serial", format!("chardev:{chardev}"));
        Ok(())
    }

    pub(super) fn parallels(&mut self) -> Result<()> {
        self.domain
            .devices
            .parallels
            .iter()
            .try_for_each(|parallel| self.parallel(parallel))
    }

    fn parallel(&mut self, parallel: &Parallel) -> Result<()> {
        let id = alias(&parallel.info)?;
        let chardev = self.chardev(&Backend {
            alias: id,
            source: &parallel.source,
            log: parallel.log.as_ref(),
            spice_name: "vdagent",
        })?;
        let mut props = Props::driver("isa-parallel")
            .set("chardev", chardev)
            .set("id", id);
        self.attach(&mut props, &parallel.info)?;
        self.device(props);
        Ok(())
    }

    pub(super) fn channels(&mut self) -> Result<()> {
        self.domain
            .devices
            .channels
            .iter()
            .try_for_each(|channel| self.channel(channel))
    }

    fn channel(&mut self, channel: &Channel) -> Result<()> {
        let id = alias(&channel.info)?;
        let backend = Backend {
            alias: id,
            source: &channel.source,
            log: channel.log.as_ref(),
            spice_name: "vdagent",
        };
        match &channel.target {
            ChannelTarget::Virtio { name, .. } => {
                let chardev = self.chardev(&backend)?;
                let mut props = Props::driver("virtserialport");
                self.virtio_port(&mut props, &channel.info)?;
                // SPICE's agent looks for this port.
                let spice = matches!(channel.source, CharSource::SpiceVmc).then_some("com.redhat.spice.0");
                let props = props
                    .set("chardev", chardev)
                    .set("id", id)
                    .maybe("name", name.as_deref().or(spice));
                self.device(props);
                Ok(())
            }
            ChannelTarget::GuestFwd { address, port } => {
                let chardev = self.chardev(&backend)?;
                let rule = Props::new().set("str", format!("tcp:{address}:{port}-chardev:{chardev}"));
                let netdev = Props::new()
                    .set("type", "user")
                    .set("guestfwd", vec![Value::from(rule)])
                    .set("id", id);
                self.option("-netdev", netdev.to_string());
                Ok(())
            }
            ChannelTarget::Xen { .. } => Err(unsupported("<channel>: target type 'xen' is for Xen guests")),
        }
    }

    pub(super) fn consoles(&mut self) -> Result<()> {
        self.domain
            .devices
            .consoles
            .iter()
            .try_for_each(|console| self.console(console))
    }

    fn console(&mut self, console: &Console) -> Result<()> {
        match console.target.as_ref().and_then(|target| target.kind) {
            // The serial port by another name.
            None | Some(ConsoleTargetType::Serial | ConsoleTargetType::None) => Ok(()),
            Some(ConsoleTargetType::Virtio) => {
                let id = alias(&console.info)?;
                let backend = Backend {
                    alias: id,
                    source: &console.source,
                    log: console.log.as_ref(),
                    spice_name: "vdagent",
                };
                let chardev = self.chardev(&backend)?;
                let mut props = Props::driver("virtconsole");
                self.virtio_port(&mut props, &console.info)?;
                self.device(props.set("chardev", chardev).set("id", id));
                Ok(())
            }
            Some(_) => Err(unsupported(
                "<console>: machines of this architecture have no such target type",
            )),
        }
    }

    /// The port of a virtio-serial controller.
    fn virtio_port(&self, props: &mut Props, info: &DeviceInfo) -> Result<()> {
        let Some(Address::VirtioSerial(port)) = &info.address else {
            return Ok(());
        };
        let on = controller_alias(
            &self.domain.devices,
            ControllerType::VirtioSerial,
            port.controller,
        )?;
        props.put("bus", format!("{on}.{}", port.bus));
        // Consoles take the ports in order, the first being port 0.
        props.put("nr", port.port);
        Ok(())
    }
}
