//! Encrypted connections: which of a guest's are, and the certificates that QEMU shows and asks for.

use super::line::{Line, Props};
use super::secret::SecretNeed;
use error::Result;
use model::Uuid;
use model::domain::Domain;
use model::domain::devices::disk_network::{HostTransport, NetworkProtocol, NetworkSource};
use model::domain::devices::disk_source::BackingStore;
use model::domain::devices::{CharSource, DiskSource};
use std::path::PathBuf;
use xml::YesNo;

/// Certificates, and how much is asked of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Their folder: `ca-cert.pem`, `server-cert.pem` with `server-key.pem`, `client-cert.pem` with `client-key.pem`.
    pub folder: PathBuf,
    /// Whether clients of a server have to show one.
    pub verify: bool,
    /// The secret that opens the file of the private key, if it is encrypted.
    pub secret: Option<Uuid>,
}

/// How clients of a server say who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sasl {
    /// The folder of the library's configuration, if it is not the library's own.
    pub folder: Option<PathBuf>,
}

/// How connections of guests are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// Of VNC servers, if they use TLS.
    pub vnc: Option<Certificates>,
    /// Of VNC servers, if they use SASL.
    pub vnc_sasl: Option<Sasl>,
    /// The folder of certificates of SPICE servers, if they use TLS.
    pub spice: Option<PathBuf>,
    /// Of SPICE servers, if they use SASL.
    pub spice_sasl: Option<Sasl>,
    /// Of character devices over TCP.
    pub chardev: Certificates,
    /// Whether those use TLS where the document does not say.
    pub chardev_by_default: bool,
    /// Of disks on NBD servers.
    pub nbd: Certificates,
    /// Whether those use TLS where the document does not say.
    pub nbd_by_default: bool,
}

/// The object with the certificates of VNC servers.
pub(super) const VNC: &str = "vnc-tls-creds0";

/// The object with the certificates of a character device's connection.
pub(super) fn chardev_object(name: &str) -> String {
    format!("obj{name}_tls0")
}

/// The object with those of a layer's connection.
pub(super) fn storage_object(layer: &str) -> String {
    format!("obj{layer}-storage_tls0")
}

fn chardev_secret(name: &str) -> String {
    format!("{name}-secret0")
}

fn object_secret(object: &str) -> String {
    format!("{object}-secret0")
}

/// Whether a connection can be encrypted: one over a socket of the host's cannot.
fn takes_tls(source: &NetworkSource) -> bool {
    let over_tcp = |transport: Option<HostTransport>| transport.is_none_or(|it| it == HostTransport::Tcp);
    source.hosts.iter().all(|host| over_tcp(host.transport))
}

fn network(source: &mut DiskSource) -> Option<&mut NetworkSource> {
    match source {
        DiskSource::Network { source } => source.as_deref_mut(),
        _ => None,
    }
}

impl Encryption {
    /// Writes into a live document which connections are encrypted, where the configuration says it.
    pub fn settle(&self, domain: &mut Domain) {
        if self.chardev_by_default {
            for (_, source) in domain.devices.all_chars_mut() {
                if let CharSource::Tcp {
                    source: Some(source), ..
                } = source
                {
                    source.tls.get_or_insert(YesNo::Yes);
                }
            }
        }
        let of_nbd: YesNo = self.nbd_by_default.into();
        // A live document tells it of every disk.
        let settle = |source: &mut DiskSource| {
            if let Some(source) = network(source).filter(|source| source.protocol == NetworkProtocol::Nbd) {
                let default = if takes_tls(source) { of_nbd } else { YesNo::No };
                source.tls.get_or_insert(default);
            }
        };
        for disk in &mut domain.devices.disks {
            settle(&mut disk.source);
            let mut below = disk.backing_store.as_mut();
            while let Some(BackingStore::Layer(layer)) = below {
                settle(&mut layer.source);
                below = layer.backing_store.as_mut();
            }
        }
    }

    /// The secrets that open private keys, by the devices that need them, of a settled document.
    pub fn needs(&self, domain: &Domain) -> Vec<(String, SecretNeed)> {
        let mut needs: Vec<(String, SecretNeed)> = Vec::new();
        let mut add = |alias: &str, object: String, secret: Option<Uuid>| {
            let known = needs.iter().any(|(_, need)| need.object == object);
            if let Some(uuid) = secret.filter(|_| !known) {
                let need = SecretNeed {
                    object,
                    uuid: Some(uuid),
                    usage: None,
                    kind: "tls",
                    value: None,
                };
                needs.push((alias.to_owned(), need));
            }
        };
        let vnc = |server: &model::domain::devices::Graphics| {
            matches!(server, model::domain::devices::Graphics::Vnc(_))
        };
        if let Some(certificates) = self.vnc.as_ref()
            && domain.devices.graphics.iter().any(vnc)
        {
            add("vnc", object_secret(VNC), certificates.secret);
        }
        for (info, source) in domain.devices.all_chars() {
            let alias = info.alias_name().unwrap_or_default();
            if is_encrypted(source) {
                let secret = chardev_secret(&super::chardev::id(alias));
                add(alias, secret, self.chardev.secret);
            }
        }
        for (name, alias, source) in super::blockdev::named_sources(domain) {
            if matches!(source, DiskSource::Network { source: Some(source) } if source.tls == Some(YesNo::Yes))
            {
                add(&alias, object_secret(&storage_object(&name)), self.nbd.secret);
            }
        }
        needs
    }
}

fn is_encrypted(source: &CharSource) -> bool {
    matches!(source, CharSource::Tcp { source: Some(source), .. } if source.tls == Some(YesNo::Yes))
}

impl Line<'_> {
    /// The certificates of VNC servers; the object's name, if they use TLS.
    pub(super) fn vnc_tls(&mut self) -> Result<Option<&'static str>> {
        let Some(certificates) = &self.context.encryption.vnc else {
            return Ok(None);
        };
        self.certificates(VNC, &object_secret(VNC), certificates, true)?;
        Ok(Some(VNC))
    }

    /// Those of a character device; the object's name.
    pub(super) fn chardev_tls(&mut self, name: &str, server: bool) -> Result<String> {
        let object = chardev_object(name);
        let certificates = &self.context.encryption.chardev;
        self.certificates(&object, &chardev_secret(name), certificates, server)?;
        Ok(object)
    }

    /// Those of a layer on a server; the object's name.
    pub(super) fn storage_tls(&mut self, layer: &str) -> Result<String> {
        let object = storage_object(layer);
        let certificates = &self.context.encryption.nbd;
        self.certificates(&object, &object_secret(&object), certificates, false)?;
        Ok(object)
    }

    fn certificates(&mut self, object: &str, secret: &str, of: &Certificates, server: bool) -> Result<()> {
        if of.secret.is_some() {
            self.secret(secret, "the private key of a TLS connection")?;
        }
        // Whom QEMU calls always has to prove who it is.
        let props = Props::object("tls-creds-x509", object)
            .set("dir", of.folder.display().to_string())
            .set("endpoint", if server { "server" } else { "client" })
            .set("verify-peer", !server || of.verify)
            .maybe("passwordid", of.secret.map(|_| secret));
        self.object(props);
        Ok(())
    }

    /// Has a server ask who its clients are; the option's part of it.
    pub(super) fn sasl(&mut self, sasl: Option<&Sasl>) -> Option<&'static str> {
        let sasl = sasl?;
        if let Some(folder) = &sasl.folder {
            self.environment("SASL_CONF_PATH", &folder.display().to_string());
        }
        Some("on")
    }
}
