//! Storage pools and volumes.

use super::limits;
use xdr::{UChar, Xdr};

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePool {
    pub name: String,
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVol {
    pub pool: String,
    pub name: String,
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfStoragePoolsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListStoragePoolsArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListStoragePoolsRet {
    #[xdr(max = limits::STORAGE_POOL_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfDefinedStoragePoolsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedStoragePoolsArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedStoragePoolsRet {
    #[xdr(max = limits::STORAGE_POOL_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectFindStoragePoolSourcesArgs {
    pub r#type: String,
    pub src_spec: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectFindStoragePoolSourcesRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByUuidArgs {
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByUuidRet {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByNameArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByNameRet {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByVolumeArgs {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByVolumeRet {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByTargetPathArgs {
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolLookupByTargetPathRet {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolCreateXmlArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolCreateXmlRet {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolDefineXmlArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolDefineXmlRet {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolBuildArgs {
    pub pool: StoragePool,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolUndefineArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolCreateArgs {
    pub pool: StoragePool,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolDestroyArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolDeleteArgs {
    pub pool: StoragePool,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolRefreshArgs {
    pub pool: StoragePool,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolGetXmlDescArgs {
    pub pool: StoragePool,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolGetInfoArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolGetInfoRet {
    pub state: UChar,
    pub capacity: u64,
    pub allocation: u64,
    pub available: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolGetAutostartArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolGetAutostartRet {
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolSetAutostartArgs {
    pub pool: StoragePool,
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolNumOfVolumesArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolNumOfVolumesRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolListVolumesArgs {
    pub pool: StoragePool,
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolListVolumesRet {
    #[xdr(max = limits::STORAGE_VOL_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolLookupByNameArgs {
    pub pool: StoragePool,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolLookupByNameRet {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolLookupByKeyArgs {
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolLookupByKeyRet {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolLookupByPathArgs {
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolLookupByPathRet {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolCreateXmlArgs {
    pub pool: StoragePool,
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolCreateXmlRet {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolCreateXmlFromArgs {
    pub pool: StoragePool,
    pub xml: String,
    pub clonevol: StorageVol,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolCreateXmlFromRet {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolDeleteArgs {
    pub vol: StorageVol,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolWipeArgs {
    pub vol: StorageVol,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolWipePatternArgs {
    pub vol: StorageVol,
    pub algorithm: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetXmlDescArgs {
    pub vol: StorageVol,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetInfoArgs {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetInfoRet {
    pub r#type: UChar,
    pub capacity: u64,
    pub allocation: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetInfoFlagsArgs {
    pub vol: StorageVol,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetInfoFlagsRet {
    pub r#type: UChar,
    pub capacity: u64,
    pub allocation: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetPathArgs {
    pub vol: StorageVol,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolGetPathRet {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolResizeArgs {
    pub vol: StorageVol,
    pub capacity: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolIsActiveArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolIsActiveRet {
    pub active: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolIsPersistentArgs {
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolIsPersistentRet {
    pub persistent: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolUploadArgs {
    pub vol: StorageVol,
    pub offset: u64,
    pub length: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StorageVolDownloadArgs {
    pub vol: StorageVol,
    pub offset: u64,
    pub length: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllStoragePoolsArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllStoragePoolsRet {
    #[xdr(max = limits::STORAGE_POOL_LIST_MAX)]
    pub pools: Vec<StoragePool>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolListAllVolumesArgs {
    pub pool: StoragePool,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolListAllVolumesRet {
    #[xdr(max = limits::STORAGE_VOL_LIST_MAX)]
    pub vols: Vec<StorageVol>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectStoragePoolEventRegisterAnyArgs {
    pub event_id: i32,
    pub pool: Option<StoragePool>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectStoragePoolEventRegisterAnyRet {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectStoragePoolEventDeregisterAnyArgs {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolEventLifecycleMsg {
    pub callback_id: i32,
    pub pool: StoragePool,
    pub event: i32,
    pub detail: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct StoragePoolEventRefreshMsg {
    pub callback_id: i32,
    pub pool: StoragePool,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetStoragePoolCapabilitiesArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetStoragePoolCapabilitiesRet {
    pub capabilities: String,
}
