//! The sockets of a network: where they are bound, and what they are.

use crate::config::{NetworkConfig, Port};
use crate::sockets::SocketError;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A listening socket of a network.
#[derive(Debug)]
pub(crate) enum NetworkSocket {
    /// For plain TCP.
    Tcp(TcpListener),
    /// For TLS.
    Tls(TcpListener),
}

impl NetworkSocket {
    /// Whether it is for TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl AsFd for NetworkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener) => listener.as_fd(),
        }
    }
}

/// Opens the sockets that the configuration asks for.
pub(crate) fn bind_all(network: &NetworkConfig, queue: u32) -> Result<Vec<NetworkSocket>, SocketError> {
    let mut bound = Vec::new();
    if network.listen_tcp {
        bound.extend(
            bind(network, network.tcp_port, queue)?
                .into_iter()
                .map(NetworkSocket::Tcp),
        );
    }
    if network.listen_tls {
        bound.extend(
            bind(network, network.tls_port, queue)?
                .into_iter()
                .map(NetworkSocket::Tls),
        );
    }
    Ok(bound)
}

fn bind(network: &NetworkConfig, Port(port): Port, queue: u32) -> Result<Vec<TcpListener>, SocketError> {
    let place = network.listen_addr.as_deref();
    listen(place, port, queue)
        .map_err(|failure| SocketError::new(format!("{}:{port}", place.unwrap_or("*")), failure.to_string()))
}

/// Listens on every address that `place` stands for; without one on all of the host's, as far as it has that family.
fn listen(place: Option<&str>, port: u16, queue: u32) -> io::Result<Vec<TcpListener>> {
    let Some(place) = place else {
        let every: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        let opened = every.map(|address| listen_at(SocketAddr::new(address, port), queue));
        let failed =
            |failure: &io::Error| failure.kind() != io::ErrorKind::AddrNotAvailable && !no_family(failure);
        if opened.iter().all(Result::is_err) || opened.iter().flat_map(|one| one.as_ref().err()).any(failed) {
            return opened.into_iter().collect();
        }
        return Ok(opened.into_iter().flatten().collect());
    };
    let addresses = (place, port).to_socket_addrs()?;
    addresses.map(|address| listen_at(address, queue)).collect()
}

/// Whether the kernel does not have the family of addresses.
fn no_family(failure: &io::Error) -> bool {
    failure.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

fn listen_at(address: SocketAddr, queue: u32) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A daemon that starts again need not wait until the kernel has forgotten its former clients.
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, i32::try_from(queue).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from(socket))
}
