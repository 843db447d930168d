//! What a document lacks before QEMU can run it.
//!
//! ```text
//!  user's document ─ complete() ─► definition: machine, controllers, devices and addresses that never change again
//!       definition ─ start() ────► live document: names of devices
//!    live document ─ number() ───► names of block nodes, once it is known what disks are based on
//! ```
//! A completed definition comes out of [`complete`] as it went in: what is there is kept, only what is missing is chosen.

pub mod aliases;
mod chardevs;
mod controllers;
mod devices;
mod disks;
mod drive_addresses;
mod firmware;
mod fresh;
mod hostdevs;
mod interfaces;
mod machine;
mod memories;
mod memory_sizes;
mod nodes;
mod order;
mod pci;
mod port_addresses;
mod settings;
mod validate;

pub use nodes::number;

use crate::binary::BinaryCaps;
use error::Result;
use host::Host;
use model::domain::Domain;
use std::path::PathBuf;

/// What is known of the host when a definition is completed.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The folder of UEFI variables of domains that name no file for them.
    pub nvram_dir: PathBuf,
    /// The folder of what runs of domains leave: `domain-ID-NAME`, `channel`.
    pub lib_dir: PathBuf,
    /// The folder of what only a run needs: `channel` is here too.
    pub run_dir: PathBuf,
    /// The host.
    pub host: Host,
    /// Firmware that the configuration names variables for.
    pub variables: Vec<Variables>,
}

impl Facts {
    /// Whether a path is one that a daemon chose for a run of some domain.
    fn is_generated(&self, path: &str) -> bool {
        let rest = self.lib_dir.to_str().and_then(|folder| path.strip_prefix(folder));
        rest.is_some_and(|rest| rest.starts_with("/domain-"))
    }

    /// Whether a path is one that a daemon, of this or an earlier version, chose for the channel `name`.
    fn is_channel_path(&self, path: &str, name: &str) -> bool {
        let below = |folder: &std::path::Path| {
            let folder = folder.join("channel");
            path.strip_prefix(folder.to_str()?)?.strip_prefix('/')
        };
        let run = self.run_dir.to_str().unwrap_or_default();
        let old = std::path::PathBuf::from(format!("/var{run}"));
        let Some(rest) = below(&self.lib_dir)
            .or_else(|| below(&self.run_dir))
            .or_else(|| below(&old))
        else {
            return false;
        };
        let rest = rest.strip_prefix("target/").unwrap_or(rest);
        let Some(guest) = rest.strip_suffix(name) else {
            return false;
        };
        match guest.strip_suffix('/') {
            None => guest.ends_with('.') && !guest.contains('/'),
            Some(folder) => {
                let (first, rest) = folder.split_once('-').unwrap_or_default();
                let numbered = !first.is_empty() && first.bytes().all(|digit| digit.is_ascii_digit());
                (first == "domain" || numbered) && !rest.is_empty() && !rest.contains('/')
            }
        }
    }
}

/// Firmware by its file, and what its variables start as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// The file of the code.
    pub code: String,
    /// The file of the variables.
    pub template: String,
}

/// Completes a new definition.
///
/// # Errors
/// As [`complete`], also for devices that the binary does not have; [`error::Code::OperationFailed`] when no firmware of the host is what the document asks for.
pub fn define(domain: &mut Domain, caps: &BinaryCaps, facts: &Facts) -> Result<()> {
    fresh::memory(domain);
    complete(domain, caps, facts)?;
    fresh::processors(domain)?;
    fresh::devices(domain, caps)?;
    firmware::require(domain, facts)
}

/// Adds to a definition what it leaves open, and refuses what the binary or the machine cannot do.
///
/// # Errors
/// What is wrong with the document on this host, by libvirt's codes, with the element's name.
pub fn complete(domain: &mut Domain, caps: &BinaryCaps, facts: &Facts) -> Result<()> {
    if domain.uuid.is_none() {
        domain.uuid = Some(uuid::Uuid::new_v4());
    }
    let machine = machine::complete(domain, caps, facts)?;
    settings::complete(domain);
    order::disks(domain);
    validate::before(domain, &machine)?;
    devices::complete(domain, &machine, facts)?;
    drive_addresses::assign(domain, &machine)?;
    controllers::complete(domain, &machine, caps)?;
    port_addresses::assign(domain)?;
    order::controllers(&mut domain.devices);
    pci::assign(domain, &machine)?;
    order::controllers(&mut domain.devices);
    validate::after(domain)
}

/// Chooses what is chosen at each start.
///
/// # Errors
/// As [`complete`].
pub fn start(domain: &mut Domain, caps: &BinaryCaps, facts: &Facts) -> Result<()> {
    // A definition of an older daemon may lack what this one adds.
    complete(domain, caps, facts)?;
    firmware::require_file(&domain.os)?;
    memory_sizes::round(domain);
    aliases::assign(domain);
    Ok(())
}
