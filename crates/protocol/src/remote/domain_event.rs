//! Domain events and their subscriptions.

use super::Domain;
use super::limits;
use crate::TypedParam;
use xdr::Xdr;

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventRegisterRet {
    pub cb_registered: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventDeregisterRet {
    pub cb_registered: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventLifecycleMsg {
    pub dom: Domain,
    pub event: i32,
    pub detail: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackLifecycleMsg {
    pub callback_id: i32,
    pub msg: DomainEventLifecycleMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventRegisterAnyArgs {
    pub event_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventDeregisterAnyArgs {
    pub event_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventCallbackRegisterAnyArgs {
    pub event_id: i32,
    pub dom: Option<Domain>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventCallbackRegisterAnyRet {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectDomainEventCallbackDeregisterAnyArgs {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventRebootMsg {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackRebootMsg {
    pub callback_id: i32,
    pub msg: DomainEventRebootMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventRtcChangeMsg {
    pub dom: Domain,
    pub offset: i64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackRtcChangeMsg {
    pub callback_id: i32,
    pub msg: DomainEventRtcChangeMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventWatchdogMsg {
    pub dom: Domain,
    pub action: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackWatchdogMsg {
    pub callback_id: i32,
    pub msg: DomainEventWatchdogMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventIoErrorMsg {
    pub dom: Domain,
    pub src_path: String,
    pub dev_alias: String,
    pub action: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackIoErrorMsg {
    pub callback_id: i32,
    pub msg: DomainEventIoErrorMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventIoErrorReasonMsg {
    pub dom: Domain,
    pub src_path: String,
    pub dev_alias: String,
    pub action: i32,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackIoErrorReasonMsg {
    pub callback_id: i32,
    pub msg: DomainEventIoErrorReasonMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventGraphicsAddress {
    pub family: i32,
    pub node: String,
    pub service: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventGraphicsIdentity {
    pub r#type: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventGraphicsMsg {
    pub dom: Domain,
    pub phase: i32,
    pub local: DomainEventGraphicsAddress,
    pub remote: DomainEventGraphicsAddress,
    pub auth_scheme: String,
    #[xdr(max = limits::DOMAIN_EVENT_GRAPHICS_IDENTITY_MAX)]
    pub subject: Vec<DomainEventGraphicsIdentity>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackGraphicsMsg {
    pub callback_id: i32,
    pub msg: DomainEventGraphicsMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventBlockJobMsg {
    pub dom: Domain,
    pub path: String,
    pub r#type: i32,
    pub status: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackBlockJobMsg {
    pub callback_id: i32,
    pub msg: DomainEventBlockJobMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventDiskChangeMsg {
    pub dom: Domain,
    pub old_src_path: Option<String>,
    pub new_src_path: Option<String>,
    pub dev_alias: String,
    pub reason: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackDiskChangeMsg {
    pub callback_id: i32,
    pub msg: DomainEventDiskChangeMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventTrayChangeMsg {
    pub dom: Domain,
    pub dev_alias: String,
    pub reason: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackTrayChangeMsg {
    pub callback_id: i32,
    pub msg: DomainEventTrayChangeMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventPmwakeupMsg {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackPmwakeupMsg {
    pub callback_id: i32,
    pub reason: i32,
    pub msg: DomainEventPmwakeupMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventPmsuspendMsg {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackPmsuspendMsg {
    pub callback_id: i32,
    pub reason: i32,
    pub msg: DomainEventPmsuspendMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventBalloonChangeMsg {
    pub dom: Domain,
    pub actual: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackBalloonChangeMsg {
    pub callback_id: i32,
    pub msg: DomainEventBalloonChangeMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventPmsuspendDiskMsg {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackPmsuspendDiskMsg {
    pub callback_id: i32,
    pub reason: i32,
    pub msg: DomainEventPmsuspendDiskMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventControlErrorMsg {
    pub dom: Domain,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackControlErrorMsg {
    pub callback_id: i32,
    pub msg: DomainEventControlErrorMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventDeviceRemovedMsg {
    pub dom: Domain,
    pub dev_alias: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackDeviceRemovedMsg {
    pub callback_id: i32,
    pub msg: DomainEventDeviceRemovedMsg,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventBlockJob2Msg {
    pub callback_id: i32,
    pub dom: Domain,
    pub dst: String,
    pub r#type: i32,
    pub status: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventBlockThresholdMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub dev: String,
    pub path: Option<String>,
    pub threshold: u64,
    pub excess: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackTunableMsg {
    pub callback_id: i32,
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_EVENT_TUNABLE_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackDeviceAddedMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub dev_alias: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackAgentLifecycleMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub state: i32,
    pub reason: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackMigrationIterationMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub iteration: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackJobCompletedMsg {
    pub callback_id: i32,
    pub dom: Domain,
    #[xdr(max = limits::DOMAIN_JOB_STATS_MAX)]
    pub params: Vec<TypedParam>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackDeviceRemovalFailedMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub dev_alias: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventCallbackMetadataChangeMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub r#type: i32,
    pub nsuri: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventMemoryFailureMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub recipient: i32,
    pub action: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventMemoryDeviceSizeChangeMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub alias: String,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventNicMacChangeMsg {
    pub callback_id: i32,
    pub dom: Domain,
    pub alias: String,
    pub old_mac: String,
    pub new_mac: String,
}
