//! The files: the authority's certificates, the server's own with its key, and what was revoked.

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sec1::EcPrivateKey;
use sec1::der::{Decode, Encode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage};

/// Where the certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The authority's certificates.
    pub authority: PathBuf,
    /// The server's certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
    /// What the authority revoked, if there is a list.
    pub revoked: Option<PathBuf>,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of what it should.
    #[error("{what} in {}: {reason}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The server's own certificate would be refused by every client.
    #[error("the certificate in {} is no good for this server: {reason}", path.display())]
    Own {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key is unusable or another certificate's.
    #[error("the private key in {} cannot be used: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The priority string.
    #[error("tls_priority: {0}")]
    Priority(String),
}

/// What the files hold.
pub(crate) struct Certificates {
    files: Files,
    authority: RootCertStore,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

/// All sections of a kind in a file, of which there must be one at least.
fn sections<T: PemObject>(what: &'static str, path: &Path) -> Result<Vec<T>, TlsError> {
    let refused = |reason: String| TlsError::File {
        what,
        path: path.to_owned(),
        reason,
    };
    let found: Result<Vec<T>, pem::Error> = T::pem_file_iter(path).and_then(Iterator::collect);
    let found = found.map_err(|failure| match failure {
        pem::Error::Io(failure) => refused(failure.to_string()),
        other => refused(other.to_string()),
    })?;
    if found.is_empty() {
        return Err(refused("the file holds none".to_owned()));
    }
    Ok(found)
}

impl Files {
    pub(crate) fn read(&self) -> Result<Certificates, TlsError> {
        let mut authority = RootCertStore::empty();
        for certificate in sections::<CertificateDer<'_>>("the authority's certificate", &self.authority)? {
            authority.add(certificate).map_err(|failure| TlsError::File {
                what: "the authority's certificate",
                path: self.authority.clone(),
                reason: failure.to_string(),
            })?;
        }
        let key = sections("the server's private key", &self.key)?;
        let key = key.into_iter().next().ok_or_else(|| TlsError::Key {
            path: self.key.clone(),
            reason: "there is none".to_owned(),
        })?;
        Ok(Certificates {
            authority,
            chain: sections("the server's certificate", &self.certificate)?,
            key: plain(key),
            revoked: match &self.revoked {
                Some(path) => sections("the list of revoked certificates", path)?,
                None => Vec::new(),
            },
            files: self.clone(),
        })
    }
}

/// An elliptic curve's key with its number as long as the curve's numbers are: GnuTLS puts a zero byte in front of half of
/// them.
fn plain(key: PrivateKeyDer<'static>) -> PrivateKeyDer<'static> {
    let PrivateKeyDer::Sec1(encoded) = &key else {
        return key;
    };
    let shorter = EcPrivateKey::from_der(encoded.secret_sec1_der())
        .ok()
        .and_then(|mut parsed| {
            let [0, rest @ ..] = parsed.private_key else {
                return None;
            };
            // Curves' numbers here have a whole number of words.
            (rest.len() % 8 == 0).then_some(())?;
            parsed.private_key = rest;
            parsed.to_der().ok()
        });
    match shorter {
        Some(shorter) => PrivateKeyDer::Sec1(shorter.into()),
        None => key,
    }
}

impl Certificates {
    /// Judges the server's own certificate as its clients will.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        let judged = self.chain.split_first().map_or(Ok(()), |(own, others)| {
            EndEntityCert::try_from(own)?.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.authority.roots,
                others,
                UnixTime::now(),
                KeyUsage::server_auth(),
                None,
                None,
            )?;
            Ok(())
        });
        judged.map_err(|failure: webpki::Error| TlsError::Own {
            path: self.files.certificate.clone(),
            reason: failure.to_string(),
        })
    }

    /// What judges the certificates of clients.
    pub(crate) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let roots = Arc::new(self.authority.clone());
        let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        if !self.revoked.is_empty() {
            // A list speaks of the certificates of its own authority; others have none.
            verifier = verifier
                .with_crls(self.revoked.iter().cloned())
                .allow_unknown_revocation_status()
                .enforce_revocation_expiration();
        }
        verifier.build().map_err(|failure| TlsError::File {
            what: "the list of revoked certificates",
            path: self.files.revoked.clone().unwrap_or_default(),
            reason: failure.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_curves_length() {
        let encode = |number: &[u8]| {
            let key = EcPrivateKey {
                private_key: number,
                parameters: None,
                public_key: Some(&[4; 65]),
            };
            PrivateKeyDer::Sec1(key.to_der().unwrap().into())
        };
        let long: Vec<u8> = std::iter::once(0).chain([9; 32]).collect();
        assert_eq!(plain(encode(&long)), encode(&[9; 32]));
        // A number that begins with a zero by itself.
        let small: Vec<u8> = std::iter::once(0).chain([9; 31]).collect();
        assert_eq!(plain(encode(&small)), encode(&small));
    }
}
