//! Secrets that QEMU needs to open images: passwords of servers and keys of encrypted images.
//!
//! QEMU is given them encrypted with the run's master key, which it reads from a file, for everybody may read its
//! arguments.

use super::blockdev::disk_numbers;
use super::hostdev::scsi_nodes;
use super::line::{Line, Props, unsupported};
use error::Result;
use model::Uuid;
use model::domain::Domain;
use model::domain::devices::DiskSource;
use model::domain::devices::disk_source::{Auth, Encryption, EncryptionEngine, StorageFormat};
use model::domain::os::FirmwareFormat;

/// A secret that a layer of a disk needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNeed {
    /// The object's name in QEMU.
    pub object: String,
    /// The secret's identity, if it is named by that.
    pub uuid: Option<Uuid>,
    /// What it is for, if it is named by that.
    pub usage: Option<String>,
    /// What kind of secret it is, as `<usage type>` of a secret's document has it.
    pub kind: &'static str,
    /// The value, where the document itself tells it.
    pub value: Option<String>,
}

/// A secret, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The object's name in QEMU.
    pub object: String,
    /// The value, encrypted with the master key by AES-256 in CBC mode, in base64.
    pub data: String,
    /// The initialisation vector, in base64.
    pub iv: String,
}

/// The object of a layer's password.
pub(super) fn auth_object(layer: &str) -> String {
    format!("{layer}-storage-auth-secret0")
}

/// The object of what a web server knows its client by.
pub(super) fn cookie_object(layer: &str) -> String {
    format!("{layer}-storage-httpcookie-secret0")
}

/// The object of an image's key; that of an image without format is the storage's.
pub(super) fn key_object(layer: &str, encryption: &Encryption, format: StorageFormat) -> String {
    let whole = encryption.engine == Some(EncryptionEngine::Librbd) && format == StorageFormat::Raw;
    format!(
        "{layer}-{}-encryption-secret0",
        if whole { "storage" } else { "format" }
    )
}

/// What all layers of all disks need.
pub(super) fn needs(domain: &Domain) -> Vec<(String, SecretNeed)> {
    let mut needs = Vec::new();
    if let Some(source) = domain.os.nvram.as_deref().and_then(|nvram| nvram.source.as_ref()) {
        let details = source.details();
        let (auth, encryption) = (
            details.and_then(|it| it.auth.as_ref()),
            details.and_then(|it| it.encryption.as_ref()),
        );
        let qcow2 = domain.os.nvram.as_deref().and_then(|nvram| nvram.format) == Some(FirmwareFormat::Qcow2);
        let format = if qcow2 {
            StorageFormat::Qcow2
        } else {
            StorageFormat::Raw
        };
        let own = of_layer("libvirt-pflash1", source, auth, encryption, format);
        needs.extend(own.into_iter().map(|need| ("nvram".to_owned(), need)));
    }
    for (disk, numbers) in domain.devices.disks.iter().zip(disk_numbers(domain)) {
        let alias = disk.info.alias_name().unwrap_or_default();
        let mut numbers = numbers
            .layers
            .iter()
            .map(|(number, _)| format!("libvirt-{number}"));
        if let Some(name) = numbers.next() {
            let format = disk.format().unwrap_or(StorageFormat::Raw);
            let own = of_layer(
                &name,
                &disk.source,
                disk.effective_auth(),
                disk.effective_encryption(),
                format,
            );
            needs.extend(own.into_iter().map(|need| (alias.to_owned(), need)));
        }
        for (layer, name) in disk.backing_chain().zip(numbers) {
            let format = layer
                .format
                .as_ref()
                .map_or(StorageFormat::Raw, |format| format.kind);
            let details = layer.source.details();
            let (auth, encryption) = (
                details.and_then(|it| it.auth.as_ref()),
                details.and_then(|it| it.encryption.as_ref()),
            );
            let own = of_layer(&name, &layer.source, auth, encryption, format);
            needs.extend(own.into_iter().map(|need| (alias.to_owned(), need)));
        }
    }
    for (hostdev, source, node) in scsi_nodes(domain) {
        if let Some(auth) = &source.auth {
            let need = SecretNeed {
                object: format!("{node}-secret0"),
                uuid: auth.secret.uuid,
                usage: auth.secret.usage.clone(),
                kind: "iscsi",
                value: None,
            };
            needs.push((hostdev.info.alias_name().unwrap_or_default().to_owned(), need));
        }
    }
    needs
}

fn of_layer(
    name: &str,
    source: &DiskSource,
    auth: Option<&Auth>,
    encryption: Option<&Encryption>,
    format: StorageFormat,
) -> Vec<SecretNeed> {
    let mut needs = Vec::new();
    if let Some(auth) = auth {
        let rbd = matches!(source, DiskSource::Network { source: Some(source) }
            if source.protocol == model::domain::devices::disk_network::NetworkProtocol::Rbd);
        needs.push(SecretNeed {
            object: auth_object(name),
            uuid: auth.secret.uuid,
            usage: auth.secret.usage.clone(),
            kind: if rbd { "ceph" } else { "iscsi" },
            value: None,
        });
    }
    if let DiskSource::Network { source: Some(source) } = source
        && !source.cookies.is_empty()
    {
        let all = source.cookies.iter();
        let all: Vec<String> = all
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        needs.push(SecretNeed {
            object: cookie_object(name),
            uuid: None,
            usage: None,
            kind: "cookie",
            value: Some(all.join("; ")),
        });
    }
    if let Some(encryption) = encryption
        && let Some(secret) = encryption.secrets.first()
    {
        needs.push(SecretNeed {
            object: key_object(name, encryption, format),
            uuid: secret.uuid,
            usage: secret.usage.clone(),
            kind: "volume",
            value: None,
        });
    }
    needs
}

impl Line<'_> {
    /// The master key.
    pub(super) fn master_key(&mut self) {
        if let Some(file) = &self.context.master_key {
            let props = Props::object("secret", "masterKey0").set("format", "raw");
            self.object(props.set("file", file.display().to_string()));
        }
    }

    /// The object of a secret.
    ///
    /// # Errors
    /// When the caller did not give it.
    pub(super) fn secret(&mut self, object: &str, element: &str) -> Result<()> {
        let given = self.context.secrets.iter().find(|secret| secret.object == object);
        let (Some(given), Some(_)) = (given, &self.context.master_key) else {
            return Err(unsupported(format!(
                "{element}: the secret was not given by the secret daemon"
            )));
        };
        let props = Props::object("secret", object)
            .set("data", given.data.as_str())
            .set("keyid", "masterKey0")
            .set("iv", given.iv.as_str())
            .set("format", "base64");
        self.object(props);
        Ok(())
    }
}
