//! Controllers: the buses that other devices sit on.

use super::address::{alias, controller_alias, virtio_options};
use super::line::{Line, Props, incomplete, unsupported};
use crate::board::Board;
use error::Result;
use model::domain::devices::Controller;
use model::domain::devices::controller::{
    ControllerDriver, ControllerKind, ControllerType, PciController, PciModel, PciModelName, ScsiModel,
    UsbModel,
};
use model::domain::devices::info::VirtioModel;
use serde_json::Value;

/// In the order in which buses must exist before what sits on them.
const ORDER: [ControllerType; 9] = [
    ControllerType::Pci,
    ControllerType::Usb,
    ControllerType::Scsi,
    ControllerType::Ide,
    ControllerType::Sata,
    ControllerType::VirtioSerial,
    ControllerType::Ccid,
    ControllerType::XenBus,
    ControllerType::Isa,
];

impl Line<'_> {
    /// All controllers but floppy's, which comes with its drives.
    pub(super) fn controllers(&mut self) -> Result<()> {
        let devices = &self.domain.devices;
        for kind in ORDER {
            for controller in devices.controllers_of(kind) {
                self.controller(controller)?;
            }
        }
        Ok(())
    }

    fn controller(&mut self, controller: &Controller) -> Result<()> {
        let (board, index) = (Board::of(self.domain), controller.index.unwrap_or(0));
        match &controller.kind {
            ControllerKind::Fdc => Ok(()),
            ControllerKind::Ide { .. } => match (board, index) {
                // The first is part of the machine.
                (Board::I440fx | Board::Isa, 0) => Ok(()),
                (Board::I440fx, _) => Err(unsupported(
                    "Only a single IDE controller is supported for this machine type",
                )),
                _ => Err(unsupported(
                    "IDE controllers are unsupported for this QEMU binary or machine type",
                )),
            },
            ControllerKind::Sata if board == Board::Q35 && index == 0 => Ok(()),
            ControllerKind::Sata => {
                let props = Props::driver("ahci").set("id", alias(&controller.info)?);
                self.attached(props, controller)
            }
            ControllerKind::Scsi { model } => self.scsi_controller(controller, *model),
            ControllerKind::VirtioSerial {
                model,
                ports,
                vectors,
            } => {
                let driver = self.virtio_driver("virtio-serial", &controller.info, *model, "<controller>")?;
                let mut props = Props::driver(&driver);
                if let Some(options) = &controller.driver {
                    virtio_options(&mut props, &options.virtio);
                    self.refuse_iothread(options)?;
                }
                let props = props
                    .set("id", alias(&controller.info)?)
                    .maybe("max_ports", *ports)
                    .maybe("vectors", *vectors);
                self.attached(props, controller)
            }
            ControllerKind::Ccid => {
                let props = Props::driver("usb-ccid").set("id", alias(&controller.info)?);
                self.attached(props, controller)
            }
            ControllerKind::Usb { model, ports } => self.usb_controller(controller, *model, *ports),
            ControllerKind::Pci(pci) => self.pci_controller(controller, pci),
            ControllerKind::XenBus { .. } => Err(unsupported("<controller type='xenbus'> is for Xen guests")),
            ControllerKind::Isa => Ok(()),
        }
    }

    fn refuse_iothread(&self, options: &ControllerDriver) -> Result<()> {
        match options.iothread.is_some() || options.iothreads.is_some() {
            true => Err(unsupported(
                "<controller>: only virtio-scsi controllers take iothreads",
            )),
            false => Ok(()),
        }
    }

    fn attached(&mut self, mut props: Props, controller: &Controller) -> Result<()> {
        self.attach(&mut props, &controller.info)?;
        self.device(props);
        Ok(())
    }

    fn scsi_controller(&mut self, controller: &Controller, model: Option<ScsiModel>) -> Result<()> {
        let id = alias(&controller.info)?;
        let plain = match model {
            Some(ScsiModel::LsiLogic) => "lsi",
            Some(ScsiModel::LsiSas1068) => "mptsas1068",
            Some(ScsiModel::LsiSas1078) => "megasas",
            Some(ScsiModel::VmPvScsi) => "pvscsi",
            Some(ScsiModel::Am53c974) => "am53c974",
            Some(ScsiModel::Dc390) => "dc390",
            Some(
                ScsiModel::VirtioScsi | ScsiModel::VirtioTransitional | ScsiModel::VirtioNonTransitional,
            ) => "",
            Some(ScsiModel::Auto) | None => {
                return Err(incomplete("<controller type='scsi'>: the model was not chosen"));
            }
            Some(ScsiModel::BusLogic | ScsiModel::IbmVScsi | ScsiModel::Ncr53c90) => {
                return Err(unsupported(
                    "<controller type='scsi'>: machines of this architecture have no such model",
                ));
            }
        };
        let exists = if plain == "lsi" { "lsi53c895a" } else { plain };
        if !plain.is_empty() {
            if !self.caps.has_device(exists) {
                return Err(unsupported(format!(
                    "<controller type='scsi'>: this QEMU has no device '{plain}'"
                )));
            }
            return self.attached(Props::driver(plain).set("id", id), controller);
        }
        let generation = match model {
            Some(ScsiModel::VirtioTransitional) => Some(VirtioModel::Transitional),
            Some(ScsiModel::VirtioNonTransitional) => Some(VirtioModel::NonTransitional),
            _ => None,
        };
        let driver = self.virtio_driver("virtio-scsi", &controller.info, generation, "<controller>")?;
        let mut props = Props::driver(&driver);
        if let Some(options) = &controller.driver {
            if let Some(thread) = options.iothread {
                props.put("iothread", format!("iothread{thread}"));
            }
            virtio_options(&mut props, &options.virtio);
        }
        props.put("id", id);
        if let Some(options) = &controller.driver {
            props = props
                .maybe("num_queues", options.queues)
                .maybe("cmd_per_lun", options.cmd_per_lun)
                .maybe("max_sectors", options.max_sectors)
                .maybe("ioeventfd", options.ioeventfd.map(|it| it.is_on()));
            if let Some(threads) = &options.iothreads {
                props.put("iothread-vq-mapping", super::iothread::mapping(threads));
            }
        }
        self.attached(props, controller)
    }

    fn usb_controller(
        &mut self,
        controller: &Controller,
        model: Option<UsbModel>,
        ports: Option<u32>,
    ) -> Result<()> {
        let driver = match model {
            Some(UsbModel::None) => return Ok(()),
            Some(UsbModel::Piix3Uhci) => "piix3-usb-uhci",
            Some(UsbModel::Piix4Uhci) => "piix4-usb-uhci",
            Some(UsbModel::Ehci) => "usb-ehci",
            Some(UsbModel::Ich9Ehci1) => "ich9-usb-ehci1",
            Some(UsbModel::Ich9Uhci1) => "ich9-usb-uhci1",
            Some(UsbModel::Ich9Uhci2) => "ich9-usb-uhci2",
            Some(UsbModel::Ich9Uhci3) => "ich9-usb-uhci3",
            Some(UsbModel::Vt82c686bUhci) => "vt82c686b-usb-uhci",
            Some(UsbModel::PciOhci) => "pci-ohci",
            Some(UsbModel::NecXhci) => "nec-usb-xhci",
            Some(UsbModel::QemuXhci) => "qemu-xhci",
            None => return Err(incomplete("<controller type='usb'>: the model was not chosen")),
            Some(UsbModel::Qusb1 | UsbModel::Qusb2) => {
                return Err(unsupported("<controller type='usb'>: model is for Xen guests"));
            }
        };
        if !self.caps.has_device(driver) {
            return Err(unsupported(format!(
                "<controller type='usb'>: this QEMU has no device '{driver}'"
            )));
        }
        let mut props = Props::driver(driver);
        if let Some(ports) = ports {
            if !matches!(model, Some(UsbModel::NecXhci | UsbModel::QemuXhci)) {
                return Err(unsupported(
                    "<controller type='usb' ports>: only xHCI controllers have a choice",
                ));
            }
            props = props.set("p2", ports).set("p3", ports);
        }
        match &controller.info.master {
            Some(master) => {
                let main = controller_alias(
                    &self.domain.devices,
                    ControllerType::Usb,
                    controller.index.unwrap_or(0),
                )?;
                props = props
                    .set("masterbus", format!("{main}.0"))
                    .set("firstport", master.startport);
            }
            None => props.put("id", alias(&controller.info)?),
        }
        self.attached(props, controller)
    }

    fn pci_controller(&mut self, controller: &Controller, pci: &PciController) -> Result<()> {
        let model = pci
            .model
            .ok_or_else(|| incomplete("<controller type='pci'> has no model"))?;
        if let (PciModel::PciRoot | PciModel::PcieRoot, Some(hole)) = (model, controller.pci_hole64) {
            let host = if model == PciModel::PciRoot {
                "i440FX-pcihost"
            } else {
                "q35-pcihost"
            };
            self.option("-global", format!("{host}.pci-hole64-size={}K", hole.0));
            return Ok(());
        }
        if model == PciModel::PciRoot
            && let Some(hotplug) = pci.target.as_ref().and_then(|target| target.hotplug)
        {
            let on = super::line::on_off(hotplug.is_on());
            self.option("-global", format!("PIIX4_PM.acpi-root-pci-hotplug={on}"));
        }
        if matches!(model, PciModel::PciRoot | PciModel::PcieRoot) {
            return Ok(());
        }
        let name = pci.device.as_ref().map(|device| device.name);
        let name = name.ok_or_else(|| incomplete("<controller type='pci'>: <model> was not chosen"))?;
        let driver = match name {
            PciModelName::PciBridge => "pci-bridge",
            PciModelName::I82801b11Bridge => "i82801b11-bridge",
            PciModelName::Ioh3420 => "ioh3420",
            PciModelName::X3130Upstream => "x3130-upstream",
            PciModelName::Xio3130Downstream => "xio3130-downstream",
            PciModelName::Pxb => "pxb",
            PciModelName::PxbPcie => "pxb-pcie",
            PciModelName::PcieRootPort => "pcie-root-port",
            PciModelName::PciePciBridge => "pcie-pci-bridge",
            PciModelName::SpaprPciHostBridge => {
                return Err(unsupported(
                    "<controller>: 'spapr-pci-host-bridge' is for pSeries guests",
                ));
            }
        };
        if !self.caps.has_device(driver) {
            return Err(unsupported(format!(
                "<controller type='pci'>: this QEMU has no device '{driver}'"
            )));
        }
        let target = pci.target.clone().unwrap_or_default();
        let mut props = Props::driver(driver);
        match model {
            PciModel::PciBridge => props = props.maybe("chassis_nr", target.chassis_nr),
            PciModel::PciExpanderBus | PciModel::PcieExpanderBus => {
                props = props.maybe("bus_nr", target.bus_nr);
            }
            PciModel::PcieRootPort | PciModel::PcieSwitchDownstreamPort => {
                props = props
                    .maybe("port", target.port.map(|port| port.0))
                    .maybe("chassis", target.chassis);
                props = props.maybe("hotplug", target.hotplug.map(|it| it.is_on()));
            }
            _ => {}
        }
        props.put("id", alias(&controller.info)?);
        if let Some(node) = target.node {
            props.put("numa_node", node);
        }
        if let Some(reserve) = target.mem_reserve {
            props.put("mem-reserve", Value::from(reserve.saturating_mul(1024)));
        }
        self.attached(props, controller)
    }
}
