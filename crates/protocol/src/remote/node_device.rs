//! Node devices.

use super::limits;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDevice {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceLookupByNameArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceLookupByNameRet {
    pub dev: NodeDevice,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceLookupScsiHostByWwnArgs {
    pub wwnn: String,
    pub wwpn: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceLookupScsiHostByWwnRet {
    pub dev: NodeDevice,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceGetXmlDescArgs {
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceGetParentArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceGetParentRet {
    pub parent_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceNumOfCapsArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceNumOfCapsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceListCapsArgs {
    pub name: String,
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceListCapsRet {
    #[xdr(max = limits::NODE_DEVICE_CAPS_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceDettachArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceDetachFlagsArgs {
    pub name: String,
    pub driver_name: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceReAttachArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceResetArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceCreateXmlArgs {
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceCreateXmlRet {
    pub dev: NodeDevice,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceDestroyArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceDefineXmlArgs {
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceDefineXmlRet {
    pub dev: NodeDevice,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceUndefineArgs {
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceCreateArgs {
    pub name: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceGetAutostartArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceGetAutostartRet {
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceSetAutostartArgs {
    pub name: String,
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceIsPersistentArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceIsPersistentRet {
    pub persistent: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceIsActiveArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceIsActiveRet {
    pub active: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceUpdateArgs {
    pub name: String,
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNodeDevicesArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNodeDevicesRet {
    #[xdr(max = limits::NODE_DEVICE_LIST_MAX)]
    pub devices: Vec<NodeDevice>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNodeDeviceEventRegisterAnyArgs {
    pub event_id: i32,
    pub dev: Option<NodeDevice>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNodeDeviceEventRegisterAnyRet {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNodeDeviceEventDeregisterAnyArgs {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceEventLifecycleMsg {
    pub callback_id: i32,
    pub dev: NodeDevice,
    pub event: i32,
    pub detail: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeDeviceEventUpdateMsg {
    pub callback_id: i32,
    pub dev: NodeDevice,
}
