//! `/etc/sasl2/libvirt.conf`, which users of libvirt know: Cyrus SASL's form, a `key: value` a line.
//!
//! What it names and is not there is told, not skipped: an administrator who asks for Kerberos shall not get passwords.

use crate::Mechanism;
use std::path::PathBuf;

/// What is offered where no file says otherwise.
pub const DEFAULT_MECHANISMS: &[Mechanism] = &[Mechanism::Gssapi, Mechanism::ScramSha256];

/// Why a mechanism that others have is not here.
const ABSENT: &[(&str, &str)] = &[
    ("GS2-KRB5", "use GSSAPI"),
    ("GSS-SPNEGO", "use GSSAPI"),
    (
        "DIGEST-MD5",
        "it is obsolete (RFC 6331); use SCRAM-SHA-256 within TLS",
    ),
    ("CRAM-MD5", "it is obsolete; use SCRAM-SHA-256 within TLS"),
    ("SCRAM-SHA-1", "use SCRAM-SHA-256"),
    (
        "ANONYMOUS",
        "it proves nothing; set the socket's authentication to \"none\" if that is meant",
    ),
];

/// Why the file is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {reason}")]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is offered, in the file's order.
    pub mechanisms: Vec<Mechanism>,
    /// Whether the file names them.
    pub named: bool,
    /// The keys of this service, for Kerberos.
    pub keytab: Option<PathBuf>,
    /// What an administrator should hear of: keys and mechanisms that mean nothing here.
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mechanisms: DEFAULT_MECHANISMS.to_vec(),
            named: false,
            keytab: None,
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the file's text.
    ///
    /// # Errors
    /// A line is none, or leaves no mechanism that is there.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |reason: String| ConfigError { line: number, reason };
            let (key, value) = line
                .split_once(':')
                .ok_or_else(|| refused("'key: value' is wanted".to_owned()))?;
            match key.trim_end() {
                "mech_list" => config.set_mechanisms(value).map_err(refused)?,
                "keytab" => config.keytab = Some(keytab(value).map_err(refused)?),
                "sasldb_path" => config.warnings.push(format!(
                    "line {number}: sasldb_path: Cyrus SASL's file of passwords is not read; the users are those that \
                     virt-sasl-user makes"
                )),
                key => config
                    .warnings
                    .push(format!("line {number}: {key}: the key means nothing to this version")),
            }
        }
        Ok(config)
    }

    fn set_mechanisms(&mut self, names: &str) -> Result<(), String> {
        self.mechanisms.clear();
        self.named = true;
        let mut absent = Vec::new();
        for name in names.split([' ', '\t', ',']).filter(|name| !name.is_empty()) {
            match Mechanism::from_name(name) {
                Some(mechanism) if self.mechanisms.contains(&mechanism) => {}
                Some(mechanism) => self.mechanisms.push(mechanism),
                None => absent.push(format!("mech_list: {name}: {}", reason(name))),
            }
        }
        if self.mechanisms.is_empty() {
            absent.push(
                "mech_list leaves no mechanism that could be offered; 'mech_list: scram-sha-256' does"
                    .to_owned(),
            );
            return Err(absent.join("; "));
        }
        self.warnings.extend(absent);
        Ok(())
    }
}

/// The path of a keytab, as Kerberos' tools take it too.
fn keytab(value: &str) -> Result<PathBuf, String> {
    keytab_file(value.trim()).ok_or_else(|| format!("keytab: '{value}' is no absolute path of a file"))
}

/// The file that a name of a keytab stands for: `FILE:` may stand before its absolute path.
pub fn keytab_file(name: &str) -> Option<PathBuf> {
    let path = ["FILE:", "WRFILE:"]
        .into_iter()
        .find_map(|kind| name.strip_prefix(kind));
    Some(PathBuf::from(path.unwrap_or(name))).filter(|path| path.is_absolute())
}

fn reason(name: &str) -> &'static str {
    ABSENT
        .iter()
        .find(|(absent, _)| absent.eq_ignore_ascii_case(name))
        .map_or("this version does not have it", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mechanism::{Gssapi, Plain, ScramSha256};

    #[test]
    fn what_is_offered_is_what_the_file_says() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let config = Config::parse("# a\n\n  mech_list: scram-sha-256 PLAIN scram-sha-256\n").unwrap();
        assert_eq!(config.mechanisms, [ScramSha256, Plain]);
        assert!(config.named && config.warnings.is_empty());
        let config = Config::parse("mech_list: plain gssapi gs2-krb5\nsasldb_path: /y").unwrap();
        assert_eq!(config.mechanisms, [Plain, Gssapi]);
        assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    }

    #[test]
    fn a_keytab_is_a_file() {
        for text in [
            "keytab: /etc/libvirt/krb5.tab",
            "keytab: FILE:/etc/libvirt/krb5.tab ",
        ] {
            let config = Config::parse(text).unwrap();
            assert_eq!(config.keytab.unwrap().to_str(), Some("/etc/libvirt/krb5.tab"));
        }
        for text in ["keytab: MEMORY:x", "keytab:", "keytab: krb5.tab"] {
            assert!(
                Config::parse(text)
                    .unwrap_err()
                    .to_string()
                    .contains("no absolute path")
            );
        }
    }

    #[test]
    fn a_list_of_nothing_is_refused_with_reasons() {
        let refused = |text| Config::parse(text).unwrap_err().to_string();
        assert!(refused("mech_list: gs2-krb5").starts_with("line 1: mech_list: gs2-krb5: use GSSAPI"));
        assert!(refused("\nmech_list: digest-md5 x").contains("obsolete"));
        assert!(refused("mech_list:").contains("no mechanism"));
        assert!(refused("mech_list scram-sha-256").contains("'key: value'"));
    }
}
