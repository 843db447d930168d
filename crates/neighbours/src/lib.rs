//! The other daemons of an instance: where they are, from a URI to a socket, and which of a client's calls are theirs.
//!
//! Nothing is looked at here: a neighbour that is not there is an error of whoever connects to it.

mod bindings;
mod family;
mod own;
mod secrets;

pub use bindings::{create_binding, delete_binding};
pub use family::{Family, forward};
pub use own::{connect, connect_to_system};
pub use secrets::{SecretName, secret_value};

use client::{Uri, open_to_relay, unix_stream};
use daemon::{Instance, Kind, Layout, LayoutError, Mode, identity, socket_name};
use error::{Code, Domain, Error, Result};
use protocol::remote::{ConnectOpenArgs, ConnectSetIdentityArgs};
use rpc::Caller;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The daemon that stands in libvirtd's place, and how the names of its sockets begin.
const PROXY: (&str, &str) = ("virtproxyd", "libvirt");

/// `VIR_CONNECT_RO`.
const READ_ONLY: u32 = 1;

/// How often a daemon is connected to that disconnects whoever has not opened yet: once for each new program that it runs meanwhile,
/// and not for ever where it crashes each time.
const TRIES: usize = 4;

/// A daemon, and one of its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    daemon: &'static str,
    socket: PathBuf,
    /// Whether it belongs to the same instance.
    own: bool,
    read_only: bool,
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

    /// The daemon of the same instance that serves a family of calls.
    pub fn serving(family: Family, layout: &Layout, read_only: bool) -> Self {
        let kind = if read_only && layout.mode() == Mode::System {
            Kind::ReadOnly
        } else {
            Kind::ReadWrite
        };
        Self {
            daemon: family.daemon(),
            socket: layout.run_dir().join(socket_name(family.daemon(), kind)),
            own: true,
            read_only,
        }
    }

    fn named(daemon: &'static str, begin: &str, uri: &Uri, layout: &Layout, read_only: bool) -> Result<Self> {
        let mode = if uri.is_session() {
            Mode::Session
        } else {
            Mode::System
        };
        let (folder, mode, own) = place(layout, mode)?;
        let kind = if read_only && mode == Mode::System {
            Kind::ReadOnly
        } else {
            Kind::ReadWrite
        };
        Ok(Self {
            daemon,
            socket: folder.join(socket_name(begin, kind)),
            own,
            read_only,
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

    /// Connects to it.
    ///
    /// # Errors
    /// `VIR_ERR_SYSTEM_ERROR` with socket, daemon and the system's words.
    pub async fn connect(&self, instance: &Instance) -> Result<UnixStream> {
        if let Some(passage) = instance.passage.as_ref().filter(|_| self.own) {
            return passage.connect(self.daemon, self.read_only).await;
        }
        unix_stream(&self.socket).await.map_err(|failure| {
            let detail = format!("{}: {}", failure.detail(), self.advice());
            Error::new(failure.code(), failure.domain(), detail).caused_by(failure)
        })
    }

    /// Connects to it and opens the driver of `uri` on behalf of a client whose packets are passed on from then on; tells
    /// also whether it knows keepalive. A daemon that runs its program anew disconnects everybody; nothing was done yet for who
    /// is opening, so that one tries again, and waits in the queue of the next program.
    ///
    /// # Errors
    /// As [`Self::connect`], or what the daemon answers.
    pub async fn open(
        &self,
        instance: &Instance,
        uri: String,
        flags: u32,
        caller: &Caller,
    ) -> Result<(UnixStream, bool)> {
        let open = ConnectOpenArgs {
            name: Some(uri),
            flags: if self.read_only { flags | READ_ONLY } else { flags },
        };
        let identity = ConnectSetIdentityArgs {
            params: identity::params(caller),
            flags: 0,
        };
        let mut tries = TRIES;
        loop {
            let mut stream = self.connect(instance).await?;
            tries -= 1;
            match open_to_relay(&mut stream, &open, &identity).await {
                Ok(keepalive) => return Ok((stream, keepalive)),
                Err(failure) if tries > 0 && is_disconnected(&failure) => {
                    tracing::debug!(%failure, daemon = self.daemon, "the connection is opened once more");
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Whether the other side ended the connection, which those do that become another program, or crash.
fn is_disconnected(failure: &Error) -> bool {
    let cause = failure
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| {
        matches!(
            cause.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        )
    })
}

/// Where sockets lie of daemons that work for the system or for this user, for whom they do, and whether that is the same
/// instance: a private one has but one place, whose daemons all have the power of its user.
fn place(layout: &Layout, mode: Mode) -> Result<(PathBuf, Mode, bool)> {
    if layout.private_root().is_some() || layout.mode() == mode {
        return Ok((layout.run_dir().to_owned(), layout.mode(), true));
    }
    let other = match mode {
        Mode::System => Layout::below(Mode::System, Path::new("/")),
        Mode::Session => Layout::from_environment(Mode::Session, std::env::var_os).map_err(homeless)?,
    };
    Ok((other.run_dir().to_owned(), mode, false))
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
