//! Secrets that a guest's images and TPMs are opened with: asked of virtsecretd, which tells them to daemons that call for
//! themselves. QEMU is told them encrypted with a key of this run, since everybody may read its arguments.

use super::provide::{failed, own};
use super::tpm;
use crate::Driver;
use crate::command::{self, Encryption, Provision, Requirement, Secret, SecretNeed};
use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use client::Client;
use daemon::connection::Connection;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use neighbours::{Family, SecretName, secret_value};
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use xdr::SecretBytes;
use zeroize::Zeroizing;

/// The kinds of secrets by their numbers (`virSecretUsageType`).
const KINDS: &[(&str, i32)] = &[("volume", 1), ("ceph", 2), ("iscsi", 3), ("tls", 4), ("vtpm", 5)];

/// Length of AES's blocks.
const BLOCK: usize = 16;

/// The values that one guest needs.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    images: Vec<(SecretNeed, SecretBytes)>,
    tpms: Passphrases,
}

/// What TPMs are encrypted with, by their devices' names.
pub(crate) type Passphrases = HashMap<String, SecretBytes>;

/// As QEMU gets them.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    /// The file with the key; `None` where there are no secrets.
    pub master_key: Option<PathBuf>,
    /// The values, encrypted with it.
    pub secrets: Vec<Secret>,
}

impl Secrets {
    /// What the images and the TPMs of a live document are opened with, and the private keys of its connections.
    ///
    /// # Errors
    /// Which device lacks which secret, and why.
    pub(crate) async fn of(driver: &Driver, model: &Model, encryption: &Encryption) -> Result<Self> {
        let needs = command::requirements(model).into_iter();
        let needs: Vec<_> = needs
            .filter_map(|Requirement { alias, what }| match what {
                Provision::Secret(need) => Some((alias, need)),
                _ => None,
            })
            .chain(encryption.needs(model))
            .collect();
        let tpms: Vec<_> = tpm::emulators(model)
            .filter_map(|(tpm, emulator)| {
                let need = SecretNeed {
                    object: String::new(),
                    uuid: Some(emulator.encryption.as_ref()?.secret),
                    usage: None,
                    kind: "vtpm",
                    value: None,
                };
                Some((tpm.info.alias_name().unwrap_or_default().to_owned(), need))
            })
            .collect();
        if needs.is_empty() && tpms.is_empty() {
            return Ok(Self::default());
        }
        let mut secrets = Self::default();
        let (told, asked): (Vec<_>, Vec<_>) = needs.into_iter().partition(|(_, need)| need.value.is_some());
        for (_, need) in told {
            let value = need.value.clone().unwrap_or_default();
            secrets.images.push((need, SecretBytes::from(value.into_bytes())));
        }
        if asked.is_empty() && tpms.is_empty() {
            return Ok(secrets);
        }
        let client = neighbours::connect(driver.instance(), Family::Secret).await?;
        for (alias, need) in asked {
            let value = value(&client, &alias, &need).await?;
            secrets.images.push((need, value));
        }
        for (alias, need) in tpms {
            let value = value(&client, &alias, &need).await?;
            secrets.tpms.insert(alias, value);
        }
        Ok(secrets)
    }

    /// What TPMs are encrypted with.
    pub(crate) fn take_passphrases(&mut self) -> Passphrases {
        std::mem::take(&mut self.tpms)
    }

    /// Encrypts those of images with a new key, which is left in `folder` for QEMU's user. Blocks on the disk.
    ///
    /// # Errors
    /// The key cannot be made or written.
    pub(crate) fn seal(self, folder: &Path, identity: Option<(u32, u32)>) -> Result<Sealed> {
        if self.images.is_empty() {
            return Ok(Sealed::default());
        }
        let key: Zeroizing<[u8; 32]> = random()?;
        let path = folder.join("master-key.aes");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(&*key))
            .map_err(|err| failed("write", &path, err))?;
        own(&path, identity)?;
        let secrets = self.images.into_iter().map(|(need, value)| {
            let iv = random()?;
            Ok(Secret {
                object: need.object,
                data: STANDARD.encode(encrypted(value.expose(), &key, &iv)?),
                iv: STANDARD.encode(*iv),
            })
        });
        Ok(Sealed {
            secrets: secrets.collect::<Result<_>>()?,
            master_key: Some(path),
        })
    }
}

fn internal(text: impl Into<String>) -> Error {
    Error::new(Code::InternalError, ErrorDomain::Qemu, text)
}

fn random<const LENGTH: usize>() -> Result<Zeroizing<[u8; LENGTH]>> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    getrandom::fill(&mut *bytes).map_err(|err| internal(format!("no random numbers: {err}")))?;
    Ok(bytes)
}

fn encrypted(value: &[u8], key: &[u8; 32], iv: &[u8; BLOCK]) -> Result<Vec<u8>> {
    let mut text = Zeroizing::new(vec![0; value.len() + BLOCK]);
    if let Some(start) = text.get_mut(..value.len()) {
        start.copy_from_slice(value);
    }
    let cipher = Encryptor::<Aes256>::new(&(*key).into(), &(*iv).into());
    let sealed = cipher.encrypt_padded::<Pkcs7>(&mut text, value.len());
    Ok(sealed
        .map_err(|_| internal("a secret cannot be encrypted"))?
        .to_vec())
}

fn described(need: &SecretNeed) -> String {
    match (&need.uuid, &need.usage) {
        (Some(uuid), _) => format!("the secret '{uuid}'"),
        (None, Some(usage)) => format!("the secret for the {} '{usage}'", need.kind),
        (None, None) => "a secret".to_owned(),
    }
}

/// The value of a secret, which may be private.
async fn value(client: &Client, alias: &str, need: &SecretNeed) -> Result<SecretBytes> {
    let value = value_of(client, need).await;
    value.map_err(|err| err.context(format_args!("device '{alias}' needs {}", described(need))))
}

async fn value_of(client: &Client, need: &SecretNeed) -> Result<SecretBytes> {
    let name = match (need.uuid, &need.usage) {
        (Some(uuid), _) => SecretName::Uuid(uuid.into_bytes()),
        (None, Some(usage)) => {
            let kind = KINDS.iter().find(|(kind, _)| *kind == need.kind);
            SecretName::Usage {
                kind: kind.map_or(0, |(_, number)| *number),
                id: usage,
            }
        }
        (None, None) => {
            let text = "<secret>: neither uuid nor usage tells which";
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
    };
    secret_value(client, name).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_sealed_is_what_openssl_would_make_of_it() {
        // openssl enc -aes-256-cbc -K 01…(32 times) -iv 02…(16 times), of "sesame" and of 16 letters "a".
        let (key, iv) = ([1; 32], [2; 16]);
        for (value, expected) in [("sesame", SESAME), ("aaaaaaaaaaaaaaaa", SIXTEEN)] {
            let sealed = encrypted(value.as_bytes(), &key, &iv).unwrap();
            assert_eq!(STANDARD.encode(sealed), expected);
        }
    }

    const SESAME: &str = "EXK8D+9zbKNxoFyQNIBTvw==";
    const SIXTEEN: &str = "kn5syB/Ng18bdenw0qfEHG+zAnrRyWNVWhAW+kjMPH0=";

    #[test]
    fn each_run_has_a_key_of_its_own() {
        let need = SecretNeed {
            object: "o".to_owned(),
            uuid: None,
            usage: None,
            kind: "volume",
            value: None,
        };
        let seal = || {
            let folder = tempfile::tempdir().unwrap();
            let secrets = Secrets {
                images: vec![(need.clone(), SecretBytes::from(b"sesame".to_vec()))],
                ..Secrets::default()
            };
            let sealed = secrets.seal(folder.path(), None).unwrap();
            let file = sealed.master_key.unwrap();
            let about = file.metadata().unwrap();
            assert_eq!((about.len(), about.permissions().mode() & 0o777), (32, 0o600));
            sealed.secrets
        };
        let (first, second) = (seal(), seal());
        assert_ne!(first, second);
        let none = Secrets::default().seal(Path::new("/nonexistent"), None).unwrap();
        assert!(none.master_key.is_none() && none.secrets.is_empty());
    }
}
