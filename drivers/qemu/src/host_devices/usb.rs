//! USB devices of the host: found by vendor and product, or by bus and device.

use super::refused;
use error::{Code, Result};
use host::Host;
use model::domain::devices::address::UsbHostAddress;
use model::domain::devices::disk_source::StartupPolicy;
use model::domain::devices::hostdev::UsbHostdevSource;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use xml::YesNo;

/// Where they are shown.
const DEVICES: &str = "sys/bus/usb/devices";

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Device {
    vendor: u32,
    product: u32,
    bus: u32,
    device: u32,
}

/// The node that QEMU opens.
pub(super) fn node(at: UsbHostAddress) -> PathBuf {
    format!("/dev/bus/usb/{:03}/{:03}", at.bus, at.device).into()
}

/// Finds the device that an element means and notes its place there; one that may be missing, and is, is noted as that.
///
/// # Errors
/// [`Code::InternalError`] when it is not there, [`Code::OperationFailed`] when several are.
pub(super) fn find(host: &Host, source: &mut UsbHostdevSource) -> Result<()> {
    match look_up(&devices(host), source) {
        Ok(found) => {
            source.missing = None;
            source.address = Some(UsbHostAddress {
                bus: found.bus,
                device: found.device,
            });
            Ok(())
        }
        Err(err)
            if err.code() == Code::InternalError
                && source.startup_policy == Some(StartupPolicy::Optional) =>
        {
            source.missing = Some(YesNo::Yes);
            Ok(())
        }
        Err(err) => Err(err),
    }
}

fn look_up(all: &[Device], source: &UsbHostdevSource) -> Result<Device> {
    let place = source.address.filter(|at| at.bus != 0 || at.device != 0);
    let kind = source
        .vendor
        .zip(source.product)
        .map(|(vendor, product)| (vendor.id.0, product.id.0));
    let fits = |one: &&Device| {
        place.is_none_or(|at| (one.bus, one.device) == (at.bus, at.device))
            && kind.is_none_or(|kind| (one.vendor, one.product) == kind)
    };
    let mut words = Vec::new();
    if let Some((vendor, product)) = kind {
        words.push(format!("{vendor:04x}:{product:04x}"));
    }
    if let Some(at) = place {
        words.push(format!("bus:{} device:{}", at.bus, at.device));
    }
    if words.is_empty() {
        let text =
            "<hostdev type='usb'>: neither <vendor> and <product> nor <address> tell which device is meant";
        return Err(refused(Code::XmlError, text.to_owned()));
    }
    let words = words.join(" ");
    let mut found = all.iter().filter(fits);
    match (found.next(), found.next()) {
        (None, _) => Err(refused(
            Code::InternalError,
            format!("Did not find USB device {words}"),
        )),
        (Some(one), None) => Ok(*one),
        (Some(_), Some(_)) => Err(refused(
            Code::OperationFailed,
            format!("Multiple USB devices for {words}, use <address> to specify one"),
        )),
    }
}

fn devices(host: &Host) -> Vec<Device> {
    let entries = fs::read_dir(host.path(DEVICES)).into_iter().flatten().flatten();
    let mut all: Vec<Device> = entries.filter_map(|entry| device(&entry.path())).collect();
    all.sort_by_key(|one| (one.bus, one.device));
    all
}

/// A device's folder; those of interfaces and of controllers' own hubs are none.
fn device(folder: &Path) -> Option<Device> {
    let name = folder.file_name()?.to_str()?;
    if name.contains(':') || !name.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let id = |name: &str| u32::from_str_radix(text(name)?.trim(), 16).ok();
    let number = |name: &str| u32::from_str(text(name)?.trim()).ok();
    Some(Device {
        vendor: id("idVendor")?,
        product: id("idProduct")?,
        bus: number("busnum")?,
        device: number("devnum")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::made_up::MadeUp;
    use super::*;

    fn plug(host: &MadeUp, name: &str, (vendor, product): (&str, &str), (bus, device): (u32, u32)) {
        let put = |file: &str, text: String| host.put(&format!("{DEVICES}/{name}/{file}"), &text);
        put("idVendor", format!("{vendor}\n"));
        put("idProduct", format!("{product}\n"));
        put("busnum", format!("{bus}\n"));
        put("devnum", format!("{device}\n"));
    }

    fn source(xml: &str) -> UsbHostdevSource {
        xml::from_str(xml).unwrap()
    }

    #[test]
    fn a_device_is_found_by_what_it_is_or_where() {
        let made_up = MadeUp::new();
        plug(&made_up, "usb1", ("1d6b", "0002"), (1, 1));
        plug(&made_up, "1-1", ("0951", "1625"), (1, 4));
        plug(&made_up, "1-2", ("046d", "c52b"), (1, 5));
        plug(&made_up, "2-1.3", ("046d", "c52b"), (2, 7));
        let host = made_up.host();
        let found = |xml: &str| {
            let mut source = source(xml);
            find(&host, &mut source).map(|()| source.address.map(|at| (at.bus, at.device)))
        };
        let kind = |id: &str, product: &str, more: &str| {
            format!("<source><vendor id='0x{id}'/><product id='0x{product}'/>{more}</source>")
        };
        assert_eq!(found(&kind("0951", "1625", "")).unwrap(), Some((1, 4)));
        assert_eq!(
            found("<source><address bus='2' device='7'/></source>").unwrap(),
            Some((2, 7))
        );
        let second = kind("046d", "c52b", "<address bus='2' device='7'/>");
        assert_eq!(found(&second).unwrap(), Some((2, 7)));
        let many = found(&kind("046d", "c52b", "")).unwrap_err();
        assert_eq!(many.code(), Code::OperationFailed);
        assert_eq!(
            many.detail(),
            "Multiple USB devices for 046d:c52b, use <address> to specify one"
        );
        let none = found(&kind("1111", "2222", "")).unwrap_err();
        assert_eq!(none.detail(), "Did not find USB device 1111:2222");
        // A controller's own hub is no guest's.
        assert!(found(&kind("1d6b", "0002", "")).is_err());
        let elsewhere = found(&kind("0951", "1625", "<address bus='1' device='9'/>")).unwrap_err();
        assert_eq!(
            elsewhere.detail(),
            "Did not find USB device 0951:1625 bus:1 device:9"
        );
        assert_eq!(found("<source/>").unwrap_err().code(), Code::XmlError);
        let mut optional =
            source("<source startupPolicy='optional'><vendor id='0x1111'/><product id='0x2222'/></source>");
        find(&host, &mut optional).unwrap();
        assert_eq!(optional.missing, Some(YesNo::Yes));
    }
}
