//! Migration in all its versions.

use super::Domain;
use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareArgs {
    pub uri_in: Option<String>,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareRet {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie: Vec<u8>,
    pub uri_out: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePerformArgs {
    pub dom: Domain,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie: Vec<u8>,
    pub uri: String,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinishArgs {
    pub dname: String,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie: Vec<u8>,
    pub uri: String,
    pub flags: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinishRet {
    pub ddom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepare2Args {
    pub uri_in: Option<String>,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
    pub dom_xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepare2Ret {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie: Vec<u8>,
    pub uri_out: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinish2Args {
    pub dname: String,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie: Vec<u8>,
    pub uri: String,
    pub flags: u64,
    pub retcode: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinish2Ret {
    pub ddom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareTunnelArgs {
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
    pub dom_xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateGetMaxDowntimeArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateGetMaxDowntimeRet {
    pub downtime: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateSetMaxDowntimeArgs {
    pub dom: Domain,
    pub downtime: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateGetCompressionCacheArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateGetCompressionCacheRet {
    pub cache_size: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateSetCompressionCacheArgs {
    pub dom: Domain,
    pub cache_size: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateSetMaxSpeedArgs {
    pub dom: Domain,
    pub bandwidth: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateGetMaxSpeedArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateGetMaxSpeedRet {
    pub bandwidth: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateBegin3Args {
    pub dom: Domain,
    pub xmlin: Option<String>,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateBegin3Ret {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepare3Args {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub uri_in: Option<String>,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
    pub dom_xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepare3Ret {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
    pub uri_out: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareTunnel3Args {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
    pub dom_xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareTunnel3Ret {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePerform3Args {
    pub dom: Domain,
    pub xmlin: Option<String>,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub dconnuri: Option<String>,
    pub uri: Option<String>,
    pub flags: u64,
    pub dname: Option<String>,
    pub resource: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePerform3Ret {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinish3Args {
    pub dname: String,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub dconnuri: Option<String>,
    pub uri: Option<String>,
    pub flags: u64,
    pub cancelled: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinish3Ret {
    pub dom: Domain,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateConfirm3Args {
    pub dom: Domain,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u64,
    pub cancelled: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateBegin3ParamsArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateBegin3ParamsRet {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepare3ParamsArgs {
    #[xdr(max = limits::DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    pub params: Vec<TypedParam>,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepare3ParamsRet {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
    pub uri_out: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareTunnel3ParamsArgs {
    #[xdr(max = limits::DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    pub params: Vec<TypedParam>,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePrepareTunnel3ParamsRet {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePerform3ParamsArgs {
    pub dom: Domain,
    pub dconnuri: Option<String>,
    #[xdr(max = limits::DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    pub params: Vec<TypedParam>,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigratePerform3ParamsRet {
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinish3ParamsArgs {
    #[xdr(max = limits::DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    pub params: Vec<TypedParam>,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u32,
    pub cancelled: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateFinish3ParamsRet {
    pub dom: Domain,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_out: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateConfirm3ParamsArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_MIGRATE_PARAM_LIST_MAX)]
    pub params: Vec<TypedParam>,
    #[xdr(max = limits::MIGRATE_COOKIE_MAX)]
    pub cookie_in: Vec<u8>,
    pub flags: u32,
    pub cancelled: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMigrateStartPostCopyArgs {
    pub dom: Domain,
    pub flags: u32,
}
