//! The XML documents as types.

pub mod capabilities;
pub mod cpu_set;
#[allow(
    missing_docs,
    reason = "a field has the name of its element, and formatdomain.html says what that means"
)]
pub mod domain;
pub mod domain_capabilities;
mod failure;
pub mod mac;
pub mod metadata;
pub mod network;
pub mod nwfilter;
pub mod scaled;
pub mod secret;
pub mod storage;
#[allow(missing_docs, reason = "as in a domain")]
pub mod sysinfo;

pub use cpu_set::CpuSet;
pub use failure::{document_error, read};
pub use mac::Mac;
pub use uuid::Uuid;
