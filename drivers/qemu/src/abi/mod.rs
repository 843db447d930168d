//! Whether a guest that began with one document can go on with another: what it sees has to stay.
//!
//! A guest that is restored, migrated or taken back to a snapshot may be given another document, so that its disks and
//! networks can be elsewhere. What the host alone sees is taken out of both documents, device by device; the first
//! thing left that differs is named. What nobody takes out has to agree: an element that is new to this program is taken
//! for the guest's.

mod machine;
mod network;
mod others;
mod ports;
mod screens;
mod storage;

use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::DeviceInfo;
use xml::Fields;

/// A kind of device.
trait Seen: Fields + Clone {
    /// Its element.
    const ELEMENT: &'static str;

    /// Takes out what the guest does not see.
    fn strip(&mut self);

    /// What it is known by, where there are many.
    fn name(&self) -> Option<String> {
        None
    }
}

/// Refuses to let a guest that began with `source` go on with `target`. Both are completed documents.
///
/// # Errors
/// [`Code::ConfigUnsupported`] with the first element that differs.
pub fn check(source: &Domain, target: &Domain) -> Result<()> {
    machine::check(source, target)?;
    let (source, target) = (&source.devices, &target.devices);
    storage::check(source, target)?;
    network::check(source, target)?;
    ports::check(source, target)?;
    screens::check(source, target)?;
    others::check(source, target)
}

fn refused(text: String) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// Compares the devices of one kind, in their order.
fn devices<'a, D: Seen + 'a>(
    source: impl IntoIterator<Item = &'a D>,
    target: impl IntoIterator<Item = &'a D>,
) -> Result<()> {
    let (source, target): (Vec<_>, Vec<_>) = (source.into_iter().collect(), target.into_iter().collect());
    if source.len() != target.len() {
        return Err(refused(format!(
            "Target domain <{}> count {} does not match source {}",
            D::ELEMENT,
            target.len(),
            source.len()
        )));
    }
    source
        .iter()
        .zip(&target)
        .try_for_each(|(source, target)| device(*source, *target))
}

fn device<D: Seen>(source: &D, target: &D) -> Result<()> {
    let seen = |device: &D| {
        let mut device = device.clone();
        device.strip();
        xml::to_string_named(&device, D::ELEMENT)
    };
    let what = match source.name() {
        Some(name) => format!("<{}> '{name}'", D::ELEMENT),
        None => format!("<{}>", D::ELEMENT),
    };
    same(&what, &seen(source), &seen(target))
}

/// Compares two elements as they are written, a line a tag.
fn same(what: &str, source: &str, target: &str) -> Result<()> {
    let mut lines = source.lines().zip(target.lines());
    let differing = lines.find(|(source, target)| source != target);
    let (source, target) = match differing {
        Some((source, target)) => (source, target),
        None if source.len() == target.len() => return Ok(()),
        // One ends earlier.
        None => (source, target),
    };
    Err(refused(format!(
        "Target {what}: {} does not match source {}",
        target.trim(),
        source.trim()
    )))
}

/// Where a device is, the guest sees; how it is called and when it is booted from, not.
fn strip_info(info: &mut DeviceInfo) {
    (info.alias, info.boot) = (None, None);
    if let Some(rom) = info.rom.as_mut() {
        rom.file = None;
    }
}

#[cfg(test)]
mod tests;
