//! systemd: sockets that it opened for the daemon, and what it wants to be told.
//!
//! Sockets are matched by the name of their unit (`FileDescriptorName=`, by default `virtqemud-ro.socket`), or else by
//! the path they are bound to; one that matches nothing is refused, because nobody would answer on it.

use crate::config::NetworkConfig;
use crate::network::NetworkSocket;
use crate::sockets::{Kind, socket_name};
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// The sockets that systemd opened.
#[derive(Debug, Default)]
pub(crate) struct Activated {
    /// The daemon's own, by what they are for.
    pub(crate) own: Vec<(Kind, UnixListener)>,
    /// Those of the network.
    pub(crate) network: Vec<NetworkSocket>,
}

/// The sockets that systemd opened for `daemon`, whose own begin with `begin`; empty if it opened none.
///
/// # Errors
/// A descriptor is not a listening socket of this daemon, or two UNIX sockets are for the same purpose.
pub(crate) fn sockets(daemon: &str, begin: &str, network: Option<&NetworkConfig>) -> io::Result<Activated> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut given = ListenFd::from_env();
    let mut names = names.split(':');
    let mut activated = Activated::default();
    for index in 0..given.len() {
        let name = names.next().unwrap_or_default();
        // A socket of another family stays for the next who asks.
        if let Ok(Some(listener)) = given.take_tcp_listener(index) {
            activated
                .network
                .push(from_network(daemon, name, network, listener)?);
            continue;
        }
        let Some(listener) = given.take_unix_listener(index)? else {
            continue;
        };
        let path = listener.local_addr()?;
        let path = path.as_pathname();
        let file = path.and_then(|path| path.file_name());
        let place = || path.map_or_else(|| "no path".to_owned(), |path| path.display().to_string());
        let kind = kind_of(daemon, begin, name, file).ok_or_else(|| foreign(daemon, name, &place()))?;
        if activated.own.iter().any(|(other, _)| *other == kind) {
            return Err(io::Error::other(format!(
                "two activated sockets for {}",
                socket_name(begin, kind)
            )));
        }
        activated.own.push((kind, listener));
    }
    Ok(activated)
}

/// A socket of the network: by its unit's name, or else by its port. There may be several, one an address.
fn from_network(
    daemon: &str,
    name: &str,
    network: Option<&NetworkConfig>,
    listener: TcpListener,
) -> io::Result<NetworkSocket> {
    let address = listener.local_addr()?;
    let network = network.ok_or_else(|| foreign(daemon, name, &address.to_string()))?;
    match unit_suffix(daemon, name) {
        Some("-tcp") => Ok(NetworkSocket::Tcp(listener)),
        Some("-tls") => Ok(NetworkSocket::Tls(listener)),
        _ if address.port() == network.tcp_port.0 => Ok(NetworkSocket::Tcp(listener)),
        _ if address.port() == network.tls_port.0 => Ok(NetworkSocket::Tls(listener)),
        _ => Err(foreign(daemon, name, &address.to_string())),
    }
}

fn foreign(daemon: &str, name: &str, place: &str) -> io::Error {
    io::Error::other(format!(
        "the activated socket '{name}' ({place}) is none of {daemon}'s"
    ))
}

/// What tells a daemon's units apart: `-ro` in `virtqemud-ro.socket`.
fn unit_suffix<'n>(daemon: &str, name: &'n str) -> Option<&'n str> {
    name.strip_prefix(daemon)
        .map(|rest| rest.strip_suffix(".socket").unwrap_or(rest))
}

fn kind_of(daemon: &str, begin: &str, name: &str, file: Option<&OsStr>) -> Option<Kind> {
    match unit_suffix(daemon, name) {
        Some("") => return Some(Kind::ReadWrite),
        Some("-ro") => return Some(Kind::ReadOnly),
        Some("-admin") => return Some(Kind::Admin),
        _ => {}
    }
    Kind::ALL
        .into_iter()
        .find(|kind| file == Some(OsStr::new(&socket_name(begin, *kind))))
}

/// A moment that systemd is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Clients are served.
    Ready,
    /// The configuration is read again; `Ready` follows.
    Reloading,
    /// The daemon ends.
    Stopping,
    /// Still alive.
    Alive,
}

/// Tells systemd; without one, nothing happens.
pub(crate) fn tell(moment: Moment) {
    let told = match moment {
        Moment::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Moment::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Moment::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Moment::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(failure) = told {
        tracing::warn!(%failure, ?moment, "cannot tell systemd");
    }
}

/// How often systemd wants to hear that the daemon is alive: twice as often as it must.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_first_and_paths_otherwise() {
        let kind = |name, file: &str| kind_of("virtqemud", "virtqemud", name, Some(OsStr::new(file)));
        assert_eq!(kind("virtqemud.socket", "x"), Some(Kind::ReadWrite));
        assert_eq!(kind("virtqemud-ro.socket", "x"), Some(Kind::ReadOnly));
        assert_eq!(kind("virtqemud-admin", "x"), Some(Kind::Admin));
        assert_eq!(kind("unknown", "virtqemud-sock-ro"), Some(Kind::ReadOnly));
        assert_eq!(kind("", "virtqemud-admin-sock"), Some(Kind::Admin));
        assert_eq!(kind("", "virtqemud-sock"), Some(Kind::ReadWrite));
        assert_eq!(kind("virtnetworkd.socket", "virtnetworkd-sock"), None);
        let kind = |name, file: &str| kind_of("virtproxyd", "libvirt", name, Some(OsStr::new(file)));
        assert_eq!(kind("virtproxyd-ro.socket", "x"), Some(Kind::ReadOnly));
        assert_eq!(kind("", "libvirt-admin-sock"), Some(Kind::Admin));
        assert_eq!(kind("", "virtproxyd-sock"), None);
    }
}
