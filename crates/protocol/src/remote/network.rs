//! Networks, their ports and events.

use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Network {
    pub name: String,
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPort {
    pub net: Network,
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfNetworksRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListNetworksArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListNetworksRet {
    #[xdr(max = limits::NETWORK_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfDefinedNetworksRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedNetworksArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedNetworksRet {
    #[xdr(max = limits::NETWORK_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkLookupByUuidArgs {
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkLookupByUuidRet {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkLookupByNameArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkLookupByNameRet {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkCreateXmlArgs {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkCreateXmlRet {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkCreateXmlFlagsArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkCreateXmlFlagsRet {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDefineXmlArgs {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDefineXmlRet {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDefineXmlFlagsArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDefineXmlFlagsRet {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkUndefineArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkUpdateArgs {
    pub net: Network,
    pub command: u32,
    pub section: u32,
    pub parent_index: i32,
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkCreateArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDestroyArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetXmlDescArgs {
    pub net: Network,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetBridgeNameArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetBridgeNameRet {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetAutostartArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetAutostartRet {
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkSetAutostartArgs {
    pub net: Network,
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkIsActiveArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkIsActiveRet {
    pub active: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkIsPersistentArgs {
    pub net: Network,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkIsPersistentRet {
    pub persistent: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNetworksArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNetworksRet {
    #[xdr(max = limits::NETWORK_LIST_MAX)]
    pub nets: Vec<Network>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNetworkEventRegisterAnyArgs {
    pub event_id: i32,
    pub net: Option<Network>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNetworkEventRegisterAnyRet {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNetworkEventDeregisterAnyArgs {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkEventLifecycleMsg {
    pub callback_id: i32,
    pub net: Network,
    pub event: i32,
    pub detail: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkEventCallbackMetadataChangeMsg {
    pub callback_id: i32,
    pub net: Network,
    pub r#type: i32,
    pub nsuri: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkSetMetadataArgs {
    pub network: Network,
    pub r#type: i32,
    pub metadata: Option<String>,
    pub key: Option<String>,
    pub uri: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetMetadataArgs {
    pub network: Network,
    pub r#type: i32,
    pub uri: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetMetadataRet {
    pub metadata: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDhcpLease {
    pub iface: String,
    pub expirytime: i64,
    pub r#type: i32,
    pub mac: Option<String>,
    pub iaid: Option<String>,
    pub ipaddr: String,
    pub prefix: u32,
    pub hostname: Option<String>,
    pub clientid: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetDhcpLeasesArgs {
    pub net: Network,
    pub mac: Option<String>,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkGetDhcpLeasesRet {
    #[xdr(max = limits::NETWORK_DHCP_LEASES_MAX)]
    pub leases: Vec<NetworkDhcpLease>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkListAllPortsArgs {
    pub network: Network,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkListAllPortsRet {
    #[xdr(max = limits::NETWORK_PORT_LIST_MAX)]
    pub ports: Vec<NetworkPort>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortLookupByUuidArgs {
    pub network: Network,
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortLookupByUuidRet {
    pub port: NetworkPort,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortCreateXmlArgs {
    pub network: Network,
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortCreateXmlRet {
    pub port: NetworkPort,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortSetParametersArgs {
    pub port: NetworkPort,
    #[xdr(max = limits::NETWORK_PORT_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortGetParametersArgs {
    pub port: NetworkPort,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortGetParametersRet {
    #[xdr(max = limits::NETWORK_PORT_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortGetXmlDescArgs {
    pub port: NetworkPort,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkPortDeleteArgs {
    pub port: NetworkPort,
    pub flags: u32,
}
