//! Block devices of domains.

use super::Domain;
use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockResizeArgs {
    pub dom: Domain,
    pub disk: String,
    pub size: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockStatsArgs {
    pub dom: Domain,
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockStatsRet {
    pub rd_req: i64,
    pub rd_bytes: i64,
    pub wr_req: i64,
    pub wr_bytes: i64,
    pub errs: i64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockStatsFlagsArgs {
    pub dom: Domain,
    pub path: String,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockStatsFlagsRet {
    #[xdr(max = limits::DOMAIN_BLOCK_STATS_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockPeekArgs {
    pub dom: Domain,
    pub path: String,
    pub offset: u64,
    pub size: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockPeekRet {
    #[xdr(max = limits::DOMAIN_BLOCK_PEEK_BUFFER_MAX)]
    pub buffer: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockJobAbortArgs {
    pub dom: Domain,
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockJobSetSpeedArgs {
    pub dom: Domain,
    pub path: String,
    pub bandwidth: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockPullArgs {
    pub dom: Domain,
    pub path: String,
    pub bandwidth: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockRebaseArgs {
    pub dom: Domain,
    pub path: String,
    pub base: Option<String>,
    pub bandwidth: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockCopyArgs {
    pub dom: Domain,
    pub path: String,
    pub destxml: String,
    #[xdr(max = limits::DOMAIN_BLOCK_COPY_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainBlockCommitArgs {
    pub dom: Domain,
    pub disk: String,
    pub base: Option<String>,
    pub top: Option<String>,
    pub bandwidth: u64,
    pub flags: u32,
}
