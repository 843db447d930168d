//! Domains: what the get calls ask of them.

use super::limits;
use super::{Domain, DomainDiskError, DomainFsinfo, DomainIothreadInfo, VcpuInfo};
use crate::TypedParam;
use xdr::{Chars, UChar, Xdr};

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSchedulerTypeArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSchedulerTypeRet {
    pub r#type: String,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSchedulerParametersArgs {
    pub dom: Domain,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSchedulerParametersRet {
    #[xdr(max = limits::DOMAIN_SCHEDULER_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSchedulerParametersFlagsArgs {
    pub dom: Domain,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSchedulerParametersFlagsRet {
    #[xdr(max = limits::DOMAIN_SCHEDULER_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlkioParametersArgs {
    pub dom: Domain,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlkioParametersRet {
    #[xdr(max = limits::DOMAIN_BLKIO_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMemoryParametersArgs {
    pub dom: Domain,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMemoryParametersRet {
    #[xdr(max = limits::DOMAIN_MEMORY_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetNumaParametersArgs {
    pub dom: Domain,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetNumaParametersRet {
    #[xdr(max = limits::DOMAIN_NUMA_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetPerfEventsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetPerfEventsRet {
    #[xdr(max = limits::DOMAIN_PERF_EVENTS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetInterfaceParametersArgs {
    pub dom: Domain,
    pub device: String,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetInterfaceParametersRet {
    #[xdr(max = limits::DOMAIN_INTERFACE_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlockInfoArgs {
    pub dom: Domain,
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlockInfoRet {
    pub allocation: u64,
    pub capacity: u64,
    pub physical: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetOsTypeArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetOsTypeRet {
    pub r#type: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMaxMemoryArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMaxMemoryRet {
    pub memory: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetInfoArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetInfoRet {
    pub state: UChar,
    pub max_mem: u64,
    pub memory: u64,
    pub nr_virt_cpu: u16,
    pub cpu_time: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetXmlDescArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetVcpusFlagsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetVcpusFlagsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetVcpuPinInfoArgs {
    pub dom: Domain,
    pub ncpumaps: i32,
    pub maplen: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetVcpuPinInfoRet {
    #[xdr(max = limits::CPUMAPS_MAX)]
    pub cpumaps: Vec<u8>,
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetEmulatorPinInfoArgs {
    pub dom: Domain,
    pub maplen: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetEmulatorPinInfoRet {
    #[xdr(max = limits::CPUMAPS_MAX)]
    pub cpumaps: Vec<u8>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetVcpusArgs {
    pub dom: Domain,
    pub maxinfo: i32,
    pub maplen: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetVcpusRet {
    #[xdr(max = limits::VCPUINFO_MAX)]
    pub info: Vec<VcpuInfo>,
    #[xdr(max = limits::CPUMAPS_MAX)]
    pub cpumaps: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMaxVcpusArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMaxVcpusRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetIothreadInfoArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetIothreadInfoRet {
    #[xdr(max = limits::IOTHREAD_INFO_MAX)]
    pub info: Vec<DomainIothreadInfo>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSecurityLabelArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSecurityLabelRet {
    #[xdr(max = limits::SECURITY_LABEL_MAX)]
    pub label: Chars,
    pub enforcing: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSecurityLabelListArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetSecurityLabelListRet {
    #[xdr(max = limits::SECURITY_LABEL_LIST_MAX)]
    pub labels: Vec<DomainGetSecurityLabelRet>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetAutostartArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetAutostartRet {
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMetadataArgs {
    pub dom: Domain,
    pub r#type: i32,
    pub uri: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMetadataRet {
    pub metadata: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlockJobInfoArgs {
    pub dom: Domain,
    pub path: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlockJobInfoRet {
    pub found: i32,
    pub r#type: i32,
    pub bandwidth: u64,
    pub cur: u64,
    pub end: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlockIoTuneArgs {
    pub dom: Domain,
    pub disk: Option<String>,
    pub nparams: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetBlockIoTuneRet {
    #[xdr(max = limits::DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetCpuStatsArgs {
    pub dom: Domain,
    pub nparams: u32,
    pub start_cpu: i32,
    pub ncpus: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetCpuStatsRet {
    #[xdr(max = limits::DOMAIN_GET_CPU_STATS_MAX)]
    pub params: Vec<TypedParam>,
    pub nparams: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetHostnameArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetHostnameRet {
    pub hostname: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetJobInfoArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetJobInfoRet {
    pub r#type: i32,
    pub time_elapsed: u64,
    pub time_remaining: u64,
    pub data_total: u64,
    pub data_processed: u64,
    pub data_remaining: u64,
    pub mem_total: u64,
    pub mem_processed: u64,
    pub mem_remaining: u64,
    pub file_total: u64,
    pub file_processed: u64,
    pub file_remaining: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetJobStatsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetJobStatsRet {
    pub r#type: i32,
    #[xdr(max = limits::DOMAIN_JOB_STATS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetStateArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetStateRet {
    pub state: i32,
    pub reason: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetControlInfoArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetControlInfoRet {
    pub state: u32,
    pub details: u32,
    pub state_time: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetDiskErrorsArgs {
    pub dom: Domain,
    pub maxerrors: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetDiskErrorsRet {
    #[xdr(max = limits::DOMAIN_DISK_ERRORS_MAX)]
    pub errors: Vec<DomainDiskError>,
    pub nerrors: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetTimeArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetTimeRet {
    pub seconds: i64,
    pub nseconds: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetFsinfoArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetFsinfoRet {
    #[xdr(max = limits::DOMAIN_FSINFO_MAX)]
    pub info: Vec<DomainFsinfo>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetGuestVcpusArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetGuestVcpusRet {
    #[xdr(max = limits::DOMAIN_GUEST_VCPU_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetLaunchSecurityInfoArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetLaunchSecurityInfoRet {
    #[xdr(max = limits::DOMAIN_LAUNCH_SECURITY_INFO_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetGuestInfoArgs {
    pub dom: Domain,
    pub types: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetGuestInfoRet {
    #[xdr(max = limits::DOMAIN_GUEST_INFO_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMessagesArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetMessagesRet {
    #[xdr(max = limits::DOMAIN_MESSAGES_MAX)]
    pub msgs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetAutostartOnceArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGetAutostartOnceRet {
    pub autostart: i32,
}
