//! The host itself.

use super::limits;
use crate::TypedParam;
use xdr::{CharArray, Chars, Xdr};

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCpuStats {
    pub field: String,
    pub value: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetMemoryStats {
    pub field: String,
    pub value: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetInfoRet {
    pub model: CharArray<32>,
    pub memory: u64,
    pub cpus: i32,
    pub mhz: i32,
    pub nodes: i32,
    pub sockets: i32,
    pub cores: i32,
    pub threads: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCpuStatsArgs {
    pub cpu_num: i32,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCpuStatsRet {
    #[xdr(max = limits::NODE_CPU_STATS_MAX)]
    pub params: Vec<NodeGetCpuStats>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetMemoryStatsArgs {
    pub nparams: i32,
    pub cell_num: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetMemoryStatsRet {
    #[xdr(max = limits::NODE_MEMORY_STATS_MAX)]
    pub params: Vec<NodeGetMemoryStats>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCellsFreeMemoryArgs {
    pub start_cell: i32,
    pub maxcells: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCellsFreeMemoryRet {
    #[xdr(max = limits::NODE_MAX_CELLS)]
    pub cells: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetFreeMemoryRet {
    pub free_mem: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetSecurityModelRet {
    #[xdr(max = limits::SECURITY_MODEL_MAX)]
    pub model: Chars,
    #[xdr(max = limits::SECURITY_DOI_MAX)]
    pub doi: Chars,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeNumOfDevicesArgs {
    pub cap: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeNumOfDevicesRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeListDevicesArgs {
    pub cap: Option<String>,
    pub maxnames: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeListDevicesRet {
    #[xdr(max = limits::NODE_DEVICE_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeSuspendForDurationArgs {
    pub target: u32,
    pub duration: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeSetMemoryParametersArgs {
    #[xdr(max = limits::NODE_MEMORY_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetMemoryParametersArgs {
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetMemoryParametersRet {
    #[xdr(max = limits::NODE_MEMORY_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCpuMapArgs {
    pub need_map: i32,
    pub need_online: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetCpuMapRet {
    #[xdr(max = limits::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
    pub online: u32,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetFreePagesArgs {
    #[xdr(max = limits::NODE_MAX_CELLS)]
    pub pages: Vec<u32>,
    pub start_cell: i32,
    pub cell_count: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetFreePagesRet {
    #[xdr(max = limits::NODE_MAX_CELLS)]
    pub counts: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeAllocPagesArgs {
    #[xdr(max = limits::NODE_MAX_CELLS)]
    pub page_sizes: Vec<u32>,
    #[xdr(max = limits::NODE_MAX_CELLS)]
    pub page_counts: Vec<u64>,
    pub start_cell: i32,
    pub cell_count: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeAllocPagesRet {
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetSevInfoArgs {
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NodeGetSevInfoRet {
    #[xdr(max = limits::NODE_SEV_INFO_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}
