//! A network's document as what dnsmasq reads: its configuration and its files of hosts. Pure: nothing is written or run here.
//!
//! dnsmasq reads the configuration once. The two files of hosts it reads again on SIGHUP, so most changes of a running network
//! are in those.

mod configuration;
mod hosts;
mod reverse;

use error::Result;
use model::network::{Dns, Network};
use std::path::{Path, PathBuf};
use xml::YesNo;

/// Where dnsmasq's files are, named after the network.
#[derive(Debug, Clone)]
pub struct Places {
    folder: PathBuf,
    pid_file: Option<PathBuf>,
    name: String,
}

impl Places {
    /// The files of the network of that name in a folder.
    pub fn new(folder: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            pid_file: None,
            name: name.into(),
        }
    }

    /// dnsmasq writes its number there.
    #[must_use]
    pub fn with_pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// What dnsmasq is told to do.
    pub fn configuration(&self) -> PathBuf {
        self.file("conf")
    }

    /// Who gets which address.
    pub fn leases(&self) -> PathBuf {
        self.file("hostsfile")
    }

    /// What names have which address.
    pub fn names(&self) -> PathBuf {
        self.file("addnhosts")
    }

    /// Where dnsmasq writes its number.
    pub fn pid_file(&self) -> Option<&Path> {
        self.pid_file.as_deref()
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.name))
    }
}

/// What dnsmasq reads for a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// What it is told to do.
    pub configuration: String,
    /// Who gets which address; may be empty.
    pub leases: String,
    /// What names have which address; may be empty.
    pub names: String,
}

/// What dnsmasq reads for a network with a bridge of its own; `None` where it has nothing to do there.
///
/// # Errors
/// [`error::Code::ConfigUnsupported`] for `localPtr` of a network whose prefix names no domain.
pub fn files(network: &Network, places: &Places) -> Result<Option<Files>> {
    if !is_needed(network) {
        return Ok(None);
    }
    Ok(Some(Files {
        configuration: configuration::text(network, places)?,
        leases: hosts::leases(network),
        names: hosts::names(network),
    }))
}

/// Whether dnsmasq has anything to do: serve names, addresses or files at an address that the host has in the network.
pub fn is_needed(network: &Network) -> bool {
    let serves = |ip: &model::network::NetworkIp| ip.dhcp.is_some() || ip.tftp.is_some();
    network.mode().has_own_bridge()
        && !network.ips.is_empty()
        && (serves_names(network) || network.ips.iter().any(serves))
}

/// Whether there is a name server.
fn serves_names(network: &Network) -> bool {
    !matches!(
        network.dns,
        Some(Dns {
            enable: Some(YesNo::No),
            ..
        })
    )
}

#[cfg(test)]
mod golden;
