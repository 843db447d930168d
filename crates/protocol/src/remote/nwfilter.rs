//! Network filters and their bindings.

use super::limits;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Nwfilter {
    pub name: String,
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBinding {
    pub portdev: String,
    pub filtername: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfNwfiltersRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListNwfiltersArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListNwfiltersRet {
    #[xdr(max = limits::NWFILTER_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterLookupByUuidArgs {
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterLookupByUuidRet {
    pub nwfilter: Nwfilter,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterLookupByNameArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterLookupByNameRet {
    pub nwfilter: Nwfilter,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterDefineXmlArgs {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterDefineXmlRet {
    pub nwfilter: Nwfilter,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterDefineXmlFlagsArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterDefineXmlFlagsRet {
    pub nwfilter: Nwfilter,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterUndefineArgs {
    pub nwfilter: Nwfilter,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterGetXmlDescArgs {
    pub nwfilter: Nwfilter,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNwfiltersArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNwfiltersRet {
    #[xdr(max = limits::NWFILTER_LIST_MAX)]
    pub filters: Vec<Nwfilter>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingLookupByPortDevArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingLookupByPortDevRet {
    pub nwfilter: NwfilterBinding,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingCreateXmlArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingCreateXmlRet {
    pub nwfilter: NwfilterBinding,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingDeleteArgs {
    pub nwfilter: NwfilterBinding,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingGetXmlDescArgs {
    pub nwfilter: NwfilterBinding,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NwfilterBindingGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNwfilterBindingsArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllNwfilterBindingsRet {
    #[xdr(max = limits::NWFILTER_BINDING_LIST_MAX)]
    pub bindings: Vec<NwfilterBinding>,
    pub ret: u32,
}
