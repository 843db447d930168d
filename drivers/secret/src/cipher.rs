//! Values encrypted with the host's key, for the disk.
//!
//! What lies on disk is one line of base64: a nonce of 12 bytes, the value encrypted by AES-256 in Galois/counter mode,
//! and its tag of 16 bytes. The secret's UUID is authenticated with it, so that no value passes for another's.

use aes_gcm::aead::{AeadInOut, Key, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use uuid::Uuid;
use xdr::SecretBytes;
use zeroize::{Zeroizing, zeroize_stack};

/// The length of a key, in bytes.
const KEY: usize = 32;
/// The length of a nonce, in bytes.
const NONCE: usize = 12;
/// The length of a tag, in bytes.
const TAG: usize = 16;

/// How much of the stack the cipher may leave parts of a key or of a value on, in bytes, and more.
const STACK: usize = 32 * 1024;

/// Runs what leaves traces on the stack, and overwrites them.
fn traceless<T>(work: impl FnOnce() -> T) -> T {
    /// Below the frame that overwrites.
    #[inline(never)]
    fn apart<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    let done = apart(work);
    zeroize_stack::<STACK>();
    done
}

/// The host's key; its memory is overwritten when it is dropped.
pub(crate) struct Cipher(Aes256Gcm);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    /// The key in a file, which holds nothing else.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub(crate) fn from_file(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|err| err.to_string())?;
        let mode = file
            .metadata()
            .map_err(|err| err.to_string())?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "the key of secrets can be read by others than its owner");
        }
        let mut key = Zeroizing::new(Vec::with_capacity(KEY + 1));
        file.take(KEY as u64 + 1)
            .read_to_end(&mut key)
            .map_err(|err| err.to_string())?;
        <&Key<Aes256Gcm>>::try_from(key.as_slice())
            .map(|key| traceless(|| Self(Aes256Gcm::new(key))))
            .map_err(|_| format!("a key has {KEY} bytes, no more and no less"))
    }

    /// A value as it lies on disk.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(crate) fn seal(&self, secret: Uuid, value: &[u8]) -> Result<String, String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|err| format!("no random bytes: {err}"))?;
        // With room for the tag: it shall not move in memory while it is in the clear.
        let mut buffer = Zeroizing::new(Vec::with_capacity(value.len() + TAG));
        buffer.extend_from_slice(value);
        traceless(|| {
            self.0
                .encrypt_in_place(&Nonce::from(nonce), secret.as_bytes(), &mut *buffer)
        })
        .map_err(|_| "it is too long to be encrypted".to_owned())?;
        Ok(STANDARD.encode([&nonce, buffer.as_slice()].concat()))
    }

    /// The value that lies on disk as `text`.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    pub(crate) fn open(&self, secret: Uuid, text: &[u8]) -> Result<SecretBytes, String> {
        let sealed = STANDARD
            .decode(text.trim_ascii())
            .map_err(|err| format!("it is not base64: {err}"))?;
        let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE>() else {
            return Err("it is too short".to_owned());
        };
        let mut value = Zeroizing::new(rest.to_vec());
        traceless(|| {
            self.0
                .decrypt_in_place(&Nonce::from(*nonce), secret.as_bytes(), &mut *value)
        })
        .map_err(|_| "it was encrypted with another key or for another secret, or was changed".to_owned())?;
        Ok(SecretBytes::from(std::mem::take(&mut *value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cipher(byte: u8) -> Cipher {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [byte; KEY]).unwrap();
        Cipher::from_file(file.path()).unwrap()
    }

    #[test]
    fn a_key_has_32_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [0, 31, 33, 64] {
            std::fs::write(file.path(), vec![1; length]).unwrap();
            assert!(
                Cipher::from_file(file.path()).unwrap_err().contains("32 bytes"),
                "{length}"
            );
        }
    }

    #[test]
    fn a_value_belongs_to_its_secret_and_its_key() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let text = cipher(1).seal(one, b"sesame").unwrap();
        assert_eq!(cipher(1).open(one, text.as_bytes()).unwrap().expose(), b"sesame");
        assert!(
            cipher(1)
                .open(other, text.as_bytes())
                .unwrap_err()
                .contains("another")
        );
        assert!(
            cipher(2)
                .open(one, text.as_bytes())
                .unwrap_err()
                .contains("another")
        );
        assert_ne!(
            cipher(1).seal(one, b"sesame").unwrap(),
            text,
            "a nonce is used once"
        );
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let (cipher, uuid) = (cipher(3), Uuid::from_u128(4));
            let text = cipher.seal(uuid, &value).unwrap();
            let opened = cipher.open(uuid, format!("{text}\n").as_bytes()).unwrap();
            prop_assert_eq!(opened.expose(), value.as_slice());
        }

        #[test]
        fn anything_else_ends_in_an_answer(text in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(cipher(3).open(Uuid::from_u128(4), &text).is_err());
        }
    }
}
