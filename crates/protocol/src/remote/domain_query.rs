//! Domains: what is asked of them by other calls than a get.

use super::Domain;
use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDiskError {
    pub disk: String,
    pub error: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInterfaceStatsArgs {
    pub dom: Domain,
    pub device: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInterfaceStatsRet {
    pub rx_bytes: i64,
    pub rx_packets: i64,
    pub rx_errs: i64,
    pub rx_drop: i64,
    pub tx_bytes: i64,
    pub tx_packets: i64,
    pub tx_errs: i64,
    pub tx_drop: i64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMemoryStatsArgs {
    pub dom: Domain,
    pub max_stats: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMemoryStat {
    pub tag: i32,
    pub val: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMemoryStatsRet {
    #[xdr(max = limits::DOMAIN_MEMORY_STATS_MAX)]
    pub stats: Vec<DomainMemoryStat>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMemoryPeekArgs {
    pub dom: Domain,
    pub offset: u64,
    pub size: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMemoryPeekRet {
    #[xdr(max = limits::DOMAIN_MEMORY_PEEK_BUFFER_MAX)]
    pub buffer: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainLookupByIdArgs {
    pub id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainLookupByIdRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainLookupByUuidArgs {
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainLookupByUuidRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainLookupByNameArgs {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainLookupByNameRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIsActiveArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIsActiveRet {
    pub active: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIsPersistentArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIsPersistentRet {
    pub persistent: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIsUpdatedArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIsUpdatedRet {
    pub updated: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainHasManagedSaveImageArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainHasManagedSaveImageRet {
    pub result: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFstrimArgs {
    pub dom: Domain,
    pub mount_point: Option<String>,
    pub minimum: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFsfreezeArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_FSFREEZE_MOUNTPOINTS_MAX)]
    pub mountpoints: Vec<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFsfreezeRet {
    pub filesystems: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFsthawArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_FSFREEZE_MOUNTPOINTS_MAX)]
    pub mountpoints: Vec<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFsthawRet {
    pub filesystems: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainStatsRecord {
    pub dom: Domain,
    #[xdr(max = limits::CONNECT_GET_ALL_DOMAIN_STATS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFsinfo {
    pub mountpoint: String,
    pub name: String,
    pub fstype: String,
    #[xdr(max = limits::DOMAIN_FSINFO_DISKS_MAX)]
    pub dev_aliases: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIpAddr {
    pub r#type: i32,
    pub addr: String,
    pub prefix: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInterface {
    pub name: String,
    pub hwaddr: Option<String>,
    #[xdr(max = limits::DOMAIN_IP_ADDR_MAX)]
    pub addrs: Vec<DomainIpAddr>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInterfaceAddressesArgs {
    pub dom: Domain,
    pub source: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInterfaceAddressesRet {
    #[xdr(max = limits::DOMAIN_INTERFACE_MAX)]
    pub ifaces: Vec<DomainInterface>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAuthorizedSshKeysGetArgs {
    pub dom: Domain,
    pub user: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAuthorizedSshKeysGetRet {
    #[xdr(max = limits::DOMAIN_AUTHORIZED_SSH_KEYS_MAX)]
    pub keys: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAuthorizedSshKeysSetArgs {
    pub dom: Domain,
    pub user: String,
    #[xdr(max = limits::DOMAIN_AUTHORIZED_SSH_KEYS_MAX)]
    pub keys: Vec<String>,
    pub flags: u32,
}
