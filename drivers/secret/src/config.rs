//! `secret.conf`: whether values lie on disk in the clear.

use crate::cipher::Cipher;
use daemon::Layout;
use daemon::config::{Loaded, schema};
use error::{Code, Domain, Error, Result};
use std::path::{Path, PathBuf};

schema! {
    /// The configuration of the secret driver.
    pub struct SecretConfig {
        /// The file with the 32 bytes that values are encrypted with; the credential "secrets-encryption-key" that
        /// systemd hands over unless set.
        secrets_encryption_key: Option<String> = None,
        /// Whether values are encrypted: 1 or 0; wherever there is a key unless set.
        encrypt_data: Option<bool> = None,
    }
    elsewhere {
    }
}

/// The credential with the key, in the folder that systemd names.
const CREDENTIAL: &str = "secrets-encryption-key";

/// The file of the key, where `secret.conf` names one.
pub(crate) fn key_file(layout: &Layout) -> Option<PathBuf> {
    let loaded = Loaded::<SecretConfig>::file(&layout.config_file("secret"));
    // What is wrong with it is told when the driver is opened.
    let key = loaded.ok()?.values.secrets_encryption_key;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    key.map(PathBuf::from).or(credentials)
}

/// Reads `secret.conf` and the key that it asks for; what is odd is told in the log.
///
/// # Errors
/// [`Code::ConfSyntax`] for a file that is refused, a key that is none, or the wish to encrypt without one.
pub(crate) fn cipher(layout: &Layout) -> Result<Option<Cipher>> {
    let refused = |text: String| Error::new(Code::ConfSyntax, Domain::Conf, text);
    let path = layout.config_file("secret");
    let loaded =
        Loaded::<SecretConfig>::file(&path).map_err(|err| refused(err.to_string()).caused_by(err))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let config = loaded.values;
    if config.encrypt_data == Some(false) {
        return Ok(None);
    }
    let credential =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(CREDENTIAL));
    let key = config
        .secrets_encryption_key
        .map(PathBuf::from)
        .or_else(|| credential.filter(|path| path.exists()));
    match key {
        Some(key) => Cipher::from_file(&key).map(Some).map_err(|why| {
            let text = format!("secrets_encryption_key: cannot use '{}': {why}", key.display());
            refused(format!("{}: {text}", path.display()))
        }),
        None if config.encrypt_data == Some(true) => Err(refused(format!(
            "{}: encrypt_data: there is no key; set secrets_encryption_key to a file of 32 random bytes, or have \
             systemd hand over the credential '{CREDENTIAL}'",
            path.display()
        ))),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daemon::Mode;

    #[test]
    fn values_are_encrypted_where_a_key_is_and_nobody_says_no() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(Mode::System, dir.path());
        let path = layout.config_file("secret");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        let short = dir.path().join("short");
        std::fs::write(&short, [7; 31]).unwrap();
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            cipher(&layout)
        };
        let with =
            |path: &Path, rest: &str| format!("secrets_encryption_key = \"{}\"\n{rest}", path.display());
        assert!(read("").unwrap().is_none());
        assert!(read(&with(&key, "")).unwrap().is_some());
        assert!(read(&with(&key, "encrypt_data = 1")).unwrap().is_some());
        assert!(read(&with(&key, "encrypt_data = 0")).unwrap().is_none());
        for (text, words) in [
            ("encrypt_data = 1".to_owned(), "there is no key"),
            (with(&short, ""), "32 bytes"),
            (with(&dir.path().join("missing"), ""), "No such file"),
            ("encrypt_data = 2".to_owned(), "encrypt_data"),
            ("no_such_key = 1".to_owned(), "no_such_key"),
        ] {
            let refusal = read(&text).unwrap_err();
            assert_eq!(refusal.code(), Code::ConfSyntax);
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }
}
