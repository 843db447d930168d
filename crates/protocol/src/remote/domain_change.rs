//! Domains: their parameters and devices.

use super::Domain;
use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetSchedulerParametersArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_SCHEDULER_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetSchedulerParametersFlagsArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_SCHEDULER_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetBlkioParametersArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_BLKIO_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetMemoryParametersArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_MEMORY_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetNumaParametersArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_NUMA_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetPerfEventsArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_PERF_EVENTS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetInterfaceParametersArgs {
    pub dom: Domain,
    pub device: String,
    #[xdr(max = limits::DOMAIN_INTERFACE_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetMaxMemoryArgs {
    pub dom: Domain,
    pub memory: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetMemoryArgs {
    pub dom: Domain,
    pub memory: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetMemoryFlagsArgs {
    pub dom: Domain,
    pub memory: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetMemoryStatsPeriodArgs {
    pub dom: Domain,
    pub period: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetVcpusArgs {
    pub dom: Domain,
    pub nvcpus: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetVcpusFlagsArgs {
    pub dom: Domain,
    pub nvcpus: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainPinVcpuArgs {
    pub dom: Domain,
    pub vcpu: u32,
    #[xdr(max = limits::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainPinVcpuFlagsArgs {
    pub dom: Domain,
    pub vcpu: u32,
    #[xdr(max = limits::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainPinEmulatorArgs {
    pub dom: Domain,
    #[xdr(max = limits::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainPinIothreadArgs {
    pub dom: Domain,
    pub iothreads_id: u32,
    #[xdr(max = limits::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAddIothreadArgs {
    pub dom: Domain,
    pub iothread_id: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDelIothreadArgs {
    pub dom: Domain,
    pub iothread_id: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetIothreadParamsArgs {
    pub dom: Domain,
    pub iothread_id: u32,
    #[xdr(max = limits::DOMAIN_IOTHREAD_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAttachDeviceArgs {
    pub dom: Domain,
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAttachDeviceFlagsArgs {
    pub dom: Domain,
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDetachDeviceArgs {
    pub dom: Domain,
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDetachDeviceFlagsArgs {
    pub dom: Domain,
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainUpdateDeviceFlagsArgs {
    pub dom: Domain,
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDetachDeviceAliasArgs {
    pub dom: Domain,
    pub alias: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetAutostartArgs {
    pub dom: Domain,
    pub autostart: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetMetadataArgs {
    pub dom: Domain,
    pub r#type: i32,
    pub metadata: Option<String>,
    pub key: Option<String>,
    pub uri: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetBlockIoTuneArgs {
    pub dom: Domain,
    pub disk: String,
    #[xdr(max = limits::DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetThrottleGroupArgs {
    pub dom: Domain,
    pub group: String,
    #[xdr(max = limits::DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDelThrottleGroupArgs {
    pub dom: Domain,
    pub group: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetTimeArgs {
    pub dom: Domain,
    pub seconds: i64,
    pub nseconds: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetUserPasswordArgs {
    pub dom: Domain,
    pub user: Option<String>,
    pub password: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetGuestVcpusArgs {
    pub dom: Domain,
    pub cpumap: String,
    pub state: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetVcpuArgs {
    pub dom: Domain,
    pub cpumap: String,
    pub state: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetBlockThresholdArgs {
    pub dom: Domain,
    pub dev: String,
    pub threshold: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetLifecycleActionArgs {
    pub dom: Domain,
    pub r#type: u32,
    pub action: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetLaunchSecurityStateArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_LAUNCH_SECURITY_STATE_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSetAutostartOnceArgs {
    pub dom: Domain,
    pub autostart: i32,
}
