//! The judgement of a client's certificate, after the handshake: in it, refusing would tell the client why.

use crate::distinguished_name;
use crate::wildcard::matches;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use std::io;
use std::sync::Arc;

/// Why a client is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The handshake failed.
    #[error("the handshake failed: {0}")]
    Handshake(io::Error),
    /// The client showed no certificate.
    #[error("it has no certificate")]
    Nobody,
    /// Its certificate is no good.
    #[error("its certificate is refused: {0}")]
    Certificate(rustls::Error),
    /// Its certificate cannot be read.
    #[error("the name in its certificate cannot be read: {0}")]
    Name(String),
    /// It has a name that is not on the list.
    #[error("its name '{0}' is not in tls_allowed_dn_list")]
    NotListed(String),
}

/// Takes every certificate in the handshake, and makes sure only that the client holds its key.
#[derive(Debug)]
pub(crate) struct Anybody(pub(crate) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Judges certificates.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    pub(crate) allowed: Option<Vec<String>>,
}

impl Judge {
    /// The name of whoever shows these certificates, its own first, if all is well with them.
    pub(crate) fn name_of(&self, certificates: &[CertificateDer<'_>]) -> Result<String, Refused> {
        let (own, others) = certificates.split_first().ok_or(Refused::Nobody)?;
        self.verifier
            .verify_client_cert(own, others, UnixTime::now())
            .map_err(Refused::Certificate)?;
        let name = distinguished_name(own).map_err(Refused::Name)?;
        let listed = |list: &Vec<String>| list.iter().any(|pattern| matches(pattern, &name));
        if self.allowed.as_ref().is_none_or(listed) {
            Ok(name)
        } else {
            Err(Refused::NotListed(name))
        }
    }
}
