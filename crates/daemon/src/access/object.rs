//! What access is granted to: kinds of objects, how calls name them, and what a policy is told of each.

use super::encoded::Encoded;
use error::{Code, Domain, Error};
use protocol::{ProcedureInfo, remote};
use uuid::Uuid;
use xdr::{Describe, Schema};

/// A kind of object, as the rules of the protocol's table name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the kinds are the public API's")]
pub enum Kind {
    Connect,
    Domain,
    Interface,
    Network,
    NetworkPort,
    NodeDevice,
    Nwfilter,
    NwfilterBinding,
    Secret,
    StoragePool,
    StorageVol,
}

/// Every kind with its name in the table. One whose name another begins with stands behind it.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Connect, "connect"),
    (Kind::Domain, "domain"),
    (Kind::Interface, "interface"),
    (Kind::NetworkPort, "network_port"),
    (Kind::Network, "network"),
    (Kind::NodeDevice, "node_device"),
    (Kind::NwfilterBinding, "nwfilter_binding"),
    (Kind::Nwfilter, "nwfilter"),
    (Kind::Secret, "secret"),
    (Kind::StoragePool, "storage_pool"),
    (Kind::StorageVol, "storage_vol"),
];

impl Kind {
    /// The kind of that name in the table.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = KINDS.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }

    /// The kind that a name of the table begins with: `Domain` of `domain_event_reboot`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let begins = |known: &str| name.strip_prefix(known).is_some_and(|rest| rest.starts_with('_'));
        let found = KINDS.iter().find(|(_, known)| begins(known));
        found.map(|(kind, _)| *kind)
    }

    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        let found = KINDS.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| *name)
    }

    /// How a reference to one travels; there is none to the connection itself.
    pub(super) fn reference(self) -> Schema {
        match self {
            Self::Connect => Schema::Void,
            Self::Domain => remote::Domain::schema(),
            Self::Interface => remote::Interface::schema(),
            Self::Network => remote::Network::schema(),
            Self::NetworkPort => remote::NetworkPort::schema(),
            Self::NodeDevice => remote::NodeDevice::schema(),
            Self::Nwfilter => remote::Nwfilter::schema(),
            Self::NwfilterBinding => remote::NwfilterBinding::schema(),
            Self::Secret => remote::Secret::schema(),
            Self::StoragePool => remote::StoragePool::schema(),
            Self::StorageVol => remote::StorageVol::schema(),
        }
    }
}

/// How a call names an object. Nothing of it is believed but that the client said so.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// By its UUID: domains, networks, storage pools, network filters and secrets.
    Uuid(Uuid),
    /// By its name: node devices, interfaces, bindings of network filters (their port's device), and what lists tell by name.
    Name(&'a str),
    /// By its number while it is active: domains.
    Id(i32),
    /// By its name in its parent, whose UUID this is: storage volumes.
    Member(Uuid, &'a str),
    /// By a reference of several parts, as it travels: storage volumes and network ports.
    Reference(&'a [u8]),
    /// By the document that is to make it.
    Document(&'a str),
    /// By whatever else stands in the arguments of that procedure, as they travel: a file, a parent and a document.
    Call(&'static ProcedureInfo, &'a [u8]),
}

/// What a policy is told of an object, by names that libvirt's documentation gives ("Object identity attributes").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    details: Vec<(&'static str, String)>,
}

impl Object {
    fn of<const N: usize>(details: [(&'static str, String); N]) -> Self {
        Self {
            details: details.into(),
        }
    }

    /// Names and values.
    pub fn details(&self) -> &[(&'static str, String)] {
        &self.details
    }

    /// A domain.
    pub fn domain(name: &str, uuid: Uuid) -> Self {
        Self::of([
            ("domain_name", name.to_owned()),
            ("domain_uuid", uuid.to_string()),
        ])
    }

    /// A network.
    pub fn network(name: &str, uuid: Uuid) -> Self {
        Self::of([
            ("network_name", name.to_owned()),
            ("network_uuid", uuid.to_string()),
        ])
    }

    /// A port of a network.
    pub fn network_port(network: &str, network_uuid: Uuid, port: Uuid) -> Self {
        let mut object = Self::network(network, network_uuid);
        object.details.push(("port_uuid", port.to_string()));
        object
    }

    /// A network filter.
    pub fn nwfilter(name: &str, uuid: Uuid) -> Self {
        Self::of([
            ("nwfilter_name", name.to_owned()),
            ("nwfilter_uuid", uuid.to_string()),
        ])
    }

    /// A binding of a network filter to the device of a port.
    pub fn nwfilter_binding(port_device: &str) -> Self {
        Self::of([("nwfilter_binding_portdev", port_device.to_owned())])
    }

    /// A network interface of the host.
    pub fn interface(name: &str, mac: &str) -> Self {
        Self::of([
            ("interface_name", name.to_owned()),
            ("interface_macaddr", mac.to_owned()),
        ])
    }

    /// A device of the host.
    pub fn node_device(name: &str) -> Self {
        Self::of([("node_device_name", name.to_owned())])
    }

    /// A secret, with the number of its usage type (`virSecretUsageType`) and what it is for.
    pub fn secret(uuid: Uuid, usage: i32, id: &str) -> Self {
        let mut object = Self::of([("secret_uuid", uuid.to_string())]);
        let usage = match usage {
            1 => "secret_usage_volume",
            2 => "secret_usage_ceph",
            3 => "secret_usage_target",
            // TLS and TPMs.
            4 | 5 => "secret_usage_name",
            _ => return object,
        };
        object.details.push((usage, id.to_owned()));
        object
    }

    /// A storage pool.
    pub fn storage_pool(name: &str, uuid: Uuid) -> Self {
        Self::of([("pool_name", name.to_owned()), ("pool_uuid", uuid.to_string())])
    }

    /// A volume of a storage pool.
    pub fn storage_vol(pool: &str, pool_uuid: Uuid, name: &str, key: &str) -> Self {
        let mut object = Self::storage_pool(pool, pool_uuid);
        object
            .details
            .extend([("vol_name", name.to_owned()), ("vol_key", key.to_owned())]);
        object
    }

    /// What a reference that the driver itself made says; nothing for a volume, whose reference lacks its pool's UUID.
    pub(super) fn told(kind: Kind, reference: &Encoded<'_>) -> Option<Self> {
        let text = |field| reference.field(field).and_then(|value| value.text());
        let uuid = |field| reference.field(field).and_then(|value| value.uuid());
        Some(match kind {
            Kind::Connect => Self::default(),
            Kind::Domain => Self::domain(text("name")?, uuid("uuid")?),
            Kind::Interface => Self::interface(text("name")?, text("mac")?),
            Kind::Network => Self::network(text("name")?, uuid("uuid")?),
            Kind::NetworkPort => {
                let network = reference.field("net")?;
                let name = network.field("name")?;
                Self::network_port(name.text()?, network.field("uuid")?.uuid()?, uuid("uuid")?)
            }
            Kind::NodeDevice => Self::node_device(text("name")?),
            Kind::Nwfilter => Self::nwfilter(text("name")?, uuid("uuid")?),
            Kind::NwfilterBinding => Self::nwfilter_binding(text("portdev")?),
            Kind::Secret => {
                let usage = reference.field("usage_type")?.word()?;
                Self::secret(uuid("uuid")?, usage.cast_signed(), text("usage_id")?)
            }
            Kind::StoragePool => Self::storage_pool(text("name")?, uuid("uuid")?),
            Kind::StorageVol => return None,
        })
    }
}

/// What a call is told whose object a driver cannot tell: rather that than to serve it unjudged.
pub fn undescribed(kind: Kind, by: By<'_>) -> Error {
    let how = match by {
        By::Call(procedure, _) => procedure.name,
        By::Document(_) => "a document",
        _ => "its name",
    };
    let text = format!(
        "access control cannot tell which {} is meant by {how}",
        kind.name()
    );
    Error::new(Code::NoSupport, Domain::Access, text)
}

impl<'a> By<'a> {
    /// How a client's reference names an object: by that part of it which the object is found by.
    pub(super) fn reference(kind: Kind, reference: &Encoded<'a>) -> Option<Self> {
        let field = |name| reference.field(name);
        match kind {
            Kind::Connect => None,
            Kind::Domain | Kind::Network | Kind::Nwfilter | Kind::Secret | Kind::StoragePool => {
                field("uuid")?.uuid().map(Self::Uuid)
            }
            Kind::Interface | Kind::NodeDevice => field("name")?.text().map(Self::Name),
            Kind::NwfilterBinding => field("portdev")?.text().map(Self::Name),
            Kind::NetworkPort | Kind::StorageVol => Some(Self::Reference(reference.bytes())),
        }
    }
}
