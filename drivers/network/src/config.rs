//! `network.conf`: how networks are guarded.

use daemon::Layout;
use daemon::config::{FromValue, Loaded, Value, schema};
use error::{Code, Domain, Error, Result};

schema! {
    /// The configuration of the network driver.
    pub struct NetworkConfig {
        /// What guards networks: "nftables", the kernel's own rules. There is no other.
        firewall_backend: Option<String> = None,
        /// Who may connect guests of his own (qemu:///session) to networks of the system: "none" may; "group": members of
        /// session_guests_group; "polkit": those whom it lets do org.ferrovirt.network.connect-session-guest. A key of this project's own;
        /// docs/session-guests.md tells what it opens.
        session_guests: SessionGuests = SessionGuests::None,
        /// That group. A key of this project's own.
        session_guests_group: Option<String> = None,
        /// The networks that they may be connected to. A key of this project's own.
        session_guests_networks: Vec<String> = vec!["default".to_owned()],
        /// The filters that their cards may have; the first is for those that name none. With [] they have none, and may send whatever
        /// they like. A key of this project's own.
        session_guests_filters: Vec<String> = vec!["clean-traffic".to_owned()],
        /// The most cards that one user may have connected at a time. A key of this project's own.
        session_guests_max: u32 = 8,
    }
    elsewhere {
    }
}

/// Who may connect guests of his own to networks of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionGuests {
    /// Nobody.
    None,
    /// Members of a group.
    Group,
    /// Whom polkit lets.
    Polkit,
}

impl FromValue for SessionGuests {
    fn from_value(value: Value) -> std::result::Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "none" => Ok(Self::None),
            "group" => Ok(Self::Group),
            "polkit" => Ok(Self::Polkit),
            other => Err(format!(
                "\"none\", \"group\" or \"polkit\" is wanted, not '{other}'"
            )),
        }
    }

    fn written(&self) -> Option<String> {
        let name = match self {
            Self::None => "none",
            Self::Group => "group",
            Self::Polkit => "polkit",
        };
        name.to_owned().written()
    }
}

/// The only thing that guards networks here.
const NFTABLES: &str = "nftables";

/// Reads `network.conf`; what is odd is told in the log.
///
/// # Errors
/// [`Code::ConfSyntax`] for a file that is refused, or asks for another way to guard networks.
pub(crate) fn read(layout: &Layout) -> Result<NetworkConfig> {
    let refused = |text: String| Error::new(Code::ConfSyntax, Domain::Conf, text);
    let path = layout.config_file("network");
    let loaded =
        Loaded::<NetworkConfig>::file(&path).map_err(|err| refused(err.to_string()).caused_by(err))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match loaded.values.firewall_backend.as_deref() {
        None | Some(NFTABLES) => Ok(loaded.values),
        Some(other) => Err(refused(format!(
            "{}: firewall_backend = \"{other}\": networks are guarded by \"{NFTABLES}\" here and by nothing else; set that, \
             or leave the key out",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daemon::Mode;

    #[test]
    fn another_way_to_guard_networks_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(Mode::System, dir.path());
        assert!(read(&layout).is_ok());
        let path = layout.config_file("network");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "firewall_backend = \"nftables\"\n").unwrap();
        assert!(read(&layout).is_ok());
        std::fs::write(&path, "firewall_backend = \"iptables\"\n").unwrap();
        let refusal = read(&layout).unwrap_err();
        assert_eq!(refusal.code(), Code::ConfSyntax);
        assert!(refusal.to_string().contains("\"nftables\" here"), "{refusal}");
    }
}
