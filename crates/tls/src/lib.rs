//! TLS as libvirt's daemons offer it: certificates from files, clients known by certificates of the same authority, a list
//! of the names that may come in.
//!
//! ```text
//! client                               server
//!   <------ TLS 1.2 or 1.3 handshake ---->   a certificate is asked for, any or none is taken
//!                                            the certificate is judged: authority, dates, revocation, name
//!   <------------------- one byte, 1 -----   good: the protocol begins
//!   <-------------------------- close ----   bad, whatever the reason: only the server's log tells
//! ```

mod certificates;
mod distinguished_name;
mod judge;
mod priority;
mod wildcard;

pub use certificates::{Files, TlsError};
pub use distinguished_name::distinguished_name;
pub use judge::Refused;
pub use wildcard::matches as name_matches;

use judge::{Anybody, Judge};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What tells a client that its certificate is good.
const WELCOME: &[u8] = &[1];

/// How clients are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the certificates are.
    pub files: Files,
    /// Whether the server's own certificate is judged before it is shown to anybody.
    pub check_own: bool,
    /// Whether clients need a good certificate.
    pub verify_clients: bool,
    /// The names that clients may have, with `*` for any part; any name where there is no list.
    pub allowed_names: Option<Vec<String>>,
    /// Protocol versions, in GnuTLS's words.
    pub priority: Option<String>,
}

/// Lets clients in, by the certificates as they were when it was made.
#[derive(Debug)]
pub struct Entrance {
    config: Arc<ServerConfig>,
    judge: Option<Judge>,
}

impl Entrance {
    /// Reads the certificates.
    ///
    /// # Errors
    /// A file is missing or malformed, the server's own certificate is no good, or the priority is not known; the
    /// sentence names it.
    pub fn open(settings: &Settings) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = priority::versions(settings.priority.as_deref())?;
        let own = settings.files.read()?;
        if settings.check_own {
            own.check()?;
        }
        let verifier = own.verifier(&provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|failure| TlsError::Priority(failure.to_string()))?
            .with_client_cert_verifier(Arc::new(Anybody(Arc::clone(&verifier))))
            .with_single_cert(own.chain, own.key)
            .map_err(|failure| TlsError::Key {
                path: settings.files.key.clone(),
                reason: failure.to_string(),
            })?;
        // A client that comes back is judged like any other.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            judge: settings.verify_clients.then(|| Judge {
                verifier,
                allowed: settings.allowed_names.clone(),
            }),
        })
    }

    /// Shakes hands with a client and judges its certificate; gives the stream, and the name it has if its certificate is
    /// good. How long a client may take is the caller's matter.
    ///
    /// # Errors
    /// The reason, for the log; the client hears none.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Option<String>), Refused> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let mut stream = acceptor.accept(stream).await.map_err(Refused::Handshake)?;
        let name = match &self.judge {
            Some(judge) => {
                let (_, session) = stream.get_ref();
                Some(judge.name_of(session.peer_certificates().unwrap_or_default())?)
            }
            None => None,
        };
        stream.write_all(WELCOME).await.map_err(Refused::Handshake)?;
        stream.flush().await.map_err(Refused::Handshake)?;
        Ok((stream, name))
    }
}
