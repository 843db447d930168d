//! How options are written: in JSON where QEMU takes it, else as `key=value` lists.

use super::alias;
use error::Result;
use model::domain::Domain;
use model::domain::devices::controller::{ControllerKind, PciModel};
use model::domain::devices::{Address, DeviceInfo};
use serde_json::{Map, Value};

/// Arguments in their order.
#[derive(Debug, Default)]
pub(super) struct CommandBuilder(Vec<String>);

impl CommandBuilder {
    /// An option with its value.
    pub(super) fn add(&mut self, option: &str, value: String) {
        self.0.push(option.to_owned());
        self.0.push(value);
    }

    /// An option alone.
    pub(super) fn flag(&mut self, option: &str) {
        self.0.push(option.to_owned());
    }

    /// An option whose value is an object.
    pub(super) fn json(&mut self, option: &str, properties: Properties) {
        self.add(option, Value::Object(properties.0).to_string());
    }

    /// Arguments as somebody else wrote them.
    pub(super) fn raw(&mut self, arguments: impl IntoIterator<Item = String>) {
        self.0.extend(arguments);
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.0
    }
}

/// The properties of one object, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Properties(Map<String, Value>);

impl Properties {
    /// A device of that driver.
    pub(super) fn device(driver: &str) -> Self {
        Self::default().with("driver", driver)
    }

    /// An object of that type and name.
    pub(super) fn object(kind: &str, id: &str) -> Self {
        Self::default().with("qom-type", kind).with("id", id)
    }

    /// With one more.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// With one more, where there is a value.
    pub(super) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a switch, where it is set.
    pub(super) fn switch(self, name: &str, value: Option<xml::OnOff>) -> Self {
        self.maybe(name, value.map(|value| value == xml::OnOff::On))
    }

    /// With a switch whose QEMU type is `OnOffAuto`: a word, not a truth.
    pub(super) fn word(self, name: &str, value: Option<xml::OnOff>) -> Self {
        self.maybe(name, value.map(|value| if value == xml::OnOff::On { "on" } else { "off" }))
    }

    /// With the options all virtio devices have.
    pub(super) fn virtio(self, options: &model::domain::devices::info::VirtioOptions) -> Self {
        self.switch("iommu_platform", options.iommu)
            .switch("ats", options.ats)
            .switch("packed", options.packed)
            .switch("page-per-vq", options.page_per_vq)
    }

    /// With what all devices have: name, place, boot order, ROM.
    pub(super) fn info(self, domain: &Domain, info: &DeviceInfo, boot: Option<u32>) -> Result<Self> {
        Ok(self.with("id", alias(info)?).place(domain, info)?.maybe("bootindex", boot).rom(info))
    }

    fn rom(self, info: &DeviceInfo) -> Self {
        match info.rom.as_ref() {
            Some(rom) if rom.enabled == Some(xml::YesNo::No) => self.with("romfile", ""),
            Some(rom) => self
                .maybe("rombar", rom.bar.map(|bar| i32::from(bar == xml::OnOff::On)))
                .maybe("romfile", rom.file.clone()),
            None => self,
        }
        .maybe("acpi-index", info.acpi.as_ref().and_then(|acpi| acpi.index))
    }

    /// With the place on its bus.
    pub(super) fn place(self, domain: &Domain, info: &DeviceInfo) -> Result<Self> {
        Ok(match info.address.as_ref() {
            Some(Address::Pci(at)) => {
                let slot = if at.function == 0 {
                    format!("0x{:x}", at.slot)
                } else {
                    format!("0x{:x}.0x{:x}", at.slot, at.function)
                };
                self.with("bus", pci_bus(domain, u32::from(at.bus)))
                    .maybe("multifunction", at.multifunction.map(|on| on == xml::OnOff::On))
                    .with("addr", slot)
            }
            Some(Address::Usb(at)) => {
                let bus = usb_bus(domain, at.bus);
                self.with("bus", format!("{bus}.0"))
                    .maybe("port", at.port.as_ref().map(ToString::to_string))
            }
            Some(Address::VirtioSerial(at)) => {
                let bus = controller_name(domain, |kind| matches!(kind, ControllerKind::VirtioSerial { .. }), at.controller)
                    .unwrap_or_else(|| format!("virtio-serial{}", at.controller));
                self.with("bus", format!("{bus}.{}", at.bus)).with("nr", at.port)
            }
            Some(Address::Ccid(at)) => {
                let bus = controller_name(domain, |kind| matches!(kind, ControllerKind::Ccid), at.controller)
                    .unwrap_or_else(|| format!("ccid{}", at.controller));
                self.with("bus", format!("{bus}.0"))
            }
            Some(Address::Isa(at)) => self
                .maybe("iobase", at.iobase.map(|base| base.0))
                .maybe("irq", at.irq.map(|irq| irq.0)),
            _ => self,
        })
    }
}

/// The name of a PCI bus: that of the controller that makes it.
pub(super) fn pci_bus(domain: &Domain, index: u32) -> String {
    let controllers = &domain.devices.controllers;
    let found = controllers.iter().find_map(|controller| match &controller.kind {
        ControllerKind::Pci(pci) if controller.index == Some(index) => Some((pci, controller)),
        _ => None,
    });
    match found {
        Some((pci, _)) if pci.model == Some(PciModel::PcieRoot) => "pcie.0".to_owned(),
        Some((_, controller)) if index > 0 => {
            controller.info.alias_name().map_or_else(|| format!("pci.{index}"), str::to_owned)
        }
        _ => format!("pci.{index}"),
    }
}

fn usb_bus(domain: &Domain, index: u32) -> String {
    let own = if index == 0 { "usb".to_owned() } else { format!("usb{index}") };
    controller_name(domain, |kind| matches!(kind, ControllerKind::Usb { .. }), index).unwrap_or(own)
}

/// The name of the controller of a kind and number.
pub(super) fn controller_name(
    domain: &Domain,
    is_kind: impl Fn(&ControllerKind) -> bool,
    index: u32,
) -> Option<String> {
    let controllers = &domain.devices.controllers;
    let found = controllers.iter().find(|one| is_kind(&one.kind) && one.index == Some(index))?;
    found.info.alias_name().map(str::to_owned)
}

/// `value` inside a `key=value` list: QEMU reads two commas as one.
pub(super) fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_keep_their_order_and_a_comma_is_doubled() {
        let mut command = CommandBuilder::default();
        command.json("-device", Properties::device("x").with("z", 1).with("a", "q\"").maybe("b", None::<u32>));
        assert_eq!(command.finish(), ["-device", r#"{"driver":"x","z":1,"a":"q\""}"#]);
        assert_eq!(escape("a,b"), "a,,b");
    }
}
