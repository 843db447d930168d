//! Encryption of disk images, in domains and in volumes.
#![allow(missing_docs, reason = "the names are libvirt's")]

use crate::Uuid;
use xml::{Element, Value};

/// Encryption of an image.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "encryption")]
pub struct Encryption {
    #[xml(attr)]
    pub format: EncryptionFormat,
    #[xml(attr)]
    pub engine: Option<EncryptionEngine>,
    #[xml(children = "secret")]
    pub secrets: Vec<EncryptionSecret>,
    /// Only when a volume is made.
    #[xml(child)]
    pub cipher: Option<Cipher>,
    /// Only when a volume is made.
    #[xml(child)]
    pub ivgen: Option<IvGen>,
}

/// Format of an encrypted image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum EncryptionFormat {
    #[xml("default")]
    Default,
    #[xml("qcow")]
    Qcow,
    #[xml("luks")]
    Luks,
    #[xml("luks2")]
    Luks2,
    #[xml("luks-any")]
    LuksAny,
}

/// Who decrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum EncryptionEngine {
    #[xml("qemu")]
    Qemu,
    #[xml("librbd")]
    Librbd,
}

/// Secret that opens an encrypted image.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "secret")]
pub struct EncryptionSecret {
    #[xml(attr = "type")]
    pub kind: EncryptionSecretKind,
    #[xml(attr)]
    pub uuid: Option<Uuid>,
    #[xml(attr)]
    pub usage: Option<String>,
}

/// Kind of an encryption secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum EncryptionSecretKind {
    #[xml("passphrase")]
    Passphrase,
}

/// Cipher of a new LUKS volume.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cipher")]
pub struct Cipher {
    #[xml(attr)]
    pub name: String,
    /// In bits.
    #[xml(attr)]
    pub size: u32,
    #[xml(attr)]
    pub mode: Option<String>,
    #[xml(attr)]
    pub hash: Option<String>,
}

/// Generator of initialisation vectors of a new LUKS volume.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "ivgen")]
pub struct IvGen {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub hash: Option<String>,
}
