//! Leases that dnsmasq gives out, in the file that libvirt has for them: `/var/lib/libvirt/dnsmasq/BRIDGE.status`.
//!
//! ```text
//!  dnsmasq ─ add, old, del ─► helper ─► BRIDGE.status ─► clients that ask for leases
//!          ◄───── init ───────
//! ```
//! dnsmasq keeps no file of its own: what a former one gave out the next one hears from the helper.

pub mod helper;

use daemon::durable;
use error::{Code, Domain, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The longest file that is believed, in bytes: what as many leases take as the protocol can tell, many times over.
const LONGEST: u64 = 64 << 20;

/// A lease, by libvirt's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Lease {
    /// DHCPv6: the number of the client's association.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iaid: Option<String>,
    /// What is leased.
    pub ip_address: IpAddr,
    /// Who has it; of DHCPv6's clients it is not always known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// What it calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// How it tells itself from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// DHCPv6: how the server does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_duid: Option<String>,
    /// When it ends, in seconds since 1970; 0 for never.
    #[serde(default)]
    pub expiry_time: i64,
}

impl Lease {
    /// Whether it is over at that second.
    pub(crate) fn has_ended(&self, now: i64) -> bool {
        self.expiry_time != 0 && self.expiry_time < now
    }
}

/// The file of a bridge's leases.
pub(crate) fn file(folder: &Path, bridge: &str) -> PathBuf {
    folder.join(format!("{bridge}.status"))
}

fn failed(path: &Path, why: impl std::fmt::Display) -> Error {
    let text = format!("leases in '{}': {why}", path.display());
    Error::new(Code::InternalError, Domain::Network, text)
}

/// The leases in a file; none where there is no file. Blocks on the disk.
///
/// # Errors
/// It cannot be read, or holds no leases.
pub(crate) fn read(path: &Path) -> Result<Vec<Lease>> {
    let text = match fs::metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(metadata) if metadata.len() > LONGEST => return Err(failed(path, "the file is too long")),
        _ => fs::read_to_string(path).map_err(|err| failed(path, err))?,
    };
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).map_err(|err| failed(path, err))
}

/// Puts leases into a file, for good. Blocks on the disk.
///
/// # Errors
/// The disk refuses.
pub(crate) fn write(path: &Path, leases: &[Lease]) -> Result<()> {
    let mut text = serde_json::to_string_pretty(leases).map_err(|err| failed(path, err))?;
    text.push('\n');
    durable::replace_with_mode(path, text.as_bytes(), 0o644).map_err(|err| failed(path, err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirts_own_file_is_read_and_written_alike() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "virbr0");
        assert_eq!(read(&path).unwrap(), []);
        fs::write(&path, "").unwrap();
        assert_eq!(read(&path).unwrap(), []);
        let text = "[\n  {\n    \"ip-address\": \"192.168.122.9\",\n    \"mac-address\": \"52:54:00:00:00:01\",\n    \
                    \"hostname\": \"a\",\n    \"client-id\": \"01:52:54:00:00:00:01\",\n    \"expiry-time\": 17\n  },\n  {\n    \
                    \"iaid\": \"3\",\n    \"ip-address\": \"fd00::9\",\n    \"client-id\": \"00:01\",\n    \
                    \"server-duid\": \"00:02\",\n    \"expiry-time\": 0\n  }\n]\n";
        fs::write(&path, text).unwrap();
        let leases = read(&path).unwrap();
        assert!(leases[0].has_ended(18) && !leases[0].has_ended(17) && !leases[1].has_ended(18));
        write(&path, &leases).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::write(&path, "{").unwrap();
        assert!(read(&path).unwrap_err().detail().contains("virbr0.status"));
    }
}
