//! Connection URIs: which daemon, and where its socket is.

use std::path::{Path, PathBuf};

use error::{Code, Domain, Error, Result};

/// Which daemon is to serve a URI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Whichever is there.
    #[default]
    Auto,
    /// The driver's own.
    Direct,
    /// The one at the sockets that once were libvirtd's.
    Legacy,
}

/// A connection URI of the form `driver[+unix]:///path[?socket=PATH&mode=MODE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    driver: String,
    path: String,
    socket: Option<PathBuf>,
    mode: Mode,
}

impl Uri {
    /// Parses a URI.
    ///
    /// # Errors
    /// `VIR_ERR_INVALID_ARG` for what is no URI or names an unknown option; `VIR_ERR_NO_SUPPORT` for another transport
    /// than a UNIX socket.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::new(Code::InvalidArg, Domain::Uri, format!("URI '{text}' {why}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| invalid("has no scheme"))?;
        let (driver, transport) = scheme.split_once('+').unwrap_or((scheme, "unix"));
        if driver.is_empty() || !driver.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid("names no driver"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        if transport != "unix" || !host.is_empty() {
            return Err(Error::new(
                Code::NoSupport,
                Domain::Uri,
                format!("URI '{text}': only local UNIX sockets can be reached"),
            ));
        }
        let mut socket = None;
        let mut mode = Mode::Auto;
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("socket", value)) => {
                    socket = Some(PathBuf::from(
                        unescape(value).ok_or_else(|| invalid("holds an escape that is none"))?,
                    ));
                }
                Some(("mode", "auto")) => mode = Mode::Auto,
                Some(("mode", "direct")) => mode = Mode::Direct,
                Some(("mode", "legacy")) => mode = Mode::Legacy,
                _ => return Err(invalid(&format!("has an unknown option '{option}'"))),
            }
        }
        Ok(Self {
            driver: driver.to_owned(),
            path: path.to_owned(),
            socket,
            mode,
        })
    }

    /// The driver that it names: its scheme without the transport.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The URI as the driver knows it, without transport and options.
    pub fn of_driver(&self) -> String {
        format!("{}://{}", self.driver, self.path)
    }

    /// The socket that it names.
    pub fn named_socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Which daemon is to serve it.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The daemon's socket: the one the URI names, else where the modular daemon of the driver has it.
    ///
    /// # Errors
    /// `VIR_ERR_NO_CONNECT` for a driver without a daemon, or where the user has no runtime directory.
    pub fn socket(&self, read_only: bool) -> Result<PathBuf> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let daemon = self.daemon()?;
        let none = || Error::new(Code::NoConnect, Domain::Uri, self.of_driver());
        if self.is_session() {
            let runtime = std::env::var_os("XDG_RUNTIME_DIR")
                .filter(|path| !path.is_empty())
                .ok_or_else(none)?;
            return Ok(PathBuf::from(runtime)
                .join("libvirt")
                .join(format!("{daemon}-sock")));
        }
        let suffix = if read_only { "-ro" } else { "" };
        Ok(PathBuf::from(format!("/run/libvirt/{daemon}-sock{suffix}")))
    }

    /// Whether it is one user's own daemon that is meant.
    pub fn is_session(&self) -> bool {
        self.path == "/session"
    }

    /// The modular daemon of its driver.
    ///
    /// # Errors
    /// `VIR_ERR_NO_CONNECT` for a driver without one.
    pub fn daemon(&self) -> Result<&'static str> {
        Ok(match self.driver.as_str() {
            "qemu" => "virtqemud",
            "lxc" => "virtlxcd",
            "xen" => "virtxend",
            "network" => "virtnetworkd",
            "storage" => "virtstoraged",
            "secret" => "virtsecretd",
            "nwfilter" => "virtnwfilterd",
            "nodedev" => "virtnodedevd",
            "interface" => "virtinterfaced",
            _ => return Err(Error::new(Code::NoConnect, Domain::Uri, self.of_driver())),
        })
    }
}

/// Takes percent escapes away.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_may_be_named() {
        let uri = Uri::parse("qemu+unix:///system?socket=/tmp/a%20b/sock").unwrap();
        assert_eq!(uri.of_driver(), "qemu:///system");
        assert_eq!(uri.socket(true).unwrap(), PathBuf::from("/tmp/a b/sock"));
    }

    #[test]
    fn each_daemon_has_its_socket() {
        let socket = |uri: &str, ro| Uri::parse(uri).and_then(|uri| uri.socket(ro)).unwrap();
        assert_eq!(
            socket("qemu:///system", false),
            PathBuf::from("/run/libvirt/virtqemud-sock")
        );
        assert_eq!(
            socket("network:///system", true),
            PathBuf::from("/run/libvirt/virtnetworkd-sock-ro")
        );
    }

    #[test]
    fn what_is_no_uri_is_refused_by_name() {
        for text in [
            "",
            "qemu",
            "://",
            "qemu+tls:///system",
            "qemu://host/system",
            "qemu:///system?no_verify=1",
            "qemu:///system?socket=%zz",
        ] {
            let error = Uri::parse(text).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
        assert_eq!(
            Uri::parse("vbox:///session")
                .unwrap()
                .socket(false)
                .unwrap_err()
                .code(),
            Code::NoConnect
        );
    }
}
