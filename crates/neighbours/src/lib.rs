//! Where the other daemons of an instance are: from a URI to a socket.
//!
//! Nothing is looked at here: a neighbour that is not there is an error of whoever connects to it.

use client::{Uri, open_to_relay, unix_stream};
use daemon::{Kind, Layout, LayoutError, Mode, socket_name};
use error::{Code, Domain, Error, Result};
use protocol::remote::ConnectOpenArgs;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The daemon that stands in libvirtd's place, and how the names of its sockets begin.
const PROXY: (&str, &str) = ("virtproxyd", "libvirt");

/// A daemon, and one of its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    daemon: &'static str,
    socket: PathBuf,
}

impl Neighbour {
    /// The daemon that serves a URI, in the instance of `layout`. Who only looks is sent to the socket for that.
    ///
    /// # Errors
    /// `VIR_ERR_NO_CONNECT` where no daemon serves it, or where this user has no place for daemons of his own.
    pub fn of(uri: &Uri, layout: &Layout, read_only: bool) -> Result<Self> {
        let daemon = uri.daemon()?;
        Self::named(daemon, daemon, uri, layout, read_only)
    }

    /// The daemon that serves every URI, at the sockets that once were libvirtd's.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn proxy(uri: &Uri, layout: &Layout, read_only: bool) -> Result<Self> {
        let (daemon, begin) = PROXY;
        Self::named(daemon, begin, uri, layout, read_only)
    }

    fn named(daemon: &'static str, begin: &str, uri: &Uri, layout: &Layout, read_only: bool) -> Result<Self> {
        let mode = if uri.is_session() {
            Mode::Session
        } else {
            Mode::System
        };
        let (folder, mode) = place(layout, mode)?;
        let kind = if read_only && mode == Mode::System {
            Kind::ReadOnly
        } else {
            Kind::ReadWrite
        };
        Ok(Self {
            daemon,
            socket: folder.join(socket_name(begin, kind)),
        })
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What to tell whoever could not reach it.
    pub fn advice(&self) -> String {
        format!(
            "is {0} running? 'systemctl start {0}.socket' opens its sockets",
            self.daemon
        )
    }

    /// Connects to it and opens the driver, for a client whose packets are passed on from then on; tells also whether it
    /// knows keepalive.
    ///
    /// # Errors
    /// `VIR_ERR_SYSTEM_ERROR` with socket, daemon and the system's words, or what the daemon answers.
    pub async fn open(&self, args: &ConnectOpenArgs) -> Result<(UnixStream, bool)> {
        let mut stream = unix_stream(&self.socket).await.map_err(|failure| {
            let detail = format!("{}: {}", failure.detail(), self.advice());
            Error::new(failure.code(), failure.domain(), detail).caused_by(failure)
        })?;
        let keepalive = open_to_relay(&mut stream, args).await?;
        Ok((stream, keepalive))
    }
}

/// Where sockets lie of daemons that work for the system or for this user, and for whom they do: a private instance has but
/// one place, whose daemons all have the power of its user.
fn place(layout: &Layout, mode: Mode) -> Result<(PathBuf, Mode)> {
    if layout.private_root().is_some() || layout.mode() == mode {
        return Ok((layout.run_dir().to_owned(), layout.mode()));
    }
    let other = match mode {
        Mode::System => Layout::below(Mode::System, Path::new("/")),
        Mode::Session => Layout::from_environment(Mode::Session, std::env::var_os).map_err(homeless)?,
    };
    Ok((other.run_dir().to_owned(), mode))
}

fn homeless(failure: LayoutError) -> Error {
    Error::new(Code::NoConnect, Domain::Uri, failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(uri: &str, layout: &Layout, read_only: bool) -> String {
        let neighbour = Neighbour::of(&Uri::parse(uri).unwrap(), layout, read_only).unwrap();
        neighbour.socket().display().to_string()
    }

    #[test]
    fn every_uri_has_its_socket() {
        let root = Layout::below(Mode::System, Path::new("/"));
        for (uri, read_only, expected) in [
            ("qemu:///system", false, "/run/libvirt/virtqemud-sock"),
            ("qemu:///system", true, "/run/libvirt/virtqemud-sock-ro"),
            ("secret:///system", false, "/run/libvirt/virtsecretd-sock"),
            ("nodedev:///system", true, "/run/libvirt/virtnodedevd-sock-ro"),
        ] {
            assert_eq!(socket(uri, &root, read_only), expected);
        }
        let private = Layout::below(Mode::Session, Path::new("/x"));
        for uri in ["qemu:///session", "qemu:///system"] {
            assert_eq!(socket(uri, &private, true), "/x/run/libvirt/virtqemud-sock");
        }
    }

    #[test]
    fn the_proxy_serves_what_no_other_does() {
        let root = Layout::below(Mode::System, Path::new("/"));
        let uri = Uri::parse("esx:///system").unwrap();
        let refusal = Neighbour::of(&uri, &root, false).unwrap_err();
        assert_eq!(refusal.code(), Code::NoConnect);
        let proxy = Neighbour::proxy(&uri, &root, true).unwrap();
        assert_eq!(proxy.socket(), Path::new("/run/libvirt/libvirt-sock-ro"));
        assert!(proxy.advice().contains("virtproxyd.socket"));
    }
}
