//! From a URI to the daemon that serves it.

use client::{Uri, open_to_relay, unix_stream};
use daemon::{Kind, Layout, LayoutError, Mode, socket_name};
use error::{Code, Domain, Error, Result};
use protocol::remote::ConnectOpenArgs;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// A daemon, and the socket that a client's packets go to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    daemon: &'static str,
    socket: PathBuf,
}

impl Target {
    /// The daemon that serves the URI `name`, in the instance that the proxy belongs to.
    ///
    /// # Errors
    /// `VIR_ERR_INVALID_ARG` and `VIR_ERR_NO_SUPPORT` for a URI that is none, or that names a transport or a host: the
    /// way to the daemon is the proxy's choice. `VIR_ERR_NO_CONNECT` where no daemon serves it.
    pub(crate) fn of(name: &str, layout: &Layout, read_only: bool) -> Result<Self> {
        let uri = Uri::parse(name)?;
        if uri.of_driver() != name {
            let text = format!("URI '{name}' tells how to reach the daemon, which only the proxy may choose");
            return Err(Error::new(Code::InvalidArg, Domain::Uri, text));
        }
        let daemon = uri.daemon()?;
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
            socket: folder.join(socket_name(daemon, kind)),
        })
    }

    /// Connects to it and opens the driver; tells also whether it knows keepalive.
    ///
    /// # Errors
    /// `VIR_ERR_SYSTEM_ERROR` with daemon, socket and the system's words, or what the daemon answers.
    pub(crate) async fn open(&self, args: &ConnectOpenArgs) -> Result<(UnixStream, bool)> {
        let mut stream = self.connect().await?;
        let keepalive = open_to_relay(&mut stream, args).await?;
        Ok((stream, keepalive))
    }

    async fn connect(&self) -> Result<UnixStream> {
        unix_stream(&self.socket).await.map_err(|failure| {
            let detail = format!(
                "{}: is {1} running? 'systemctl start {1}.socket' opens its sockets",
                failure.detail(),
                self.daemon
            );
            Error::new(failure.code(), failure.domain(), detail).caused_by(failure)
        })
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

    fn socket(uri: &str, layout: &Layout, read_only: bool) -> Result<String> {
        Target::of(uri, layout, read_only).map(|target| target.socket.display().to_string())
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
            assert_eq!(socket(uri, &root, read_only).unwrap(), expected);
        }
        let private = Layout::below(Mode::Session, Path::new("/x"));
        for uri in ["qemu:///session", "qemu:///system"] {
            let expected = "/x/run/libvirt/virtqemud-sock";
            assert_eq!(socket(uri, &private, true).unwrap(), expected);
        }
    }

    #[test]
    fn the_way_is_not_the_clients_to_choose() {
        let root = Layout::below(Mode::System, Path::new("/"));
        for (uri, code) in [
            ("qemu+unix:///system?socket=/etc/passwd", Code::InvalidArg),
            ("qemu+unix:///system", Code::InvalidArg),
            ("qemu+tcp://elsewhere/system", Code::NoSupport),
            ("qemu://elsewhere/system", Code::NoSupport),
            ("nonsense", Code::InvalidArg),
            ("esx:///system", Code::NoConnect),
        ] {
            assert_eq!(socket(uri, &root, false).unwrap_err().code(), code, "{uri}");
        }
    }
}
