//! What encrypted volumes are opened with: secrets' values, asked of virtsecretd.
//!
//! qemu-img reads a value from a file that only this user may read, in the daemon's folder for what a boot wipes: nobody
//! sees it among arguments. The file goes with [`Passphrase`]; what a daemon that died left goes when the next one starts.

use crate::Driver;
use crate::failure::{refused, system};
use crate::qemu_img::Key;
use daemon::connection::Connection;
use daemon::{Layout, durable};
use error::{Code, Domain, Error, Result};
use model::domain::devices::disk_source::{Encryption, EncryptionFormat};
use neighbours::{Family, SecretName, secret_value};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use xdr::SecretBytes;

/// `VIR_SECRET_USAGE_TYPE_VOLUME`.
const OF_VOLUMES: i32 = 1;

/// The value that opens one volume, where qemu-img can read it.
#[derive(Debug)]
pub(crate) struct Passphrase {
    file: NamedTempFile,
    encryption: Encryption,
}

impl Passphrase {
    /// Leaves a value in `folder`.
    fn new(folder: &Path, value: &SecretBytes, encryption: Encryption) -> Result<Self> {
        let failed = |err| system(format!("cannot write a file in '{}'", folder.display()), err);
        // Nobody but its owner may read it: that is what the crate makes.
        let mut file = NamedTempFile::with_prefix_in("key-", folder).map_err(failed)?;
        file.write_all(value.expose()).map_err(failed)?;
        Ok(Self { file, encryption })
    }

    /// For qemu-img, which calls it by `name`.
    ///
    /// # Errors
    /// The daemon's folder has no name in UTF-8.
    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Result<Key<'a>> {
        let path = self.file.path();
        let file = path.to_str().ok_or_else(|| {
            let text = format!("'{}' is no path that qemu-img can be told", path.display());
            refused(Code::InternalError, text)
        })?;
        Ok(Key {
            name,
            file,
            encryption: &self.encryption,
        })
    }
}

/// What qemu-img can call the key of a volume: its name, where that is an identifier to QEMU.
pub(crate) fn identifier<'a>(volume: &'a str, otherwise: &'a str) -> &'a str {
    let mut bytes = volume.bytes();
    let is_one = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_one { volume } else { otherwise }
}

/// Where values lie for as long as qemu-img needs them.
fn folder(layout: &Layout) -> PathBuf {
    folder_in(&layout.driver_run_dir("storage"))
}

/// The same in the daemon's folder for what a boot wipes.
pub(crate) fn folder_in(run: &Path) -> PathBuf {
    run.join("keys")
}

/// Removes what a daemon left that died. Blocks on the disk.
///
/// # Errors
/// The folder cannot be made or read.
pub(crate) fn clean(layout: &Layout) -> Result<()> {
    let folder = folder(layout);
    let failed = |err| system(format!("cannot clean '{}'", folder.display()), err);
    durable::create_folder(&folder, 0o700).map_err(failed)?;
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        std::fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
    }
    Ok(())
}

/// Refuses an encryption that no volume can be made with. LUKS in its second version is Ceph's alone
/// (`formatstorageencryption.html`), and the old ways are only read.
///
/// # Errors
/// As stock daemons, with the volume: [`Code::InvalidArg`] for another number of secrets than one, [`Code::InternalError`] for a
/// raw volume, [`Code::ConfigUnsupported`] for others.
pub(crate) fn check(volume: &str, format: &str, encryption: &Encryption) -> Result<()> {
    let fail = |code, text: &str| Err(refused(code, format!("volume '{volume}': {text}")));
    if encryption.secrets.len() != 1 {
        return fail(Code::InvalidArg, "<encryption> needs one <secret>");
    }
    let other = "volumes are made with encryption of the format 'luks' only";
    match (format, encryption.format) {
        ("raw" | "qcow2", EncryptionFormat::Luks) => Ok(()),
        ("raw", _) => fail(Code::InternalError, other),
        ("qcow2", _) => fail(Code::ConfigUnsupported, other),
        _ => fail(
            Code::ConfigUnsupported,
            "only volumes of the formats 'raw' and 'qcow2' can be encrypted",
        ),
    }
}

impl Driver {
    /// The value that opens a volume at `path`. Where nobody said by which secret, it is the one for volumes of that path.
    ///
    /// # Errors
    /// [`Code::NoSupport`] for an old encryption; virtsecretd is not there, or what it answers, with the volume's name.
    pub(crate) async fn passphrase(
        &self,
        volume: &str,
        path: &str,
        encryption: &Encryption,
    ) -> Result<Passphrase> {
        if encryption.format != EncryptionFormat::Luks {
            let text = format!("volume '{volume}': its encryption is not LUKS, and is not supported");
            return Err(refused(Code::NoSupport, text));
        }
        let value = self.value(path, encryption).await;
        let value = value.map_err(|err| err.context(format_args!("volume '{volume}' needs its secret")))?;
        let (folder, encryption) = (folder(&self.instance().layout), encryption.clone());
        self.blocking(move |_| Passphrase::new(&folder, &value, encryption))
            .await
    }

    async fn value(&self, path: &str, encryption: &Encryption) -> Result<SecretBytes> {
        let client = neighbours::connect(self.instance(), Family::Secret).await?;
        let name = match encryption.secrets.first() {
            None => SecretName::Usage {
                kind: OF_VOLUMES,
                id: path,
            },
            Some(secret) => match (secret.uuid, &secret.usage) {
                (Some(uuid), _) => SecretName::Uuid(uuid.into_bytes()),
                (None, Some(usage)) => SecretName::Usage {
                    kind: OF_VOLUMES,
                    id: usage,
                },
                (None, None) => {
                    let text = "<secret>: neither uuid nor usage tells which";
                    return Err(Error::new(Code::XmlError, Domain::Storage, text));
                }
            },
        };
        secret_value(&client, name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_value_is_for_its_owner_and_gone_when_it_was_used() {
        let folder = tempfile::tempdir().unwrap();
        let encryption = Encryption {
            format: EncryptionFormat::Luks,
            engine: None,
            secrets: Vec::new(),
            cipher: None,
            ivgen: None,
        };
        let value = SecretBytes::from(b"sesame".to_vec());
        let passphrase = Passphrase::new(folder.path(), &value, encryption).unwrap();
        let path = PathBuf::from(passphrase.key("k").unwrap().file);
        assert_eq!(std::fs::read(&path).unwrap(), b"sesame");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(passphrase);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_identifier_to_qemu_is_called_otherwise() {
        assert_eq!(identifier("Luks-Demo_1.img", "volume"), "Luks-Demo_1.img");
        for name in ["1.img", "a b", "a,b", "ä", ""] {
            assert_eq!(identifier(name, "volume"), "volume");
        }
    }
}
