//! What the configuration says of encrypted connections.

use super::QemuConfig;
use crate::command::{Certificates, Encryption, Sasl};
use daemon::config::{FromValue, Value};
use model::Uuid;
use std::path::{Path, PathBuf};

/// Where the folders of certificates are.
const PKI: &str = "/etc/pki";

/// A secret by its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretUuid(pub Uuid);

impl FromValue for SecretUuid {
    fn from_value(value: Value) -> Result<Self, String> {
        let text = String::from_value(value)?;
        let uuid = Uuid::parse_str(&text);
        uuid.map(Self).map_err(|_| format!("\"{text}\" is no UUID"))
    }

    fn written(&self) -> Option<String> {
        self.0.to_string().written()
    }
}

impl QemuConfig {
    /// How connections of guests are protected. Looks for the usual folders of certificates on the disk.
    pub fn encryption(&self) -> Encryption {
        self.encryption_below(Path::new(PKI))
    }

    fn encryption_below(&self, pki: &Path) -> Encryption {
        let certificates =
            |given: &Option<String>, name: &str, verify: Option<bool>, secret: Option<SecretUuid>| {
                Certificates {
                    folder: self.folder(pki, given.as_deref(), name),
                    verify: verify.unwrap_or(self.default_tls_x509_verify),
                    secret: secret
                        .or(self.default_tls_x509_secret_uuid)
                        .map(|secret| secret.0),
                }
            };
        let sasl = |on: bool, folder: &Option<String>| {
            on.then(|| Sasl {
                folder: folder.as_ref().map(PathBuf::from),
            })
        };
        let vnc = || {
            certificates(
                &self.vnc_tls_x509_cert_dir,
                "libvirt-vnc",
                self.vnc_tls_x509_verify,
                self.vnc_tls_x509_secret_uuid,
            )
        };
        let spice = || self.folder(pki, self.spice_tls_x509_cert_dir.as_deref(), "libvirt-spice");
        Encryption {
            vnc: self.vnc_tls.then(vnc),
            vnc_sasl: sasl(self.vnc_sasl, &self.vnc_sasl_dir),
            spice: self.spice_tls.then(spice),
            spice_sasl: sasl(self.spice_sasl, &self.spice_sasl_dir),
            chardev: certificates(
                &self.chardev_tls_x509_cert_dir,
                "libvirt-chardev",
                self.chardev_tls_x509_verify,
                self.chardev_tls_x509_secret_uuid,
            ),
            chardev_by_default: self.chardev_tls,
            nbd: certificates(
                &self.nbd_tls_x509_cert_dir,
                "libvirt-nbd",
                None,
                self.nbd_tls_x509_secret_uuid,
            ),
            nbd_by_default: self.nbd_tls,
        }
    }

    /// The folder that is given, else the default one that is given, else the usual one if it is there.
    fn folder(&self, pki: &Path, given: Option<&str>, name: &str) -> PathBuf {
        if let Some(folder) = given.or(self.default_tls_x509_cert_dir.as_deref()) {
            return folder.into();
        }
        let own = pki.join(name);
        if own.is_dir() { own } else { pki.join("qemu") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_its_own_goes_before_the_common_one() {
        let pki = tempfile::tempdir().unwrap();
        let folder = |config: &QemuConfig| config.encryption_below(pki.path()).chardev.folder;
        let mut config = QemuConfig::default();
        assert_eq!(folder(&config), pki.path().join("qemu"));
        std::fs::create_dir(pki.path().join("libvirt-chardev")).unwrap();
        assert_eq!(folder(&config), pki.path().join("libvirt-chardev"));
        config.default_tls_x509_cert_dir = Some("/a".to_owned());
        assert_eq!(folder(&config), Path::new("/a"));
        config.chardev_tls_x509_cert_dir = Some("/b".to_owned());
        assert_eq!(folder(&config), Path::new("/b"));
    }

    #[test]
    fn what_is_said_of_one_goes_before_what_is_said_of_all() {
        let uuid = SecretUuid(Uuid::from_u128(7));
        let config = QemuConfig {
            vnc_tls: true,
            default_tls_x509_verify: false,
            chardev_tls_x509_verify: Some(true),
            default_tls_x509_secret_uuid: Some(uuid),
            ..QemuConfig::default()
        };
        let found = config.encryption();
        assert!(found.chardev.verify && !found.vnc.as_ref().unwrap().verify);
        assert_eq!(found.vnc.unwrap().secret, Some(uuid.0));
        assert!(found.spice.is_none() && found.vnc_sasl.is_none() && !found.chardev_by_default);
    }
}
