//! TLS as the configuration of the daemon says, `virtproxyd.conf`.

use daemon::config::NetworkConfig;
use daemon::confinement::Places;
use daemon::{Entrance, Instance, Layout, Mode};
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use protocol::Priority;
use rpc::{Peer, Transport, TransportKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tls::{Files, Settings};
use tokio::net::TcpStream;

/// Lets clients in by certificates.
#[derive(Debug)]
pub struct Certified {
    layout: Arc<Layout>,
    config: NetworkConfig,
    /// By the files as they are in force.
    entrance: Mutex<Arc<tls::Entrance>>,
}

impl Certified {
    /// Reads the certificates.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn open(instance: &Instance) -> Result<Self> {
        let (workers, instance) = (instance.workers.clone(), instance.clone());
        let opened = workers.blocking(Priority::High, move || {
            let config = instance.own_keys::<NetworkConfig>();
            let config =
                config.map_err(|refusal| Error::new(Code::ConfSyntax, Domain::Conf, refusal.to_string()));
            let (layout, config) = (Arc::clone(&instance.layout), config?.values);
            let entrance = Mutex::new(Arc::new(read(&layout, &config)?));
            Ok(Self {
                layout,
                config,
                entrance,
            })
        });
        opened.await?
    }
}

impl Entrance for Certified {
    fn enter(
        &self,
        stream: TcpStream,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Transport, String>> + Send>> {
        let entrance = Arc::clone(&self.entrance.lock());
        Box::pin(async move {
            let address = stream.peer_addr().ok();
            let entered = entrance.accept(stream).await;
            let (stream, certificate_name) = entered.map_err(|refused| refused.to_string())?;
            let peer = Peer {
                address,
                certificate_name,
            };
            Ok(Transport::stream(TransportKind::Tls, stream).with_peer(peer))
        })
    }

    fn reload(&self) -> Result<()> {
        let fresh = Arc::new(read(&self.layout, &self.config)?);
        *self.entrance.lock() = fresh;
        tracing::info!("the certificates were read again");
        Ok(())
    }
}

fn read(layout: &Layout, config: &NetworkConfig) -> Result<tls::Entrance> {
    let settings = Settings {
        files: files(layout, config)?,
        check_own: !config.tls_no_sanity_certificate,
        verify_clients: !config.tls_no_verify_certificate,
        allowed_names: config.tls_allowed_dn_list.clone(),
        priority: config.tls_priority.clone(),
    };
    tls::Entrance::open(&settings)
        .map_err(|failure| Error::new(Code::SystemError, Domain::Rpc, failure.to_string()).caused_by(failure))
}

/// Where the files are: as configured, or else where all of libvirt's daemons have them.
fn files(layout: &Layout, config: &NetworkConfig) -> Result<Files> {
    let [authority, certificate, key, revoked] = default_files(layout)?;
    let named = |name: &Option<String>, place: PathBuf| name.as_ref().map_or(place, PathBuf::from);
    Ok(Files {
        authority: named(&config.ca_file, authority),
        certificate: named(&config.cert_file, certificate),
        key: named(&config.key_file, key),
        revoked: match &config.crl_file {
            Some(name) => Some(PathBuf::from(name)),
            None => Some(revoked).filter(|list| list.exists()),
        },
    })
}

/// Authority, certificate, key and revocations of the system or of this user.
fn default_files(layout: &Layout) -> Result<[PathBuf; 4]> {
    if is_users(layout) {
        let folder = users_folder().ok_or_else(|| {
            let text = "HOME does not say where this user's certificates are";
            Error::new(Code::SystemError, Domain::Rpc, text)
        })?;
        let files = ["cacert.pem", "servercert.pem", "serverkey.pem", "cacrl.pem"];
        return Ok(files.map(|file| folder.join(file)));
    }
    let files = [
        "/etc/pki/CA/cacert.pem",
        "/etc/pki/libvirt/servercert.pem",
        "/etc/pki/libvirt/private/serverkey.pem",
        "/etc/pki/CA/cacrl.pem",
    ];
    Ok(files.map(|file| layout.own_path(Path::new(file))))
}

/// Whether certificates are a user's.
fn is_users(layout: &Layout) -> bool {
    layout.private_root().is_none() && layout.mode() == Mode::Session
}

/// Where a user has them.
fn users_folder() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.filter(|home| home.is_absolute())?;
    Some(home.join(".pki/libvirt"))
}

/// What the proxy works with beside its configuration: certificates, and what SASL offers.
pub fn places(layout: &Layout) -> Places {
    let folder = match is_users(layout) {
        true => users_folder(),
        false => Some(layout.own_path(Path::new("/etc/pki"))),
    };
    let sasl = layout.own_path(Path::new("/etc/sasl2"));
    Places::default().and_read(folder).and_read([sasl])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_where_they_are_configured_or_as_always() {
        let layout = Layout::below(Mode::System, Path::new("/"));
        let mut config = NetworkConfig::default();
        let found = files(&layout, &config).unwrap();
        assert_eq!(found.certificate, Path::new("/etc/pki/libvirt/servercert.pem"));
        assert_eq!(found.key, Path::new("/etc/pki/libvirt/private/serverkey.pem"));
        config.ca_file = Some("/my/ca.pem".to_owned());
        config.crl_file = Some("/my/crl.pem".to_owned());
        let private = Layout::below(Mode::Session, Path::new("/x"));
        let found = files(&private, &config).unwrap();
        assert_eq!(found.authority, Path::new("/my/ca.pem"));
        assert_eq!(found.certificate, Path::new("/x/etc/pki/libvirt/servercert.pem"));
        assert_eq!(found.revoked.as_deref(), Some(Path::new("/my/crl.pem")));
    }
}
