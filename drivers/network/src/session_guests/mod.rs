//! Guests of users who have no power over the host, on networks of the system: the daemon of such a user (`qemu:///session`) asks for a port and
//! is handed its tap.
//!
//! ```text
//!  who is it? ─ may he? ─ note ─► port ─► tap ─► filter ─► bridge ─► note ─► descriptors to the user's daemon
//!                                                                      │
//!  a link is gone, or not as it was made ─► sweep: filter, port, tap and note go ◄── the next daemon's start
//! ```
//! A tap lives as long as somebody has its descriptors, which is QEMU: nobody has to tell that a guest has ended. Nothing that the user's daemon
//! says is believed but what its guest is called. What all this is to withstand stands in `docs/session-guests.md`.

mod note;
mod policy;
mod tap;
mod watch;

use crate::Driver;
use crate::failure::{argument, impossible, refused};
use crate::lifecycle::port::Origin;
use crate::network::Network;
use daemon::connection::Connection as _;
use error::{Code, Result};
use model::Mac;
use model::network::{BridgeMac, NetworkPort, Plug, PortOwner};
use note::Note;
use policy::Policy;
use protocol::hybrid::{OpenPortArgs, OpenPortRet};
use rpc::Caller;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use traffic::Sends;
use uuid::Uuid;

/// The most queues that a tap has.
const MOST_QUEUES: u32 = 8;

/// What the driver keeps of all this.
#[derive(Debug, Default)]
pub(crate) struct SessionGuests {
    /// Held by whoever makes or removes a port of this kind.
    turn: tokio::sync::Mutex<()>,
    /// Whether somebody follows what becomes of taps.
    watched: parking_lot::Mutex<bool>,
}

/// A port with its tap.
struct Opened {
    note: Note,
    bridge: String,
    queues: Vec<OwnedFd>,
}

impl Driver {
    /// Connects a guest of a user's own.
    ///
    /// # Errors
    /// [`Code::AccessDenied`] where the configuration, the group or polkit does not let him; [`Code::InvalidArg`] for what no card can be;
    /// [`Code::OperationDenied`] where he has all that he may have; what a port cannot be. Nothing is left then.
    pub(crate) async fn open_session_port(
        self: &Arc<Self>,
        caller: &Caller,
        args: OpenPortArgs,
    ) -> Result<(OpenPortRet, Vec<OwnedFd>)> {
        let layout = Arc::clone(&self.instance().layout);
        let policy = self.blocking(move |_| Policy::read(&layout)).await?;
        let uid = policy.admit(self, caller, &args.network).await?;
        let filter = policy.filter(&args)?;
        let mac = Mac(args.mac);
        if mac.is_multicast() || mac.octets() == [0; 6] {
            return Err(argument(format!("no card has the address {mac}")));
        }
        if !(1..=MOST_QUEUES).contains(&args.queues) || args.flags != 0 {
            let text = format!(
                "a card has 1 to {MOST_QUEUES} queues, and flags are not known: {}, {:#x}",
                args.queues, args.flags
            );
            return Err(argument(text));
        }
        let network = self.networks.by_name(&args.network)?;
        self.watch_session_ports()?;
        let _turn = self.session_guests.turn.lock().await;
        let (store, folder) = (self.session_notes(), self.session_notes());
        let notes = self.blocking(move |_| note::all(&store)).await?;
        let own = notes.iter().filter(|note| note.uid == uid).count();
        if own >= policy.most {
            let text = format!("user {uid} has {own} cards on networks of the system, and may not have more");
            return Err(refused(Code::OperationDenied, text));
        }
        let taken = network
            .ports
            .all()
            .iter()
            .any(|port| port.document.mac.address == mac);
        if taken {
            let text = format!(
                "the address {mac} is that of another guest on network '{}'",
                network.name
            );
            return Err(refused(Code::OperationDenied, text));
        }
        let mut note = Note {
            port: Uuid::new_v4(),
            network: network.name.clone(),
            uid,
            mac: mac.to_string(),
            filter: filter.as_ref().map(|filter| filter.filter.clone()),
            tap: None,
        };
        let first = note.clone();
        self.blocking(move |_| first.save(&folder)).await?;
        let opened = self.connect_tap(&network, &args, &mut note, filter).await;
        match opened {
            Ok(Opened { note, bridge, queues }) => {
                let ret = OpenPortRet {
                    port: note.port.into_bytes(),
                    tap: note.tap.map(|tap| tap.name).unwrap_or_default(),
                    bridge,
                };
                tracing::info!(
                    uid,
                    network = network.name,
                    tap = ret.tap,
                    "a guest of a user's own is connected"
                );
                Ok((ret, queues))
            }
            Err(err) => {
                if let Err(left) = self.remove_session_port(&note).await {
                    tracing::warn!(%left, "what is left of a port that was not opened is removed later");
                }
                Err(err)
            }
        }
    }

    async fn connect_tap(
        self: &Arc<Self>,
        network: &Arc<Network>,
        args: &OpenPortArgs,
        note: &mut Note,
        filter: Option<model::nwfilter::Reference>,
    ) -> Result<Opened> {
        let owner = PortOwner {
            name: args.owner_name.clone(),
            uuid: Uuid::from_bytes(args.owner_uuid),
        };
        let wanted = NetworkPort {
            uuid: Some(note.port),
            owner: owner.clone(),
            group: None,
            mac: BridgeMac {
                address: Mac(args.mac),
            },
            virtual_port: None,
            bandwidth: None,
            vlan: None,
            port: None,
            rx_filters: None,
            plug: None,
        };
        let port = self
            .create_port(network, &wanted.to_xml(), Origin::Fresh, false)
            .await?;
        let document = &port.document;
        let asked = [
            ("virtualport", document.virtual_port.is_some()),
            ("vlan", document.vlan.is_some()),
        ];
        if let Some((what, _)) = asked.into_iter().find(|(_, asked)| *asked) {
            let text = format!(
                "network '{}' has a <{what}> for its ports, which those of session guests cannot have yet",
                network.name
            );
            return Err(impossible(text));
        }
        let (Some(Plug::Network { bridge, .. }) | Some(Plug::Bridge { bridge, .. })) = document.plug.clone()
        else {
            let text = format!(
                "network '{}' has no bridge, and session guests need one",
                network.name
            );
            return Err(impossible(text));
        };
        let made = tap::make(args.queues, args.virtio != 0)?;
        let guarded = match filter {
            Some(filter) => {
                self.guard_tap(&made.name, Mac(args.mac), &owner, filter, network)
                    .await
            }
            None => Ok(()),
        };
        guarded?;
        let isolated = document.port.as_ref().and_then(|port| port.isolated) == Some(xml::YesNo::Yes);
        note.tap = Some(tap::plug_in(&made.name, &bridge, Mac(args.mac), isolated).await?);
        if let Some(bandwidth) = &document.bandwidth {
            let lines = traffic::limit(&made.name, &bandwidth.limits, Sends::ToGuest);
            self.blocking(move |_| crate::host::traffic::set(&lines)).await?;
        }
        let (document, folder) = (note.clone(), self.session_notes());
        self.blocking(move |_| document.save(&folder)).await?;
        Ok(Opened {
            note: note.clone(),
            bridge,
            queues: made.queues,
        })
    }
}
