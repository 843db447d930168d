//! Secrets.

use super::limits;
use xdr::{SecretBytes, Xdr};

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Secret {
    pub uuid: [u8; 16],
    pub usage_type: i32,
    pub usage_id: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectNumOfSecretsRet {
    pub num: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListSecretsArgs {
    pub maxuuids: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListSecretsRet {
    #[xdr(max = limits::SECRET_LIST_MAX)]
    pub uuids: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretLookupByUuidArgs {
    pub uuid: [u8; 16],
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretLookupByUuidRet {
    pub secret: Secret,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretDefineXmlArgs {
    pub xml: String,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretDefineXmlRet {
    pub secret: Secret,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretGetXmlDescArgs {
    pub secret: Secret,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretGetXmlDescRet {
    pub xml: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretSetValueArgs {
    pub secret: Secret,
    #[xdr(max = limits::SECRET_VALUE_MAX)]
    pub value: SecretBytes,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretGetValueArgs {
    pub secret: Secret,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretGetValueRet {
    #[xdr(max = limits::SECRET_VALUE_MAX)]
    pub value: SecretBytes,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretUndefineArgs {
    pub secret: Secret,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretLookupByUsageArgs {
    pub usage_type: i32,
    pub usage_id: String,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretLookupByUsageRet {
    pub secret: Secret,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllSecretsArgs {
    pub need_results: i32,
    pub flags: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectListAllSecretsRet {
    #[xdr(max = limits::SECRET_LIST_MAX)]
    pub secrets: Vec<Secret>,
    pub ret: u32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSecretEventRegisterAnyArgs {
    pub event_id: i32,
    pub secret: Option<Secret>,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSecretEventRegisterAnyRet {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct ConnectSecretEventDeregisterAnyArgs {
    pub callback_id: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretEventLifecycleMsg {
    pub callback_id: i32,
    pub secret: Secret,
    pub event: i32,
    pub detail: i32,
}

#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct SecretEventValueChangedMsg {
    pub callback_id: i32,
    pub secret: Secret,
}
