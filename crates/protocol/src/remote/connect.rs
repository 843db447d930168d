//! The connection, authentication and host-wide questions.

use super::limits;
use super::{Domain, DomainStatsRecord};
use crate::TypedParam;
use xdr::{Chars, Xdr};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub enum AuthType {
    RemoteAuthNone = 0,
    RemoteAuthSasl = 1,
    RemoteAuthPolkit = 2,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct VcpuInfo {
    pub number: u32,
    pub state: i32,
    pub cpu_time: u64,
    pub cpu: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectOpenArgs {
    pub name: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSupportsFeatureArgs {
    pub feature: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSupportsFeatureRet {
    pub supported: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetTypeRet {
    pub r#type: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetVersionRet {
    pub hv_ver: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetLibVersionRet {
    pub lib_ver: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetHostnameRet {
    pub hostname: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetSysinfoArgs {
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetSysinfoRet {
    pub sysinfo: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetUriRet {
    pub uri: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetMaxVcpusArgs {
    pub r#type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetMaxVcpusRet {
    pub max_vcpus: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetCapabilitiesRet {
    pub capabilities: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetDomainCapabilitiesArgs {
    pub emulatorbin: Option<String>,
    pub arch: Option<String>,
    pub machine: Option<String>,
    pub virttype: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetDomainCapabilitiesRet {
    pub capabilities: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDomainsArgs {
    pub maxids: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDomainsRet {
    #[xdr(max = limits::DOMAIN_LIST_MAX)]
    pub ids: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfDomainsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedDomainsArgs {
    pub maxnames: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListDefinedDomainsRet {
    #[xdr(max = limits::DOMAIN_LIST_MAX)]
    pub names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfDefinedDomainsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthListRet {
    #[xdr(max = limits::AUTH_TYPE_LIST_MAX)]
    pub types: Vec<AuthType>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthSaslInitRet {
    pub mechlist: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthSaslStartArgs {
    pub mech: String,
    pub nil: i32,
    #[xdr(max = limits::AUTH_SASL_DATA_MAX)]
    pub data: Chars,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthSaslStartRet {
    pub complete: i32,
    pub nil: i32,
    #[xdr(max = limits::AUTH_SASL_DATA_MAX)]
    pub data: Chars,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthSaslStepArgs {
    pub nil: i32,
    #[xdr(max = limits::AUTH_SASL_DATA_MAX)]
    pub data: Chars,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthSaslStepRet {
    pub complete: i32,
    pub nil: i32,
    #[xdr(max = limits::AUTH_SASL_DATA_MAX)]
    pub data: Chars,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct AuthPolkitRet {
    pub complete: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainXmlFromNativeArgs {
    pub native_format: String,
    pub native_config: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainXmlFromNativeRet {
    pub domain_xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainXmlToNativeArgs {
    pub native_format: String,
    pub domain_xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainXmlToNativeRet {
    pub native_config: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectIsSecureRet {
    pub secure: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectCompareCpuArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectCompareCpuRet {
    pub result: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectBaselineCpuArgs {
    #[xdr(max = limits::CPU_BASELINE_MAX)]
    pub xml_cp_us: Vec<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectBaselineCpuRet {
    pub cpu: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllDomainsArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllDomainsRet {
    #[xdr(max = limits::DOMAIN_LIST_MAX)]
    pub domains: Vec<Domain>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectEventConnectionClosedMsg {
    pub reason: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetCpuModelNamesArgs {
    pub arch: String,
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetCpuModelNamesRet {
    #[xdr(max = limits::CONNECT_CPU_MODELS_MAX)]
    pub models: Vec<String>,
    pub ret: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetAllDomainStatsArgs {
    #[xdr(max = limits::DOMAIN_LIST_MAX)]
    pub doms: Vec<Domain>,
    pub stats: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectGetAllDomainStatsRet {
    #[xdr(max = limits::DOMAIN_LIST_MAX)]
    pub ret_stats: Vec<DomainStatsRecord>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectCompareHypervisorCpuArgs {
    pub emulator: Option<String>,
    pub arch: Option<String>,
    pub machine: Option<String>,
    pub virttype: Option<String>,
    pub xml_cpu: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectCompareHypervisorCpuRet {
    pub result: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectBaselineHypervisorCpuArgs {
    pub emulator: Option<String>,
    pub arch: Option<String>,
    pub machine: Option<String>,
    pub virttype: Option<String>,
    #[xdr(max = limits::CPU_BASELINE_MAX)]
    pub xml_cp_us: Vec<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectBaselineHypervisorCpuRet {
    pub cpu: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSetIdentityArgs {
    #[xdr(max = limits::CONNECT_IDENTITY_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}
