//! Images that are named by QEMU's description of a block node (`json:`), as far as documents have words for it.
//!
//! ```text
//!  {"driver":"raw","file":{"driver":"nbd","server":{"type":"unix","path":"/s"},"export":"e"}}
//!  {"file.driver":"nbd","file.server.type":"unix",…}                 the same, flat
//! ```

use super::{block, file, refused, url};
use error::{Code, Result};
use model::domain::devices::disk_network::{
    HostTransport, Identity, Initiator, Iqn, NetworkHost, NetworkProtocol, NetworkSource, Ssl,
};
use model::domain::devices::disk_source::{DiskSource, Slice, SliceKind};
use serde_json::{Map, Value};
use xml::YesNo;

/// The source that the JSON describes; `None` where a document has no words for it, as for users and passwords.
///
/// # Errors
/// [`Code::InternalError`] for what is no JSON, and for drivers that no image is named by;
/// [`Code::InvalidArg`] for a description without what its driver needs.
pub(super) fn source(text: &str) -> Result<Option<DiskSource>> {
    let value: Value = serde_json::from_str(text).map_err(|err| {
        refused(
            Code::InternalError,
            format!("what follows 'json:' is no JSON: {err}"),
        )
        .caused_by(err)
    })?;
    match value {
        Value::Object(fields) => of(&Node(fields)),
        _ => Err(refused(
            Code::InvalidArg,
            "what follows 'json:' describes no block node",
        )),
    }
}

fn of(node: &Node) -> Result<Option<DiskSource>> {
    let driver = node.text("driver");
    // A format around it: only the one without a header leaves the place as it is.
    if let Some(inner) = node.node("file") {
        return match driver.as_deref() {
            None => of(&inner),
            Some("raw") => Ok(match of(&inner)? {
                Some(source) => part(node, source)?,
                None => None,
            }),
            Some(driver) => Err(unknown(driver)),
        };
    }
    let driver =
        driver.ok_or_else(|| refused(Code::InvalidArg, "the block node of its 'json:' names no driver"))?;
    let source = match driver.as_str() {
        "file" => return Ok(Some(file(node.need("filename")?))),
        "host_device" | "host_cdrom" => return Ok(Some(block(node.need("filename")?))),
        _ if [
            "user",
            "username",
            "password-secret",
            "key-secret",
            "tls-creds",
            "cookie",
            "cookie-secret",
        ]
        .iter()
        .any(|key| node.text(key).is_some()) =>
        {
            return Ok(None);
        }
        "nbd" => {
            let host = node
                .node("server")
                .as_ref()
                .map_or_else(|| node.host(), Node::host)?;
            let mut source = url::network(NetworkProtocol::Nbd, vec![host]);
            source.name = node.text("export");
            source.tls_hostname = node.text("tls-hostname");
            source
        }
        "http" | "https" | "ftp" | "ftps" | "tftp" => return by_url(node),
        "ssh" => {
            let host = node
                .node("server")
                .as_ref()
                .map_or_else(|| node.host(), Node::host)?;
            let mut source = url::network(NetworkProtocol::Ssh, vec![host]);
            source.name = Some(node.need("path")?);
            source
        }
        "iscsi" => iscsi(node)?,
        "nfs" => {
            let host = node
                .node("server")
                .as_ref()
                .map_or_else(|| node.host(), Node::host)?;
            let mut source = url::network(NetworkProtocol::Nfs, vec![host]);
            source.name = Some(node.need("path")?);
            let (user, group) = (node.text("user"), node.text("group"));
            let numbered = |id: Option<String>| id.map(|id| format!("+{id}"));
            source.identity = (user.is_some() || group.is_some()).then(|| Identity {
                user: numbered(user),
                group: numbered(group),
                ..Identity::default()
            });
            source
        }
        "gluster" => {
            let hosts = node
                .list("server")
                .iter()
                .map(Node::host)
                .collect::<Result<_>>()?;
            let mut source = url::network(NetworkProtocol::Gluster, hosts);
            source.name = Some(format!("{}/{}", node.need("volume")?, node.need("path")?));
            source
        }
        "rbd" => return Ok(None),
        driver => return Err(unknown(driver)),
    };
    Ok(Some(url::disk_source(source)))
}

/// A part of a file, where the node says so.
fn part(node: &Node, mut source: DiskSource) -> Result<Option<DiskSource>> {
    let (offset, size) = (node.number("offset")?, node.number("size")?);
    if offset.is_none() && size.is_none() {
        return Ok(Some(source));
    }
    // A document's part has an end.
    let (Some(size), Some(details)) = (size, source.details_mut()) else {
        return Ok(None);
    };
    details.slices.push(Slice {
        kind: SliceKind::Storage,
        offset: offset.unwrap_or(0),
        size,
    });
    Ok(Some(source))
}

fn by_url(node: &Node) -> Result<Option<DiskSource>> {
    let address = node.need("url")?;
    let (protocol, rest) = address
        .split_once(':')
        .ok_or_else(|| refused(Code::InvalidArg, format!("'{address}' is no URL")))?;
    let mut source = url::source(protocol, rest)?;
    if let Some(DiskSource::Network { source: Some(source) }) = source.as_mut() {
        source.ssl = node.truth("sslverify").map(|verify| Ssl {
            verify: if verify { YesNo::Yes } else { YesNo::No },
        });
    }
    Ok(source)
}

fn iscsi(node: &Node) -> Result<NetworkSource> {
    let portal = node.need("portal")?;
    let malformed = || refused(Code::InvalidArg, format!("'{portal}' is no portal of iSCSI"));
    let (name, port) = match portal.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse::<u16>().map_err(|_| malformed())?),
        _ => (portal.as_str(), NetworkProtocol::Iscsi.default_port()),
    };
    let host = NetworkHost {
        name: Some(name.trim_matches(['[', ']']).to_owned()),
        port: Some(port.into()),
        ..NetworkHost::default()
    };
    let mut source = url::network(NetworkProtocol::Iscsi, vec![host]);
    let lun = node.text("lun").unwrap_or_else(|| "0".to_owned());
    source.name = Some(format!("{}/{lun}", node.need("target")?));
    source.initiator = node
        .text("initiator-name")
        .map(|name| Initiator { iqn: Iqn { name } });
    Ok(source)
}

fn unknown(driver: &str) -> error::Error {
    let text = format!("images behind a block node of the driver '{driver}' are not known");
    refused(Code::InternalError, text)
}

/// The fields of a block node: nested, or flat with dots between the names.
struct Node(Map<String, Value>);

impl Node {
    /// A field as text; numbers and truths count as QEMU writes them.
    fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }

    fn need(&self, key: &str) -> Result<String> {
        self.text(key).ok_or_else(|| {
            let text = format!("the block node of its 'json:' lacks '{key}'");
            refused(Code::InvalidArg, text)
        })
    }

    fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            let text = format!("'{key}' of the block node of its 'json:' is no number: '{text}'");
            refused(Code::InvalidArg, text)
        })?;
        Ok(Some(number))
    }

    fn truth(&self, key: &str) -> Option<bool> {
        match self.text(key)?.as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        }
    }

    fn node(&self, key: &str) -> Option<Self> {
        if let Some(Value::Object(fields)) = self.0.get(key) {
            return Some(Self(fields.clone()));
        }
        let fields: Map<_, _> = self
            .0
            .iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix(key)?.strip_prefix('.')?;
                Some((name.to_owned(), value.clone()))
            })
            .collect();
        (!fields.is_empty()).then_some(Self(fields))
    }

    fn list(&self, key: &str) -> Vec<Self> {
        if let Some(Value::Array(all)) = self.0.get(key) {
            let fields = all.iter().filter_map(|one| match one {
                Value::Object(fields) => Some(Self(fields.clone())),
                _ => None,
            });
            return fields.collect();
        }
        let Some(all) = self.node(key) else {
            return Vec::new();
        };
        (0..all.0.len())
            .map_while(|number| all.node(&number.to_string()))
            .collect()
    }

    /// A server: a socket, or a host and a port.
    fn host(&self) -> Result<NetworkHost> {
        let socket = self.text("path").filter(|_| self.text("host").is_none());
        if let Some(socket) = socket.or_else(|| self.text("socket")) {
            return Ok(NetworkHost {
                transport: Some(HostTransport::Unix),
                socket: Some(socket),
                ..NetworkHost::default()
            });
        }
        Ok(NetworkHost {
            name: Some(self.need("host")?),
            port: self.number("port")?.and_then(|port| u32::try_from(port).ok()),
            ..NetworkHost::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> NetworkSource {
        match source(text) {
            Ok(Some(DiskSource::Network { source: Some(source) })) => *source,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_found_however_it_is_described() {
        for text in [
            r#"{"driver":"file","filename":"/a"}"#,
            r#"{"driver":"raw","file":{"driver":"file","filename":"/a"}}"#,
            r#"{"file.driver":"file","file.filename":"/a"}"#,
        ] {
            assert_eq!(source(text).unwrap().unwrap().path(), Some("/a"), "{text}");
        }
        let text =
            r#"{"driver":"raw","offset":512,"size":"1024","file":{"driver":"host_device","filename":"/a"}}"#;
        let part = source(text).unwrap().unwrap();
        assert_eq!(part.kind(), "block");
        let slice = part.details().unwrap().slices.first().unwrap().clone();
        assert_eq!((slice.offset, slice.size), (512, 1024));
    }

    #[test]
    fn servers_are_found_however_they_are_described() {
        let one = network(r#"{"driver":"nbd","server":{"type":"unix","path":"/s"},"export":"e"}"#);
        assert_eq!(one.hosts[0].socket.as_deref(), Some("/s"));
        assert_eq!(one.name.as_deref(), Some("e"));
        let one = network(r#"{"file.driver":"nbd","file.host":"h","file.port":"1"}"#);
        assert_eq!(
            (one.hosts[0].name.as_deref(), one.hosts[0].port),
            (Some("h"), Some(1))
        );
        let one = network(
            r#"{"driver":"gluster","volume":"v","path":"p","server.0.host":"a","server.0.port":"1","server.1.path":"/s"}"#,
        );
        assert_eq!((one.hosts.len(), one.name.as_deref()), (2, Some("v/p")));
        let one = network(r#"{"driver":"iscsi","portal":"[::1]:5","target":"iqn.a:b","lun":1}"#);
        assert_eq!(
            (one.hosts[0].name.as_deref(), one.hosts[0].port),
            (Some("::1"), Some(5))
        );
        assert_eq!(one.name.as_deref(), Some("iqn.a:b/1"));
        let one = network(r#"{"driver":"https","url":"https://h/x","sslverify":false}"#);
        assert_eq!(one.ssl, Some(Ssl { verify: YesNo::No }));
    }

    #[test]
    fn what_is_not_understood_is_refused_or_left_to_qemu() {
        for (text, code) in [
            ("{", Code::InternalError),
            ("[]", Code::InvalidArg),
            ("{}", Code::InvalidArg),
            (r#"{"driver":"file"}"#, Code::InvalidArg),
            (r#"{"driver":"vvfat","dir":"/"}"#, Code::InternalError),
            (
                r#"{"driver":"qcow2","file":{"driver":"file","filename":"/a"}}"#,
                Code::InternalError,
            ),
        ] {
            assert_eq!(source(text).unwrap_err().code(), code, "{text}");
        }
        let nested = format!("{}1{}", r#"{"file":"#.repeat(2000), "}".repeat(2000));
        assert_eq!(source(&nested).unwrap_err().code(), Code::InternalError);
        assert_eq!(
            source(r#"{"driver":"ssh","path":"/x","host":"h","user":"me"}"#).unwrap(),
            None
        );
        assert_eq!(
            source(r#"{"driver":"raw","offset":1,"file":{"driver":"file","filename":"/a"}}"#).unwrap(),
            None
        );
    }
}
