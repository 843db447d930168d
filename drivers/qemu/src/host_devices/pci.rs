//! Functions on the host's PCI bus, as sysfs shows them and lets their drivers be changed
//! (`Documentation/ABI/testing/sysfs-bus-pci` of the kernel).

use super::refused;
use error::{Code, Result};
use host::Host;
use model::domain::devices::address::PciAddress;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the bus is shown.
const BUS: &str = "sys/bus/pci";

/// What the kernel shows of a function that may have any driver.
const NO_OVERRIDE: &str = "(null)";

/// How the class of a bridge to another PCI bus begins.
const BRIDGE: &str = "0x0604";

/// Drivers that leave a device's memory accesses to whoever has the rest of its IOMMU group, beside those of VFIO.
const HARMLESS: [&str; 2] = ["pci-stub", "pcieport"];

/// A function on the host's bus.
#[derive(Debug, Clone)]
pub(super) struct Function<'a> {
    host: &'a Host,
    /// Its place.
    pub(super) address: PciAddress,
}

/// A virtual function's place on the card that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnCard {
    /// The card's link.
    pub(super) card: String,
    /// Which of its virtual functions.
    pub(super) number: u32,
}

impl<'a> Function<'a> {
    /// The function at a place, which may be empty.
    pub(super) fn at(host: &'a Host, address: &PciAddress) -> Self {
        let (domain, bus, slot, function) = address.place();
        Self {
            host,
            address: PciAddress::new(domain, bus, slot, function),
        }
    }

    /// Its folder, from the host's root.
    fn folder(&self) -> PathBuf {
        Path::new(BUS).join("devices").join(self.address.to_string())
    }

    fn shown(&self, name: &str) -> PathBuf {
        self.host.path(self.folder().join(name))
    }

    /// Refuses a place that is empty, and what is no device that a guest could use.
    ///
    /// # Errors
    /// [`Code::SystemError`], [`Code::ConfigUnsupported`].
    pub(super) fn check(&self) -> Result<()> {
        let folder = self.host.path(self.folder());
        if let Err(err) = fs::symlink_metadata(&folder) {
            let text = format!(
                "Device {} not found: could not access {}: {err}",
                self.address,
                folder.display()
            );
            return Err(refused(Code::SystemError, text).caused_by(err));
        }
        if self.is_bridge() {
            let text = "Non-endpoint PCI devices cannot be assigned to guests".to_owned();
            return Err(refused(Code::ConfigUnsupported, text));
        }
        Ok(())
    }

    fn is_bridge(&self) -> bool {
        fs::read_to_string(self.shown("class")).is_ok_and(|class| class.starts_with(BRIDGE))
    }

    /// The driver that has it.
    pub(super) fn driver(&self) -> Option<String> {
        last_part(&fs::read_link(self.shown("driver")).ok()?)
    }

    /// The only driver that may have it, where there is such a one.
    pub(super) fn only_driver(&self) -> Option<String> {
        let text = fs::read_to_string(self.shown("driver_override")).ok()?;
        let text = text.trim();
        (!text.is_empty() && text != NO_OVERRIDE).then(|| text.to_owned())
    }

    /// The number of its IOMMU group.
    pub(super) fn group(&self) -> Option<u32> {
        let name = last_part(&fs::read_link(self.shown("iommu_group")).ok()?)?;
        name.parse().ok()
    }

    /// All functions of its IOMMU group, of which no two can be used by different sides, itself among them.
    pub(super) fn whole_group(&self) -> Vec<Self> {
        let entries = fs::read_dir(self.shown("iommu_group/devices"))
            .into_iter()
            .flatten();
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<Self> = names
            .filter_map(|name| Some(Self::at(self.host, &parse(&name)?)))
            .collect();
        all.sort_by_key(|one| one.address.place());
        all
    }

    /// A driver of the host's that has it and uses its memory accesses, which keeps a guest from the group's others.
    pub(super) fn foreign_driver(&self) -> Option<String> {
        let driver = self.driver()?;
        let harmless = is_vfio(&driver) || HARMLESS.contains(&driver.as_str()) || self.is_bridge();
        (!harmless).then_some(driver)
    }

    /// Which virtual function of which card it is, if it is one.
    ///
    /// # Errors
    /// [`Code::InternalError`] for a card that has no link.
    pub(super) fn on_card(&self) -> Result<Option<OnCard>> {
        let Ok(card) = fs::canonicalize(self.shown("physfn")) else {
            return Ok(None);
        };
        let own = self.address.to_string();
        let links = fs::read_dir(card.join("net")).into_iter().flatten().flatten();
        let link = links
            .filter_map(|entry| entry.file_name().into_string().ok())
            .min();
        let link = link.ok_or_else(|| {
            let text = format!("The physical function of PCI device {own} has no network device");
            refused(Code::InternalError, text)
        })?;
        let number = (0..=u16::MAX)
            .map(u32::from)
            .map_while(|number| Some((number, fs::read_link(card.join(format!("virtfn{number}"))).ok()?)))
            .find(|(_, to)| last_part(to).as_ref() == Some(&own));
        let (number, _) = number.ok_or_else(|| {
            let text = format!("PCI device {own} is not among the virtual functions of '{link}'");
            refused(Code::InternalError, text)
        })?;
        Ok(Some(OnCard { card: link, number }))
    }

    /// Has it go to that driver alone when it has none, or to any.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) fn set_only_driver(&self, driver: Option<&str>) -> Result<()> {
        self.write(&self.folder().join("driver_override"), driver.unwrap_or("\n"))
    }

    /// Takes it from its driver. Where that is one of VFIO's it waits until nobody has the function open.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) fn unbind(&self) -> Result<()> {
        self.write(&self.folder().join("driver/unbind"), &self.address.to_string())
    }

    /// Has the kernel find a driver for it, which has none.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the kernel's words.
    pub(super) fn probe(&self) -> Result<()> {
        self.write(&Path::new(BUS).join("drivers_probe"), &self.address.to_string())
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        let place = self.host.path(path);
        let written = fs::write(&place, text);
        written.map_err(|err| {
            let text = format!(
                "PCI device {}: cannot write to '{}': {err}",
                self.address,
                place.display()
            );
            refused(Code::SystemError, text).caused_by(err)
        })?;
        #[cfg(test)]
        super::made_up::kernel(self.host, path, text);
        Ok(())
    }
}

/// Whether a driver passes devices on.
pub(super) fn is_vfio(driver: &str) -> bool {
    driver.contains("vfio")
}

/// Whether the host has that driver of PCI devices.
pub(super) fn has_driver(host: &Host, driver: &str) -> bool {
    host.path(Path::new(BUS).join("drivers").join(driver)).is_dir()
}

fn last_part(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

/// `0000:03:10.1` as an address.
fn parse(text: &str) -> Option<PciAddress> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (slot, function) = rest.split_once('.')?;
    Some(PciAddress::new(
        u32::from_str_radix(domain, 16).ok()?,
        u8::from_str_radix(bus, 16).ok()?,
        u8::from_str_radix(slot, 16).ok()?,
        u8::from_str_radix(function, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::made_up::MadeUp;
    use super::*;

    #[test]
    fn a_function_is_described() {
        let made_up = MadeUp::new();
        made_up.card("0000:01:00.0", "eth1", 3);
        made_up.function("0000:01:10.0", 7, "igbvf");
        made_up.function("0000:01:10.2", 7, "igbvf");
        made_up.virtual_function("0000:01:00.0", 0, "0000:01:10.0");
        made_up.virtual_function("0000:01:00.0", 1, "0000:01:10.2");
        let host = made_up.host();
        let at = |text: &str| Function::at(&host, &parse(text).unwrap());
        let function = at("0000:01:10.2");
        function.check().unwrap();
        assert_eq!(function.driver().as_deref(), Some("igbvf"));
        assert_eq!(function.foreign_driver().as_deref(), Some("igbvf"));
        assert_eq!(function.only_driver(), None);
        assert_eq!(function.group(), Some(7));
        let group: Vec<String> = function
            .whole_group()
            .iter()
            .map(|one| one.address.to_string())
            .collect();
        assert_eq!(group, ["0000:01:10.0", "0000:01:10.2"]);
        let place = function.on_card().unwrap().unwrap();
        assert_eq!((place.card.as_str(), place.number), ("eth1", 1));
        assert_eq!(at("0000:01:00.0").on_card().unwrap(), None);
        let nowhere = at("0000:01:1f.7").check().unwrap_err();
        assert_eq!(nowhere.code(), Code::SystemError);
        assert!(
            nowhere
                .detail()
                .starts_with("Device 0000:01:1f.7 not found: could not access ")
        );
        made_up.put("sys/bus/pci/devices/0000:01:10.0/class", "0x060400\n");
        assert_eq!(
            at("0000:01:10.0").check().unwrap_err().code(),
            Code::ConfigUnsupported
        );
        assert_eq!(at("0000:01:10.0").foreign_driver(), None);
    }

    #[test]
    fn what_is_no_place_is_none() {
        for text in ["", "0000:01:10", "0000:01.0", "x:01:10.0", "0000:100:10.0"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
