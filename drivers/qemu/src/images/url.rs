//! Images that are named by a URL, or in the older way of QEMU's for NBD.

use super::refused;
use error::{Code, Result};
use model::domain::devices::disk_network::{HostTransport, NetworkHost, NetworkProtocol, NetworkSource};
use model::domain::devices::disk_source::DiskSource;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The source that `protocol:rest` names; `None` where a document has no words for it, as for users and passwords.
///
/// # Errors
/// [`Code::InternalError`] for protocols and forms that are unknown.
pub(super) fn source(protocol: &str, rest: &str) -> Result<Option<DiskSource>> {
    let Some(place) = rest.strip_prefix("//") else {
        return match protocol {
            "nbd" => nbd(rest).map(Some),
            "rbd" => Ok(None),
            _ => Err(unknown(protocol)),
        };
    };
    let (scheme, transport) = protocol.split_once('+').unwrap_or((protocol, "tcp"));
    let transport = match transport {
        "tcp" => HostTransport::Tcp,
        "unix" => HostTransport::Unix,
        "rdma" => HostTransport::Rdma,
        _ => return Err(unknown(protocol)),
    };
    let kind = match scheme {
        "nbd" => NetworkProtocol::Nbd,
        "http" => NetworkProtocol::Http,
        "https" => NetworkProtocol::Https,
        "ftp" => NetworkProtocol::Ftp,
        "ftps" => NetworkProtocol::Ftps,
        "tftp" => NetworkProtocol::Tftp,
        "ssh" => NetworkProtocol::Ssh,
        "iscsi" => NetworkProtocol::Iscsi,
        "nfs" => NetworkProtocol::Nfs,
        "gluster" => NetworkProtocol::Gluster,
        _ => return Err(unknown(protocol)),
    };
    let (place, query) = match place.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (place, None),
    };
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    if authority.contains('@') {
        return Ok(None);
    }
    let malformed = |what: &str| {
        let text = format!("the URL '{protocol}:{rest}' {what}");
        refused(Code::InternalError, text)
    };
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(Cow::into_owned).map_err(|_| malformed("is no UTF-8"))
    };
    let host = if transport == HostTransport::Unix {
        let mut options = query.unwrap_or_default().split('&');
        let socket = options.find_map(|option| option.strip_prefix("socket="));
        let socket = socket.ok_or_else(|| malformed("names no socket"))?;
        NetworkHost {
            transport: Some(transport),
            socket: Some(decode(socket)?),
            ..NetworkHost::default()
        }
    } else {
        let (name, port) = host(authority).ok_or_else(|| malformed("names no host or an impossible port"))?;
        NetworkHost {
            name: Some(decode(name)?),
            port: Some(port.unwrap_or_else(|| kind.default_port().into())).filter(|port| *port != 0),
            transport: (transport != HostTransport::Tcp).then_some(transport),
            socket: None,
        }
    };
    let by_url = matches!(
        kind,
        NetworkProtocol::Http
            | NetworkProtocol::Https
            | NetworkProtocol::Ftp
            | NetworkProtocol::Ftps
            | NetworkProtocol::Tftp
    );
    // Elsewhere the path is no place in a tree that begins with a slash.
    let path = if kind == NetworkProtocol::Ssh {
        path
    } else {
        path.strip_prefix('/').unwrap_or(path)
    };
    // What goes into a URL again keeps its escapes.
    let name = if by_url { path.to_owned() } else { decode(path)? };
    let mut source = network(kind, vec![host]);
    source.name = Some(name).filter(|name| !name.is_empty());
    source.query = query.filter(|_| by_url).map(str::to_owned);
    Ok(Some(disk_source(source)))
}

/// A source of that protocol with nothing else said.
pub(super) fn network(protocol: NetworkProtocol, hosts: Vec<NetworkHost>) -> NetworkSource {
    NetworkSource {
        hosts,
        ..NetworkSource::of(protocol)
    }
}

/// The same as a disk's.
pub(super) fn disk_source(source: NetworkSource) -> DiskSource {
    DiskSource::Network {
        source: Some(Box::new(source)),
    }
}

/// Host and port; an address of IPv6 stands in brackets.
fn host(authority: &str) -> Option<(&str, Option<u32>)> {
    let (name, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some("") => None,
        Some(port) => Some(u32::from(port.parse::<u16>().ok()?)),
        None if rest.is_empty() => None,
        None => return None,
    };
    (!name.is_empty()).then_some((name, port))
}

/// `host:port[:exportname=NAME]` or `unix:path[:exportname=NAME]`.
fn nbd(rest: &str) -> Result<DiskSource> {
    let (place, name) = match rest.split_once(":exportname=") {
        Some((place, name)) => (place, Some(name)),
        None => (rest, None),
    };
    let host = match place.strip_prefix("unix:") {
        Some(path) => NetworkHost {
            transport: Some(HostTransport::Unix),
            socket: Some(path.to_owned()),
            ..NetworkHost::default()
        },
        None => {
            let (name, port) = host(place).ok_or_else(|| {
                refused(
                    Code::InternalError,
                    format!("'nbd:{rest}' names no host or an impossible port"),
                )
            })?;
            NetworkHost {
                name: Some(name.to_owned()),
                port: Some(port.unwrap_or_else(|| NetworkProtocol::Nbd.default_port().into())),
                ..NetworkHost::default()
            }
        }
    };
    let mut source = network(NetworkProtocol::Nbd, vec![host]);
    source.name = name.map(str::to_owned);
    Ok(disk_source(source))
}

fn unknown(protocol: &str) -> error::Error {
    refused(
        Code::InternalError,
        format!("images behind the protocol '{protocol}' are not known"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::domain::devices::disk_source::BackingLayer;

    fn told(name: &str) -> String {
        let (protocol, rest) = name.split_once(':').unwrap();
        match source(protocol, rest) {
            Ok(None) => "left to QEMU".to_owned(),
            Ok(Some(source)) => {
                let layer = BackingLayer {
                    index: None,
                    format: None,
                    source,
                    backing_store: None,
                };
                let text = xml::to_string(&layer);
                text.lines().map(str::trim).collect()
            }
            Err(err) => err.to_string(),
        }
    }

    #[test]
    fn urls_become_network_sources() {
        let layer = |source: &str| format!("<backingStore type='network'>{source}</backingStore>");
        for (name, source) in [
            (
                "nbd://h/a%20b",
                "<source protocol='nbd' name='a b'><host name='h' port='10809'/></source>",
            ),
            (
                "nbd://[::1]:5",
                "<source protocol='nbd'><host name='::1' port='5'/></source>",
            ),
            (
                "nbd+unix:///e?socket=/s",
                "<source protocol='nbd' name='e'><host transport='unix' socket='/s'/></source>",
            ),
            (
                "nbd:h:1:exportname=e",
                "<source protocol='nbd' name='e'><host name='h' port='1'/></source>",
            ),
            (
                "nbd:unix:/s",
                "<source protocol='nbd'><host transport='unix' socket='/s'/></source>",
            ),
            (
                "https://h/a/b%20c.img?x=1",
                "<source protocol='https' name='a/b%20c.img' query='x=1'><host name='h' port='443'/></source>",
            ),
            (
                "ssh://h:23/x",
                "<source protocol='ssh' name='/x'><host name='h' port='23'/></source>",
            ),
            (
                "iscsi://h/iqn.a:b/1",
                "<source protocol='iscsi' name='iqn.a:b/1'><host name='h' port='3260'/></source>",
            ),
        ] {
            assert_eq!(told(name), layer(source), "{name}");
        }
        assert_eq!(told("https://me@h/a"), "left to QEMU");
        for name in ["file:/x", "weird://h/x", "nbd://h:x/", "nbd+unix:///e", "nbd:"] {
            assert!(told(name).starts_with("internal error"), "{name}: {}", told(name));
        }
    }
}
