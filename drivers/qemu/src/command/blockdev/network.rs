//! Sources on the network.

use super::Layer;
use crate::command::line::{Props, incomplete, unsupported};
use crate::command::secret::{auth_object, cookie_object};
use error::Result;
use model::domain::devices::disk_network::{
    HostTransport, Initiator, NetworkHost, NetworkProtocol, NetworkSource,
};
use serde_json::Value;

/// The layer that opens a network source.
pub(super) fn props(source: &NetworkSource, layer: &Layer<'_>, credentials: Option<String>) -> Result<Props> {
    let mut props = by_protocol(source)?.maybe("tls-creds", credentials);
    if !source.cookies.is_empty() {
        props = props.set("cookie-secret", cookie_object(layer.name));
    }
    let Some(auth) = layer.auth else { return Ok(props) };
    let object = auth_object(layer.name);
    let user = auth.username.as_str();
    match source.protocol {
        NetworkProtocol::Rbd => Ok(props
            .set("user", user)
            .set("auth-client-required", vec!["cephx", "none"])
            .set("key-secret", object)),
        NetworkProtocol::Iscsi => Ok(props.set("user", user).set("password-secret", object)),
        NetworkProtocol::Http | NetworkProtocol::Https | NetworkProtocol::Ftp | NetworkProtocol::Ftps => {
            Ok(props.set("username", user).set("password-secret", object))
        }
        _ => Err(unsupported("<auth>: this protocol knows no passwords")),
    }
}

fn by_protocol(source: &NetworkSource) -> Result<Props> {
    match source.protocol {
        NetworkProtocol::Nbd => nbd(source),
        NetworkProtocol::Rbd => rbd(source),
        NetworkProtocol::Iscsi => iscsi(source),
        NetworkProtocol::Http | NetworkProtocol::Https | NetworkProtocol::Ftp | NetworkProtocol::Ftps => {
            url(source)
        }
        NetworkProtocol::Tftp => url(source),
        NetworkProtocol::Ssh => ssh(source),
        NetworkProtocol::Nfs => nfs(source),
        NetworkProtocol::Gluster => gluster(source),
        NetworkProtocol::Sheepdog | NetworkProtocol::Vxhs => Err(unsupported(
            "<source protocol>: QEMU no longer has 'sheepdog' and 'vxhs'",
        )),
    }
}

fn one_host(source: &NetworkSource) -> Result<&NetworkHost> {
    match source.hosts.as_slice() {
        [host] => Ok(host),
        _ => Err(incomplete("<source>: this protocol needs exactly one <host>")),
    }
}

fn name(source: &NetworkSource) -> Result<&str> {
    source
        .name
        .as_deref()
        .ok_or_else(|| incomplete("<source> has no name"))
}

fn port(source: &NetworkSource, host: &NetworkHost) -> u32 {
    host.port
        .filter(|port| *port != 0)
        .unwrap_or_else(|| source.protocol.default_port().into())
}

/// A server as most protocols take it.
fn server(source: &NetworkSource, host: &NetworkHost) -> Result<Value> {
    let props = match host.transport.unwrap_or(HostTransport::Tcp) {
        HostTransport::Tcp => Props::new()
            .set("type", "inet")
            .set("host", host.name.as_deref().unwrap_or_default())
            .set("port", port(source, host).to_string()),
        HostTransport::Unix => Props::new()
            .set("type", "unix")
            .set("path", host.socket.as_deref().unwrap_or_default()),
        HostTransport::Rdma => return Err(unsupported("<host transport='rdma'>: QEMU cannot do that")),
    };
    Ok(props.into())
}

fn nbd(source: &NetworkSource) -> Result<Props> {
    let mut props = Props::driver("nbd")
        .set("server", server(source, one_host(source)?)?)
        .maybe("export", source.name.as_deref())
        .maybe("tls-hostname", source.tls_hostname.as_deref());
    if let Some(reconnect) = &source.reconnect {
        props = props.maybe("reconnect-delay", reconnect.delay);
    }
    Ok(props)
}

fn rbd(source: &NetworkSource) -> Result<Props> {
    let name = name(source)?;
    let (pool, image) = name
        .split_once('/')
        .ok_or_else(|| incomplete("<source protocol='rbd'>: the name is no pool/image"))?;
    let (namespace, image) = match image.split_once('/') {
        Some((namespace, image)) => (Some(namespace), image),
        None => (None, image),
    };
    let servers = source.hosts.iter().map(|host| {
        let port = host.port.filter(|port| *port != 0).unwrap_or(6789).to_string();
        Value::from(
            Props::new()
                .set("host", host.name.as_deref().unwrap_or_default())
                .set("port", port),
        )
    });
    let servers: Vec<Value> = servers.collect();
    Ok(Props::driver("rbd")
        .set("pool", pool)
        .maybe("namespace", namespace)
        .set("image", image)
        .maybe(
            "snapshot",
            source.snapshot.as_ref().map(|snapshot| snapshot.name.as_str()),
        )
        .maybe("conf", source.config.as_ref().map(|config| config.file.as_str()))
        .maybe("server", (!servers.is_empty()).then_some(servers)))
}

fn iscsi(source: &NetworkSource) -> Result<Props> {
    iscsi_props(name(source)?, one_host(source)?, source.initiator.as_ref())
}

/// The unit of an iSCSI server, of a disk or passed through.
pub(in crate::command) fn iscsi_props(
    name: &str,
    host: &NetworkHost,
    initiator: Option<&Initiator>,
) -> Result<Props> {
    let (target, unit) = match name.split_once('/') {
        Some((target, unit)) => (
            target,
            unit.parse::<u64>()
                .map_err(|_| unsupported(format!("<source>: the unit '{unit}' is no number")))?,
        ),
        None => (name, 0),
    };
    let port = host
        .port
        .filter(|port| *port != 0)
        .unwrap_or_else(|| NetworkProtocol::Iscsi.default_port().into());
    let address = bracketed(host.name.as_deref().unwrap_or_default());
    Ok(Props::driver("iscsi")
        .set("portal", format!("{address}:{port}"))
        .set("target", target)
        .set("lun", unit)
        .set("transport", "tcp")
        .maybe(
            "initiator-name",
            initiator.map(|initiator| initiator.iqn.name.as_str()),
        ))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn url(source: &NetworkSource) -> Result<Props> {
    let host = one_host(source)?;
    let scheme = match source.protocol {
        NetworkProtocol::Http => "http",
        NetworkProtocol::Https => "https",
        NetworkProtocol::Ftp => "ftp",
        NetworkProtocol::Ftps => "ftps",
        _ => "tftp",
    };
    let path = name(source)?;
    let address = bracketed(host.name.as_deref().unwrap_or_default());
    let mut url = format!(
        "{scheme}://{address}:{}/{}",
        port(source, host),
        path.trim_start_matches('/')
    );
    if let Some(query) = &source.query {
        url.push('?');
        url.push_str(query);
    }
    Ok(Props::driver(scheme)
        .set("url", url)
        .maybe("sslverify", source.ssl.as_ref().map(|ssl| ssl.verify.is_yes()))
        .maybe(
            "readahead",
            source.readahead.as_ref().map(|readahead| readahead.size),
        )
        .maybe("timeout", source.timeout.as_ref().map(|timeout| timeout.seconds)))
}

fn ssh(source: &NetworkSource) -> Result<Props> {
    if source.known_hosts.is_some() || source.identity.is_some() {
        return Err(unsupported(
            "<source protocol='ssh'>: keys and known hosts need nbdkit, which is not supported yet",
        ));
    }
    let host = one_host(source)?;
    let server = Props::new()
        .set("host", host.name.as_deref().unwrap_or_default())
        .set("port", port(source, host).to_string());
    Ok(Props::driver("ssh")
        .set("path", name(source)?)
        .set("server", server))
}

fn nfs(source: &NetworkSource) -> Result<Props> {
    let host = one_host(source)?;
    let server = Props::new()
        .set("host", host.name.as_deref().unwrap_or_default())
        .set("type", "inet");
    let id = |text: &Option<String>| -> Result<Option<u32>> {
        let Some(text) = text else { return Ok(None) };
        let number = text.strip_prefix('+').unwrap_or(text).parse();
        number.map(Some).map_err(|_| {
            unsupported(format!(
                "<identity>: '{text}' is no number; names are not looked up"
            ))
        })
    };
    let (user, group) = match &source.identity {
        Some(identity) => (id(&identity.user)?, id(&identity.group)?),
        None => (None, None),
    };
    let path = name(source)?;
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    Ok(Props::driver("nfs")
        .set("server", server)
        .set("path", path)
        .maybe("user", user)
        .maybe("group", group))
}

fn gluster(source: &NetworkSource) -> Result<Props> {
    let name = name(source)?;
    let (volume, path) = name
        .split_once('/')
        .ok_or_else(|| incomplete("<source protocol='gluster'>: the name is no volume/path"))?;
    let servers = source
        .hosts
        .iter()
        .map(|host| server(source, host))
        .collect::<Result<Vec<_>>>()?;
    Ok(Props::driver("gluster")
        .set("volume", volume)
        .set("path", path)
        .set("server", servers))
}
