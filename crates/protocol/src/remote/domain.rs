//! Domains: what is done to them.

use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Domain {
    pub name: String,
    pub uuid: [u8; 16],
    pub id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateXmlArgs {
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateXmlRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateXmlWithFilesArgs {
    pub xml_desc: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateXmlWithFilesRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSuspendArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainResumeArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainPmSuspendForDurationArgs {
    pub dom: Domain,
    pub target: u32,
    pub duration: u64,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainPmWakeupArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainShutdownArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRebootArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainResetArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDestroyArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDestroyFlagsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSaveArgs {
    pub dom: Domain,
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSaveFlagsArgs {
    pub dom: Domain,
    pub to: String,
    pub dxml: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSaveParamsArgs {
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_SAVE_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRestoreArgs {
    pub from: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRestoreFlagsArgs {
    pub from: String,
    pub dxml: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRestoreParamsArgs {
    #[xdr(max = limits::DOMAIN_SAVE_PARAMS_MAX)]
    pub params: Vec<TypedParam>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSaveImageGetXmlDescArgs {
    pub file: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSaveImageGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSaveImageDefineXmlArgs {
    pub file: String,
    pub dxml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCoreDumpArgs {
    pub dom: Domain,
    pub to: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCoreDumpWithFormatArgs {
    pub dom: Domain,
    pub to: String,
    pub dumpformat: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainScreenshotArgs {
    pub dom: Domain,
    pub screen: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainScreenshotRet {
    pub mime: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateWithFlagsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateWithFlagsRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateWithFilesArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainCreateWithFilesRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDefineXmlArgs {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDefineXmlRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDefineXmlFlagsArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDefineXmlFlagsRet {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainUndefineArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainUndefineFlagsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInjectNmiArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSendKeyArgs {
    pub dom: Domain,
    pub codeset: u32,
    pub holdtime: u32,
    #[xdr(max = limits::DOMAIN_SEND_KEY_MAX)]
    pub keycodes: Vec<u32>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainSendProcessSignalArgs {
    pub dom: Domain,
    pub pid_value: i64,
    pub signum: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIothreadInfo {
    pub iothread_id: u32,
    #[xdr(max = limits::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAbortJobArgs {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAbortJobFlagsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainManagedSaveArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainManagedSaveRemoveArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainManagedSaveGetXmlDescArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainManagedSaveGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainManagedSaveDefineXmlArgs {
    pub dom: Domain,
    pub dxml: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenConsoleArgs {
    pub dom: Domain,
    pub dev_name: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenChannelArgs {
    pub dom: Domain,
    pub name: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenGraphicsArgs {
    pub dom: Domain,
    pub idx: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainOpenGraphicsFdArgs {
    pub dom: Domain,
    pub idx: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainShutdownFlagsArgs {
    pub dom: Domain,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRenameArgs {
    pub dom: Domain,
    pub new_name: Option<String>,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainRenameRet {
    pub retcode: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAgentSetResponseTimeoutArgs {
    pub dom: Domain,
    pub timeout: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainAgentSetResponseTimeoutRet {
    pub result: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainStartDirtyRateCalcArgs {
    pub dom: Domain,
    pub seconds: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainGraphicsReloadArgs {
    pub dom: Domain,
    pub r#type: u32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFdAssociateArgs {
    pub dom: Domain,
    pub name: String,
    pub flags: u32,
}
