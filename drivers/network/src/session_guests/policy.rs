//! Who may connect guests of his own, to which networks and behind which filters: `network.conf`, and polkit where that says so.

use crate::Driver;
use crate::config::{self, NetworkConfig, SessionGuests as Way};
use crate::failure::refused;
use daemon::Layout;
use daemon::connection::Connection as _;
use error::{Code, Error, Result};
use model::nwfilter::Reference;
use protocol::hybrid::OpenPortArgs;
use rpc::{Caller, Identity};

/// The action that polkit is asked about, with the network's name as the detail `network_name`.
const ACTION: &str = "org.ferrovirt.network.connect-session-guest";

/// Variables of filters whose values are not the guest's to say: they are who it is.
const RESERVED: [&str; 5] = ["MAC", "IP", "IPV6", "DHCPSERVER", "CTRL_IP_LEARNING"];

/// What the configuration says.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    way: Way,
    group: Option<String>,
    networks: Vec<String>,
    filters: Vec<String>,
    /// The most cards that one user has.
    pub(super) most: usize,
}

fn denied(text: impl Into<String>) -> Error {
    refused(Code::AccessDenied, text)
}

impl Policy {
    /// As `network.conf` has it now.
    ///
    /// # Errors
    /// The file is refused.
    pub(super) fn read(layout: &Layout) -> Result<Self> {
        config::read(layout).map(Self::of)
    }

    fn of(config: NetworkConfig) -> Self {
        Self {
            way: config.session_guests,
            group: config.session_guests_group,
            networks: config.session_guests_networks,
            filters: config.session_guests_filters,
            most: usize::try_from(config.session_guests_max).unwrap_or(usize::MAX),
        }
    }

    /// The user who asks, if he may. What networks there are is not told to others.
    ///
    /// # Errors
    /// [`Code::AccessDenied`].
    pub(super) async fn admit(&self, driver: &Driver, caller: &Caller, network: &str) -> Result<u32> {
        if self.way == Way::None {
            return Err(denied(
                "guests of users' own are not connected to networks of the system here: session_guests in network.conf is \"none\"",
            ));
        }
        let process = caller.process.as_ref().ok_or_else(|| {
            denied("guests of users' own are connected for processes of this host, and it is not known which this is")
        })?;
        if !self.networks.iter().any(|known| known == network) {
            return Err(denied(format!(
                "guests of users' own are not connected to network '{network}': it is not among session_guests_networks in network.conf"
            )));
        }
        let admitted = match self.way {
            Way::None => false,
            Way::Group => self.is_member(process).await?,
            Way::Polkit => {
                let details = [("network_name", network)];
                driver.instance().asks_polkit(process, ACTION, &details).await?
            }
        };
        if admitted {
            return Ok(process.uid);
        }
        tracing::warn!(uid = process.uid, network, "a user's own guest is not connected");
        Err(denied(match self.way {
            Way::Polkit => format!(
                "polkit does not let user {} connect guests to network '{network}' ({ACTION})",
                process.uid
            ),
            _ => format!(
                "user {} may not connect guests to network '{network}': he is not in the group that session_guests_group in network.conf names",
                process.uid
            ),
        }))
    }

    /// Whether the user of a process is a member of the group, by the host's databases of today: what groups the process itself has may be
    /// older.
    async fn is_member(&self, process: &Identity) -> Result<bool> {
        let Some(group) = self.group.clone() else {
            return Err(denied(
                "session_guests in network.conf is \"group\", and session_guests_group names none",
            ));
        };
        let (uid, looked_up) = (process.uid, group.clone());
        let found = tokio::task::spawn_blocking(move || {
            let gid = uzers::get_group_by_name(&looked_up)?.gid();
            let user = uzers::get_user_by_uid(uid)?;
            let groups = user.groups().unwrap_or_default();
            Some(user.primary_group_id() == gid || groups.iter().any(|group| group.gid() == gid))
        });
        let found = found
            .await
            .map_err(|err| refused(Code::InternalError, err.to_string()))?;
        if found.is_none() {
            tracing::warn!(uid, group, "there is no such user or group");
        }
        Ok(found.unwrap_or(false))
    }

    /// The filter for a card, with the values that are the guest's to choose; the first of those that there are where it names none.
    ///
    /// # Errors
    /// [`Code::AccessDenied`] for one that is not for such guests.
    pub(super) fn filter(&self, args: &OpenPortArgs) -> Result<Option<Reference>> {
        let filter = match (&args.filter, self.filters.first()) {
            (None, first) => first.cloned(),
            (Some(wanted), Some(_)) if self.filters.contains(wanted) => Some(wanted.clone()),
            (Some(wanted), _) => {
                return Err(denied(format!(
                    "filter '{wanted}' is not for guests of users' own: it is not among session_guests_filters in network.conf"
                )));
            }
        };
        let Some(filter) = filter else { return Ok(None) };
        let mut reference = Reference {
            filter,
            ..Reference::default()
        };
        for parameter in &args.parameters {
            if RESERVED.contains(&parameter.name.as_str()) {
                return Err(denied(format!(
                    "a guest of a user's own does not say itself what {} is: its address is learned of DHCP",
                    parameter.name
                )));
            }
            let values = reference.parameters.entry(parameter.name.clone());
            values.or_default().push(parameter.value.clone());
        }
        Ok(Some(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::hybrid::Parameter;

    fn asks(filter: Option<&str>, parameters: &[(&str, &str)]) -> OpenPortArgs {
        OpenPortArgs {
            network: "default".to_owned(),
            owner_name: "g".to_owned(),
            owner_uuid: [1; 16],
            mac: [2; 6],
            filter: filter.map(str::to_owned),
            parameters: parameters
                .iter()
                .map(|(name, value)| Parameter {
                    name: (*name).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            queues: 1,
            virtio: 1,
            flags: 0,
        }
    }

    #[test]
    fn a_guest_has_one_of_the_filters_that_there_are_and_does_not_say_who_it_is() {
        let policy = Policy::of(NetworkConfig {
            session_guests_filters: vec!["clean-traffic".to_owned(), "own".to_owned()],
            ..NetworkConfig::default()
        });
        let chosen = |filter, parameters: &[_]| policy.filter(&asks(filter, parameters));
        assert_eq!(chosen(None, &[]).unwrap().unwrap().filter, "clean-traffic");
        let own = chosen(Some("own"), &[("PORT", "80")]).unwrap().unwrap();
        assert_eq!((own.filter.as_str(), own.parameters.len()), ("own", 1));
        for (filter, parameters) in [
            (Some("none-such"), &[][..]),
            (None, &[("IP", "10.0.0.1")]),
            (Some("own"), &[("CTRL_IP_LEARNING", "any")]),
        ] {
            assert_eq!(chosen(filter, parameters).unwrap_err().code(), Code::AccessDenied);
        }
        let open = Policy::of(NetworkConfig {
            session_guests_filters: Vec::new(),
            ..NetworkConfig::default()
        });
        assert_eq!(open.filter(&asks(None, &[])).unwrap(), None);
        assert!(open.filter(&asks(Some("clean-traffic"), &[])).is_err());
    }
}
