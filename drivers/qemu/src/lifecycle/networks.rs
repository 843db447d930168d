//! Interfaces on virtual networks: what each is connected to is asked of virtnetworkd when the guest starts, and given back
//! when it ends.
//!
//! ```text
//!  <interface type='network'> ─ note ─ port created ─► bridge, macvtap ... in the live document
//!  end of the run ─ port deleted ─ no note           and again and again, where virtnetworkd does not answer
//! ```
//! A note in a file of its own comes before the port: whoever finds one that no guest has gives the port back.

use super::system_networks::{self, HandedOver};
use crate::Driver;
use client::Client;
use daemon::connection::Connection as _;
use daemon::durable;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use model::domain::devices::hostdev::HostdevDriverName;
use model::domain::devices::interface::{InterfaceDriver, InterfaceDriverName, InterfaceKind};
use model::domain::devices::interface_source::{
    BridgeSource, DirectSource, HostNicAddress, HostdevNicSource, NetworkPort as Source,
};
use model::network::{NetworkPort, Plug, PortBandwidth, PortOwner, RxFilters};
use neighbours::Family;
use protocol::remote::procedure as p;
use protocol::remote::{
    NetworkLookupByNameArgs, NetworkPortCreateXmlArgs, NetworkPortDeleteArgs, NetworkPortGetXmlDescArgs,
    NetworkPortLookupByUuidArgs, NetworkPortSetParametersArgs,
};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use uuid::Uuid;
use xml::Element;

/// How long the end of a run waits for virtnetworkd; what takes longer is done later.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before a port is given back again, at first and at most.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A port that a guest has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Element)]
#[xml(element = "port")]
pub(crate) struct NotedPort {
    /// Which it is.
    #[xml(attr)]
    pub uuid: Uuid,
    /// The network that it is of.
    #[xml(attr)]
    pub network: String,
}

/// The ports of one run.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    driver: Weak<Driver>,
    ports: Vec<NotedPort>,
    /// Those of interfaces that were given a device of the host, whose documents do not name them, by alias.
    with_devices: Vec<(String, NotedPort)>,
    /// Taps that the system's daemon has made.
    pub(super) handed_over: HandedOver,
}

/// Where an interface's document names its network and its port.
fn place(interface: &Interface) -> Option<(&str, Option<Uuid>)> {
    match &interface.kind {
        InterfaceKind::Network { source } => Some((&source.network, source.portid)),
        InterfaceKind::Bridge { source: Some(source) } => Some((source.network.as_deref()?, source.portid)),
        InterfaceKind::Direct { source } => Some((source.network.as_deref()?, source.portid)),
        _ => None,
    }
}

/// The network that an interface is on, if on one.
pub(crate) fn network_of(interface: &Interface) -> Option<&str> {
    place(interface).map(|(network, _)| network)
}

/// The ports that a live document names.
fn ports_of(model: &Model) -> Vec<NotedPort> {
    let places = model.devices.interfaces.iter().filter_map(place);
    places
        .filter_map(|(network, uuid)| {
            Some(NotedPort {
                uuid: uuid?,
                network: network.to_owned(),
            })
        })
        .collect()
}

/// Takes part in the calls of virtnetworkd.
///
/// # Errors
/// It is not there.
pub(crate) async fn connect(driver: &Driver) -> Result<Client> {
    let client = match system_networks::are_of_system(driver) {
        true => neighbours::connect_to_system(driver.instance(), Family::Network).await,
        false => neighbours::connect(driver.instance(), Family::Network).await,
    };
    client.map_err(|err| err.context("interfaces of type 'network' need virtnetworkd"))
}

/// Has the network of an interface that is connected to one keep for it what its document says.
///
/// # Errors
/// What the network cannot do, or virtnetworkd does not answer.
pub(crate) async fn limit(driver: &Driver, interface: &Interface) -> Result<()> {
    let Some((network, Some(port))) = place(interface) else {
        return Ok(());
    };
    let client = connect(driver).await?;
    let network = look_up(&client, network).await?;
    let args = NetworkPortLookupByUuidArgs {
        network,
        uuid: port.into_bytes(),
    };
    let port = client.call::<p::NetworkPortLookupByUuid>(&args).await?.port;
    let args = NetworkPortSetParametersArgs {
        port,
        params: traffic::parameters::known(interface.bandwidth.as_ref()),
        flags: 0,
    };
    client.call::<p::NetworkPortSetParameters>(&args).await.map(drop)
}

/// The reference to a network, by its name.
///
/// # Errors
/// [`Code::NoNetwork`], or virtnetworkd does not answer.
pub(crate) async fn look_up(client: &Client, name: &str) -> Result<protocol::remote::Network> {
    let args = NetworkLookupByNameArgs {
        name: name.to_owned(),
    };
    Ok(client.call::<p::NetworkLookupByName>(&args).await?.net)
}

impl Connections {
    /// Those that a live document names, and `others` that it does not.
    pub(crate) fn of(
        driver: &Arc<Driver>,
        model: &Model,
        others: impl IntoIterator<Item = NotedPort>,
    ) -> Self {
        Self {
            driver: Arc::downgrade(driver),
            ports: match system_networks::are_of_system(driver) {
                true => Vec::new(),
                false => ports_of(model).into_iter().chain(others).collect(),
            },
            with_devices: Vec::new(),
            handed_over: HandedOver::default(),
        }
    }

    /// Connects the interfaces of a live document to their networks, and writes into it what each is connected to.
    ///
    /// # Errors
    /// Which interface's network is not there or not active, and why. What was connected is in `self`.
    pub(super) async fn join(&mut self, driver: &Arc<Driver>, model: &mut Model) -> Result<()> {
        self.driver = Arc::downgrade(driver);
        let on_network = |interface: &Interface| matches!(interface.kind, InterfaceKind::Network { .. });
        if !model.devices.interfaces.iter().any(on_network) {
            return Ok(());
        }
        if system_networks::are_of_system(driver) {
            self.handed_over = system_networks::join(driver, model).await?;
            return Ok(());
        }
        let owner = PortOwner {
            name: model.name.clone(),
            uuid: model.uuid.unwrap_or_default(),
        };
        let client = connect(driver).await?;
        let mut aliases = DeviceAliases::of(model);
        for interface in &mut model.devices.interfaces {
            let InterfaceKind::Network { source } = &interface.kind else {
                continue;
            };
            let mut source = source.clone();
            let network = source.network.clone();
            let said = |err: Error| err.context(format_args!("network '{network}'"));
            let reference = look_up(&client, &network).await.map_err(said)?;
            let port = NotedPort {
                uuid: Uuid::new_v4(),
                network: network.clone(),
            };
            source.portid = Some(port.uuid);
            let wanted = wanted(interface, &source, &owner)?;
            let noted = port.clone();
            let folder = notes(driver);
            driver.blocking(move || noted.note(&folder)).await?;
            self.ports.push(port.clone());
            let args = NetworkPortCreateXmlArgs {
                network: reference,
                xml: wanted.to_xml(),
                flags: 0,
            };
            let made = client
                .call::<p::NetworkPortCreateXml>(&args)
                .await
                .map_err(said)?;
            let args = NetworkPortGetXmlDescArgs {
                port: made.port,
                flags: 0,
            };
            let told = client
                .call::<p::NetworkPortGetXmlDesc>(&args)
                .await
                .map_err(said)?;
            plug_in(interface, source, NetworkPort::from_xml(&told.xml)?)?;
            if matches!(interface.kind, InterfaceKind::Hostdev { .. }) {
                let alias = aliases.rename(interface);
                self.with_devices.push((alias, port));
            }
        }
        Ok(())
    }

    /// The ports of interfaces that were given a device of the host, by alias.
    pub(super) fn with_devices(&self) -> &[(String, NotedPort)] {
        &self.with_devices
    }

    /// Gives the ports back; where that takes long somebody goes on with it. Blocks, inside the runtime; from a task too, whose
    /// worker's other tasks go on elsewhere.
    pub(super) fn give_back(&self) {
        let Some(driver) = self.driver.upgrade().filter(|_| !self.ports.is_empty()) else {
            return;
        };
        let giving = give_all_back(&driver, &self.ports);
        let runtime = tokio::runtime::Handle::current();
        let giving = async { tokio::time::timeout(PATIENCE, giving).await };
        let done = tokio::task::block_in_place(|| runtime.block_on(giving));
        if !matches!(done, Ok(Ok(()))) {
            tracing::warn!("virtnetworkd does not take ports back; that is tried again");
            runtime.spawn(go_on_giving_back(driver, self.ports.clone()));
        }
    }
}

/// Gives back ports that notes of earlier daemons speak of and that no guest has which runs; `named` are those that status
/// documents speak of. Blocks on the disk, inside the runtime.
pub(super) fn give_back_others(driver: &Arc<Driver>, named: &HashSet<NotedPort>) {
    let noted = fs::read_dir(notes(driver)).into_iter().flatten().flatten();
    let mut others: HashSet<NotedPort> = noted
        .filter_map(|entry| NotedPort::noted(&entry.path()))
        .collect();
    others.retain(|port| !named.contains(port));
    if others.is_empty() {
        return;
    }
    for domain in driver.domains.all() {
        let state = domain.state();
        let document = state.live.as_ref().map(|live| &live.document);
        match document.map(|document| document.parse()) {
            Some(Ok(model)) => others.retain(|port| !ports_of(&model).contains(port)),
            // Nobody knows what it has.
            Some(Err(_)) => return,
            None => {}
        }
    }
    if !others.is_empty() {
        let others = others.into_iter().collect();
        tokio::runtime::Handle::current().spawn(go_on_giving_back(Arc::clone(driver), others));
    }
}

/// The folder of notes.
fn notes(driver: &Driver) -> PathBuf {
    driver.paths.run.join("network-ports")
}

impl NotedPort {
    /// Writes down that there is, or is going to be, this port.
    fn note(&self, folder: &Path) -> Result<()> {
        let noted = durable::create_folder(folder, 0o700)
            .and_then(|()| durable::replace(&folder.join(self.uuid.to_string()), self.network.as_bytes()));
        noted.map_err(|err| {
            Error::new(Code::OperationFailed, ErrorDomain::Qemu, err.to_string()).caused_by(err)
        })
    }

    /// The port that a note speaks of.
    fn noted(path: &Path) -> Option<Self> {
        Some(Self {
            uuid: path.file_name()?.to_str()?.parse().ok()?,
            network: fs::read_to_string(path).ok()?,
        })
    }

    /// Has virtnetworkd take it back; one that there is not any more is fine.
    async fn give_back(&self, client: &Client) -> Result<()> {
        let given = async {
            let network = look_up(client, &self.network).await?;
            let uuid = self.uuid.into_bytes();
            let args = NetworkPortLookupByUuidArgs { network, uuid };
            let port = client.call::<p::NetworkPortLookupByUuid>(&args).await?.port;
            let args = NetworkPortDeleteArgs { port, flags: 0 };
            client.call::<p::NetworkPortDelete>(&args).await.map(drop)
        };
        match given.await {
            Err(err) if !matches!(err.code(), Code::NoNetwork | Code::NoNetworkPort) => Err(err),
            _ => Ok(()),
        }
    }
}

async fn give_all_back(driver: &Driver, ports: &[NotedPort]) -> Result<()> {
    let client = connect(driver).await?;
    for port in ports {
        port.give_back(&client).await?;
        let note = notes(driver).join(port.uuid.to_string());
        let removed = driver.blocking(move || {
            durable::remove(&note)
                .map_err(|err| Error::new(Code::OperationFailed, ErrorDomain::Qemu, err.to_string()))
        });
        removed.await?;
    }
    Ok(())
}

async fn go_on_giving_back(driver: Arc<Driver>, ports: Vec<NotedPort>) {
    // This must not keep the driver from ending.
    let driver = Arc::downgrade(&driver);
    let mut pause = PAUSE;
    loop {
        let Some(driver) = driver.upgrade() else { return };
        let given = give_all_back(&driver, &ports).await;
        drop(driver);
        match given {
            Ok(()) => return,
            Err(err) => tracing::debug!(%err, "ports of networks are not given back yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Names of passed-through devices: an interface that turns out to be one has a name as they have.
struct DeviceAliases(HashSet<String>);

impl DeviceAliases {
    fn of(model: &Model) -> Self {
        let devices = &model.devices;
        let cards = devices.interfaces.iter().map(|interface| &interface.info);
        let others = devices.hostdevs.iter().map(|hostdev| &hostdev.info);
        let names = cards.chain(others).filter_map(|info| info.alias_name());
        Self(names.map(str::to_owned).collect())
    }

    /// Gives an interface the first name that is free, unless its name is its user's; tells what it is called then.
    fn rename(&mut self, interface: &mut Interface) -> String {
        let free = (0_u32..)
            .map(|number| format!("hostdev{number}"))
            .find(|name| !self.0.contains(name));
        if let Some(name) = free.filter(|_| !interface.info.has_user_alias()) {
            self.0.insert(name.clone());
            interface.info.set_alias(name);
        }
        interface.info.alias_name().unwrap_or_default().to_owned()
    }
}

/// The port that an interface asks for.
fn wanted(interface: &Interface, source: &Source, owner: &PortOwner) -> Result<NetworkPort> {
    let mac = interface.mac_address().ok_or_else(|| {
        let text = "<interface type='network'>: no address was chosen for the card";
        Error::new(Code::InternalError, ErrorDomain::Qemu, text)
    })?;
    Ok(NetworkPort {
        uuid: source.portid,
        owner: owner.clone(),
        group: source.portgroup.clone(),
        mac: model::network::BridgeMac { address: mac },
        virtual_port: interface.virtual_port.clone(),
        bandwidth: interface.bandwidth.clone().map(|limits| PortBandwidth {
            class_id: None,
            limits,
        }),
        vlan: interface.vlan.clone(),
        port: interface.port.clone(),
        rx_filters: interface
            .trust_guest_rx_filters
            .map(|trust_guest| RxFilters { trust_guest }),
        plug: None,
    })
}

/// Writes into a live interface what its port is.
fn plug_in(interface: &mut Interface, source: Source, port: NetworkPort) -> Result<()> {
    interface.virtual_port = port.virtual_port;
    interface.bandwidth = port.bandwidth.map(|bandwidth| bandwidth.limits);
    interface.vlan = port.vlan;
    interface.port = port.port;
    interface.trust_guest_rx_filters = port.rx_filters.map(|filters| filters.trust_guest);
    let Source {
        network,
        portgroup,
        portid,
        ..
    } = source.clone();
    interface.kind = match port.plug {
        Some(Plug::Network {
            bridge,
            mac_table_manager,
        }) => InterfaceKind::Network {
            source: Source {
                bridge: Some(bridge),
                mac_table_manager,
                ..source
            },
        },
        Some(Plug::Bridge {
            bridge,
            mac_table_manager,
        }) => InterfaceKind::Bridge {
            source: Some(BridgeSource {
                network: Some(network),
                portgroup,
                portid,
                bridge: Some(bridge),
                mac_table_manager,
            }),
        },
        Some(Plug::Direct { dev, mode }) => InterfaceKind::Direct {
            source: DirectSource {
                network: Some(network),
                portgroup,
                portid,
                dev: Some(dev),
                mode: Some(mode),
            },
        },
        Some(Plug::HostdevPci {
            managed,
            driver,
            address,
        }) => {
            interface.managed = managed;
            // It has no end on the host.
            interface.target = None;
            // What a card of QEMU's own would have been driven by says nothing any more.
            interface.driver = driver.map(|driver| InterfaceDriver {
                name: driver.name.map(|name| match name {
                    HostdevDriverName::Kvm => InterfaceDriverName::Kvm,
                    HostdevDriverName::Vfio => InterfaceDriverName::Vfio,
                    HostdevDriverName::Xen => InterfaceDriverName::Xen,
                }),
                model: driver.model,
                ..InterfaceDriver::default()
            });
            InterfaceKind::Hostdev {
                source: HostdevNicSource {
                    address: Some(HostNicAddress::Pci(address.0)),
                    ..HostdevNicSource::default()
                },
            }
        }
        None => {
            let text = format!("network '{network}' does not say what its port is connected to");
            return Err(Error::new(Code::InternalError, ErrorDomain::Qemu, text));
        }
    };
    Ok(())
}
