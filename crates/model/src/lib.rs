//! The XML documents as types.

pub mod capabilities;
pub mod domain_capabilities;
