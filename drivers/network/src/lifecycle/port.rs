//! Ports: guests that are connected to a network, and what each is connected to.

use super::{limits, pool};
use crate::Driver;
use crate::failure::{impossible, refused};
use crate::host::hook::Event;
use crate::network::{Network, Port};
use error::{Code, Result};
use model::network::{
    DirectMode, ForwardMode, HostPci, Network as Document, NetworkPort as PortDocument, Plug, PortBandwidth,
    PortGroup, RxFilters, VirtualPort, VirtualPortParameters, VirtualPortType,
};
use std::sync::Arc;
use uuid::Uuid;

/// How a port comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is connected now, to what the network chooses.
    Fresh,
    /// It is connected already, to what its document says; the network did not know any more.
    Known,
}

impl Driver {
    /// Connects a guest.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::OperationInvalid`] for a network that is not active, [`Code::NetworkPortExist`];
    /// what the network cannot do; a hook script's refusal.
    pub(crate) async fn create_port(
        self: &Arc<Self>,
        network: &Arc<Network>,
        text: &str,
        origin: Origin,
        validate: bool,
    ) -> Result<Port> {
        if validate {
            daemon::schema_check::check("networkport", text).await?;
        }
        let mut document = PortDocument::from_xml(text)?;
        let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        let state = network.active()?;
        if network.ports.get(uuid).is_some() {
            let text = format!("network '{}' has a port with UUID {uuid} already", network.name);
            return Err(refused(Code::NetworkPortExist, text));
        }
        match (origin, document.plug.is_some()) {
            (Origin::Fresh, false) => plug_in(network, &state.document, &mut document)?,
            (Origin::Known, true) => still_fits(network, &state.document, &document)?,
            (Origin::Fresh, true) => {
                let text = format!("port {uuid} is not to be reclaimed, but says what it is connected to");
                return Err(refused(Code::InternalError, text));
            }
            (Origin::Known, false) => {
                let text =
                    format!("port {uuid} is to be reclaimed, but does not say what it is connected to");
                return Err(refused(Code::InternalError, text));
            }
        }
        limits::place(network, &state.document, uuid, &mut document)?;
        if origin == Origin::Fresh {
            self.hooks
                .run(Event::PortCreated, &state.document, Some(&document))
                .await?;
        }
        let port = Port {
            uuid,
            document: Arc::new(document),
        };
        self.save(network, &port).await?;
        network.ports.put(port.clone());
        let kept = self.keep(network, &state.document, None, Some(&port.document));
        if let Err(err) = kept.await {
            self.forget_port(network, uuid).await?;
            return Err(err);
        }
        self.note_guests(network, &state.document).await;
        Ok(port)
    }

    /// Puts a port on disk.
    pub(crate) async fn save(&self, network: &Network, port: &Port) -> Result<()> {
        let (name, port) = (network.name.clone(), port.clone());
        self.blocking(move |store| store.save_port(&name, port.uuid, &port.document))
            .await
    }

    /// Disconnects a guest.
    ///
    /// # Errors
    /// [`Code::NoNetworkPort`]; the disk's.
    pub(crate) async fn delete_port(&self, network: &Arc<Network>, uuid: Uuid) -> Result<()> {
        let _work = self.work.read().await;
        let _turn = network.turn().await?;
        let port = network.port(uuid)?;
        self.forget_port(network, uuid).await?;
        let document = Arc::clone(&network.state().document);
        let kept = self.keep(network, &document, Some(&port.document), None);
        if let Err(err) = kept.await {
            tracing::warn!(%err, network = network.name, "what was kept for a guest that is gone is kept");
        }
        self.note_guests(network, &document).await;
        self.hooks
            .tell(Event::PortDeleted, &document, Some(&port.document))
            .await;
        Ok(())
    }

    /// Changes what a port of an active network is limited to, whose turn the caller has.
    ///
    /// # Errors
    /// What the network cannot keep for it; what tc says, and then it is as it was.
    pub(crate) async fn set_limits(
        &self,
        network: &Arc<Network>,
        port: &Port,
        mut document: PortDocument,
    ) -> Result<()> {
        let state = network.active()?;
        limits::place(network, &state.document, port.uuid, &mut document)?;
        let changed = Port {
            uuid: port.uuid,
            document: Arc::new(document),
        };
        self.save(network, &changed).await?;
        network.ports.put(changed.clone());
        let (before, now) = (Some(&*port.document), Some(&*changed.document));
        if let Err(err) = self.keep(network, &state.document, before, now).await {
            self.save(network, port).await?;
            network.ports.put(port.clone());
            return Err(err);
        }
        Ok(())
    }

    async fn forget_port(&self, network: &Network, uuid: Uuid) -> Result<()> {
        let name = network.name.clone();
        self.blocking(move |store| store.remove_port(&name, uuid)).await?;
        network.ports.remove(uuid);
        Ok(())
    }

    /// Writes down which guest has which address, for who looks names of guests up on the host.
    async fn note_guests(&self, network: &Network, document: &Document) {
        let bridge = document
            .bridge_name()
            .filter(|_| document.mode().has_own_bridge());
        let Some(bridge) = bridge.map(str::to_owned) else {
            return;
        };
        let ports = network.ports.all();
        let noted = self
            .blocking(move |store| store.save_guests(&bridge, &ports))
            .await;
        if let Err(err) = noted {
            tracing::warn!(%err, network = network.name, "which guest has which address is not written down");
        }
    }
}

/// Says in a port's document what it is connected to, and what it has of the network and of its class.
fn plug_in(network: &Network, document: &Document, port: &mut PortDocument) -> Result<()> {
    let class = document.port_group(port.group.as_deref());
    inherit(document, class, port);
    let profile = profile(document, class, port);
    let mode = document.mode();
    let forward = document.forward.as_ref();
    let mac_table_manager = document
        .bridge
        .as_ref()
        .and_then(|bridge| bridge.mac_table_manager);
    let plug = match (mode, document.bridge_name(), forward) {
        (ForwardMode::None | ForwardMode::Nat | ForwardMode::Route | ForwardMode::Open, bridge, _) => {
            refuse_profile(network, &profile, &[], "which uses IP forwarding")?;
            Plug::Network {
                bridge: bridge.unwrap_or_default().to_owned(),
                mac_table_manager,
            }
        }
        (ForwardMode::Bridge, Some(bridge), _) => {
            let known = [VirtualPortType::OpenVSwitch, VirtualPortType::Midonet];
            refuse_profile(network, &profile, &known, "which uses a bridge device")?;
            Plug::Bridge {
                bridge: bridge.to_owned(),
                mac_table_manager,
            }
        }
        (ForwardMode::Hostdev, _, Some(forward)) => {
            let known = [VirtualPortType::Ieee8021Qbh];
            refuse_profile(network, &profile, &known, "which uses an SR-IOV Virtual Function")?;
            Plug::HostdevPci {
                managed: forward.managed,
                driver: forward.driver.clone(),
                address: HostPci(pool::device(network, forward)?),
            }
        }
        (_, _, Some(forward)) => {
            let known = [VirtualPortType::Ieee8021Qbg, VirtualPortType::Ieee8021Qbh];
            refuse_profile(network, &profile, &known, "which uses a macvtap device")?;
            let kind = profile.as_ref().and_then(|profile| profile.kind);
            Plug::Direct {
                dev: pool::interface(network, forward, kind)?,
                mode: match mode {
                    ForwardMode::Private => DirectMode::Private,
                    ForwardMode::Vepa => DirectMode::Vepa,
                    ForwardMode::Passthrough => DirectMode::Passthrough,
                    _ => DirectMode::Bridge,
                },
            }
        }
        (_, _, None) => {
            let text = format!("network '{}' has nothing to connect guests to", network.name);
            return Err(refused(Code::InternalError, text));
        }
    };
    port.virtual_port = profile.map(named);
    port.plug = Some(plug);
    Ok(())
}

/// What a port has of its class and its network where it does not say it itself.
fn inherit(document: &Document, class: Option<&PortGroup>, port: &mut PortDocument) {
    if port.bandwidth.is_none() {
        port.bandwidth = class
            .and_then(|class| class.bandwidth.clone())
            .map(|limits| PortBandwidth {
                class_id: None,
                limits,
            });
    }
    let of_class = || class.and_then(|class| class.vlan.clone());
    port.vlan = port.vlan.take().or_else(of_class).or(document.vlan.clone());
    if port.rx_filters.is_none() {
        let trusted = class.and_then(|class| class.trust_guest_rx_filters);
        let trusted = trusted.or(document.trust_guest_rx_filters);
        port.rx_filters = trusted.map(|trust_guest| RxFilters { trust_guest });
    }
    if port.port.is_none() {
        port.port.clone_from(&document.port);
    }
}

/// What the switch is told about a port: what the port, its network and its class say together.
fn profile(document: &Document, class: Option<&PortGroup>, port: &PortDocument) -> Option<VirtualPort> {
    let of_class = class.and_then(|class| class.virtual_port.as_ref());
    let all = [
        port.virtual_port.as_ref(),
        document.virtual_port.as_ref(),
        of_class,
    ];
    let mut found = all.into_iter().flatten().cloned();
    let mut merged = found.next()?;
    for other in found {
        merged.kind = merged.kind.or(other.kind);
        let Some(theirs) = other.parameters else { continue };
        let own = merged.parameters.take().unwrap_or_default();
        merged.parameters = Some(VirtualPortParameters {
            managerid: own.managerid.or(theirs.managerid),
            typeid: own.typeid.or(theirs.typeid),
            typeidversion: own.typeidversion.or(theirs.typeidversion),
            instanceid: own.instanceid.or(theirs.instanceid),
            interfaceid: own.interfaceid.or(theirs.interfaceid),
            profileid: own.profileid.or(theirs.profileid),
        });
    }
    Some(merged)
}

/// A profile whose switch knows the guest's card by a name, with one where nobody gave it.
fn named(mut profile: VirtualPort) -> VirtualPort {
    let parameters = profile.parameters.get_or_insert_default();
    match profile.kind {
        Some(VirtualPortType::Ieee8021Qbg) => {
            parameters.instanceid.get_or_insert_with(Uuid::new_v4);
        }
        Some(VirtualPortType::OpenVSwitch | VirtualPortType::Midonet) => {
            parameters.interfaceid.get_or_insert_with(Uuid::new_v4);
        }
        _ => {}
    }
    profile.parameters = profile
        .parameters
        .filter(|parameters| *parameters != VirtualPortParameters::default());
    profile
}

fn refuse_profile(
    network: &Network,
    profile: &Option<VirtualPort>,
    known: &[VirtualPortType],
    which: &str,
) -> Result<()> {
    let kind = profile.as_ref().and_then(|profile| profile.kind);
    match kind.filter(|kind| *kind != VirtualPortType::None && !known.contains(kind)) {
        None => Ok(()),
        Some(kind) => Err(impossible(format!(
            "<virtualport type='{}'> not supported for network '{}' {which}",
            xml::Value::format(&kind),
            network.name
        ))),
    }
}

/// Whether a port that is connected already may be: nobody else has what it has.
fn still_fits(network: &Network, document: &Document, port: &PortDocument) -> Result<()> {
    let lost = |what: &str| {
        let text = format!(
            "network '{}' does not have {what} to connect a guest to",
            network.name
        );
        refused(Code::InternalError, text)
    };
    let taken = |what: &str| {
        let text = format!("network '{}': {what} is in use by another guest", network.name);
        refused(Code::InternalError, text)
    };
    let forward = document.forward.as_ref();
    match &port.plug {
        Some(Plug::Network { bridge, .. } | Plug::Bridge { bridge, .. })
            if document.bridge_name() != Some(bridge) =>
        {
            return Err(lost(&format!("the bridge '{bridge}'")));
        }
        Some(Plug::Direct { dev, .. }) => {
            let mut all = forward.into_iter().flat_map(|forward| &forward.interfaces);
            if !all.any(|interface| interface.dev == *dev) {
                return Err(lost(&format!("the interface '{dev}'")));
            }
            if document.mode() == ForwardMode::Passthrough && network.ports.on_interface(dev) > 0 {
                return Err(taken(&format!("the interface '{dev}'")));
            }
        }
        Some(Plug::HostdevPci { address, .. }) => {
            let mut all = forward.into_iter().flat_map(|forward| &forward.addresses);
            let Some(device) = all.find(|device| device.address == address.0) else {
                return Err(lost("the device"));
            };
            if network.ports.with_device(device) > 0 {
                return Err(taken("the device"));
            }
        }
        _ => {}
    }
    Ok(())
}
