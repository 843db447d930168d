//! The keys of a daemon that clients reach over a network: `virtproxyd.conf` has them beside the common ones.

use super::{FromValue, Value, schema};
use std::path::{Path, PathBuf};

schema! {
    /// What a daemon serves over TCP and TLS.
    pub struct NetworkConfig {
        /// Listen for TLS; not where systemd opens the sockets.
        listen_tls: bool = false,
        /// Listen for plain TCP; not where systemd opens the sockets.
        listen_tcp: bool = false,
        /// The port for TLS.
        tls_port: Port = Port(16514),
        /// The port for plain TCP.
        tcp_port: Port = Port(16509),
        /// The address or name to listen on; every address unless set.
        listen_addr: Option<String> = None,
        /// How a client of plain TCP proves who it is: "sasl", or "none", which lets everybody who reaches the port do
        /// everything, unencrypted.
        auth_tcp: NetworkAuth = NetworkAuth::Sasl,
        /// How a client of TLS proves who it is beside its certificate: "none", or "sasl".
        auth_tls: NetworkAuth = NetworkAuth::None,
        /// How strong SASL's own encryption of plain TCP has to be, in bits of a key: 56 or more; 0 for none, where
        /// something else encrypts. GSSAPI (Kerberos) encrypts, with 128 or 256 bits; passwords do not.
        tcp_min_ssf: Strength = Strength(56),
        /// The server's private key; /etc/pki/libvirt/private/serverkey.pem unless set.
        key_file: Option<String> = None,
        /// The server's certificate; /etc/pki/libvirt/servercert.pem unless set.
        cert_file: Option<String> = None,
        /// The authority's certificate; /etc/pki/CA/cacert.pem unless set.
        ca_file: Option<String> = None,
        /// The list of revoked certificates; /etc/pki/CA/cacrl.pem, where it is there, unless set.
        crl_file: Option<String> = None,
        /// Show the server's certificate without having judged it.
        tls_no_sanity_certificate: bool = false,
        /// Let clients in without a good certificate.
        tls_no_verify_certificate: bool = false,
        /// The names that clients' certificates may have, "*" for any part of one; every name unless set.
        tls_allowed_dn_list: Option<Vec<String>> = None,
        /// GnuTLS's words for what may be negotiated, as far as they are about protocol versions.
        tls_priority: Option<String> = None,
    }
    elsewhere {
        "no file any more": keepalive_required, admin_keepalive_required, mdns_adv, mdns_name;
    }
}

impl NetworkConfig {
    /// The folders of the files that it names. New files take the place of old ones there.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let named = [&self.key_file, &self.cert_file, &self.ca_file, &self.crl_file];
        let folders = named
            .into_iter()
            .flatten()
            .filter_map(|file| Path::new(file).parent());
        folders.map(Path::to_owned).collect()
    }
}

/// A TCP port, written as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub u16);

impl FromValue for Port {
    fn from_value(value: Value) -> Result<Self, String> {
        let text = String::from_value(value)?;
        text.parse()
            .ok()
            .filter(|port| *port > 0)
            .map(Self)
            .ok_or_else(|| format!("a port's number from 1 to 65535 is wanted, not '{text}'"))
    }

    fn written(&self) -> Option<String> {
        self.0.to_string().written()
    }
}

/// How clients from a network prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkAuth {
    /// They need not: whoever reaches the socket may use it.
    None,
    /// By SASL.
    Sasl,
}

impl FromValue for NetworkAuth {
    fn from_value(value: Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "none" => Ok(Self::None),
            "sasl" => Ok(Self::Sasl),
            "polkit" => Err("polkit knows nobody beyond this host".to_owned()),
            other => Err(format!("'{other}' is no authentication scheme")),
        }
    }

    fn written(&self) -> Option<String> {
        let name = match self {
            Self::None => "none",
            Self::Sasl => "sasl",
        };
        name.to_owned().written()
    }
}

/// How strong an encryption is, in bits of a key: 56 or more, or 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength(pub u32);

impl FromValue for Strength {
    fn from_value(value: Value) -> Result<Self, String> {
        match u32::from_value(value)? {
            1..56 => Err("56 or more is wanted, or 0 for no encryption".to_owned()),
            strength => Ok(Self(strength)),
        }
    }

    fn written(&self) -> Option<String> {
        self.0.written()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DaemonConfig, Loaded, Schema};

    fn load(text: &str) -> Result<NetworkConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("virtproxyd.conf");
        std::fs::write(&path, text).unwrap();
        let loaded = Loaded::shared_file(&path, true, NetworkConfig::default(), DaemonConfig::KEYS);
        loaded
            .map(|loaded| loaded.values)
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn common_keys_are_another_tables() {
        let network = load("max_clients = 7\nlisten_tcp = 1\ntcp_port = \"4\"\nauth_tcp = \"none\"").unwrap();
        let expected = NetworkConfig {
            listen_tcp: true,
            tcp_port: Port(4),
            auth_tcp: NetworkAuth::None,
            ..NetworkConfig::default()
        };
        assert_eq!(network, expected);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (text, words) in [
            ("auth_tcp = \"kerberos\"", "no authentication scheme"),
            ("auth_tls = \"polkit\"", "beyond this host"),
            ("tcp_min_ssf = 55", "56 or more"),
            ("tls_port = \"0\"", "from 1 to 65535"),
            ("tcp_port = 16509", "a string is wanted"),
            ("listen_tpc = 1", "is 'listen_tcp' meant?"),
            ("max_client = 1", "is 'max_clients' meant?"),
        ] {
            let refusal = load(text).unwrap_err();
            assert!(refusal.contains(words), "{refusal}");
        }
    }
}
