//! Host interfaces.

use super::limits;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Interface {
    pub name: String,
    pub mac: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfInterfacesRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListInterfacesArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListInterfacesRet {
    #[xdr(max = limits::INTERFACE_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfDefinedInterfacesRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedInterfacesArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedInterfacesRet {
    #[xdr(max = limits::INTERFACE_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceLookupByNameArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceLookupByNameRet {
    pub iface: Interface,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceLookupByMacStringArgs {
    pub mac: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceLookupByMacStringRet {
    pub iface: Interface,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceGetXmlDescArgs {
    pub iface: Interface,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceDefineXmlArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceDefineXmlRet {
    pub iface: Interface,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceUndefineArgs {
    pub iface: Interface,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceCreateArgs {
    pub iface: Interface,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceDestroyArgs {
    pub iface: Interface,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceChangeBeginArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceChangeCommitArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceChangeRollbackArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceIsActiveArgs {
    pub iface: Interface,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct InterfaceIsActiveRet {
    pub active: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllInterfacesArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllInterfacesRet {
    #[xdr(max = limits::INTERFACE_LIST_MAX)]
    pub ifaces: Vec<Interface>,
    pub ret: u32,
}
