//! Who networks and ports are that calls name, for access control.

use crate::Driver;
use crate::failure::refused;
use crate::network::Network;
use daemon::access::{By, Kind, Object, undescribed};
use error::{Code, Result};
use model::network::{Network as Document, NetworkPort as PortDocument};
use protocol::remote::procedure as p;
use protocol::remote::{NetworkPort, NetworkPortCreateXmlArgs, NetworkPortLookupByUuidArgs};
use uuid::Uuid;
use xdr::Decode;

fn decoded<T: Decode>(bytes: &[u8]) -> Result<T> {
    xdr::from_bytes(bytes).map_err(|err| refused(Code::Rpc, err.to_string()).caused_by(err))
}

fn network_object(network: &Network) -> Object {
    Object::network(&network.name, network.uuid)
}

impl Driver {
    /// Who an object is.
    ///
    /// # Errors
    /// There is none, or its document is refused.
    pub(crate) fn object(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        match (kind, by) {
            (Kind::Network, By::Uuid(uuid)) => Ok(network_object(&*self.networks.by_uuid(uuid)?)),
            (Kind::Network, By::Name(name)) => Ok(network_object(&*self.networks.by_name(name)?)),
            (Kind::Network, By::Document(text)) => {
                let document = Document::from_xml(text)?;
                // Without one it gets a new one.
                let uuid = document.uuid.unwrap_or_else(Uuid::new_v4);
                Ok(Object::network(&document.name, uuid))
            }
            (Kind::NetworkPort, By::Reference(bytes)) => {
                let port: NetworkPort = decoded(bytes)?;
                let network = self.networks.find(&port.net)?;
                let port = network.port(Uuid::from_bytes(port.uuid))?;
                Ok(Object::network_port(&network.name, network.uuid, port.uuid))
            }
            (Kind::NetworkPort, By::Call(call, bytes)) if call.is::<p::NetworkPortLookupByUuid>() => {
                let args: NetworkPortLookupByUuidArgs = decoded(bytes)?;
                let network = self.networks.find(&args.network)?;
                let port = network.port(Uuid::from_bytes(args.uuid))?;
                Ok(Object::network_port(&network.name, network.uuid, port.uuid))
            }
            (Kind::NetworkPort, By::Call(call, bytes)) if call.is::<p::NetworkPortCreateXml>() => {
                let args: NetworkPortCreateXmlArgs = decoded(bytes)?;
                let network = self.networks.find(&args.network)?;
                let port = PortDocument::from_xml(&args.xml)?;
                let uuid = port.uuid.unwrap_or_else(Uuid::new_v4);
                Ok(Object::network_port(&network.name, network.uuid, uuid))
            }
            (kind, by) => Err(undescribed(kind, by)),
        }
    }
}
