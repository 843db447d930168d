//! A Ceph cluster, as its programs are told of it: by a file that is the daemon's alone, with the key in it, and gone after use.
//! The host's own `/etc/ceph` does not count, as a pool's document says all.

use super::super::Place;
use crate::failure::{argument, invalid, system};
use crate::keys;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use error::Result;
use model::storage::Pool;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use tempfile::NamedTempFile;
use tool::Tool;
use xdr::SecretBytes;
use zeroize::Zeroizing;

/// What is set where the pool's document says nothing else: nobody waits for a cluster that is gone for longer than this.
const OPTIONS: &[(&str, &str)] = &[
    ("client_mount_timeout", "30"),
    ("rados_mon_op_timeout", "30"),
    ("rados_osd_op_timeout", "30"),
    ("rbd_default_format", "2"),
    // Programs that say everything to whom they are run by.
    ("log_file", "/dev/null"),
];

/// A cluster, as long as it is asked something.
#[derive(Debug)]
pub(super) struct Cluster {
    configuration: NamedTempFile,
    user: String,
}

impl Cluster {
    /// Leaves the file.
    ///
    /// # Errors
    /// The document has what no file can say; the disk's.
    pub(super) fn open(place: &Place) -> Result<Self> {
        let text = configuration(&place.pool, place.secret.as_deref())?;
        let folder = keys::folder_in(&place.host.run);
        let failed = |err| system(format!("cannot write a file in '{}'", folder.display()), err);
        let mut configuration = NamedTempFile::with_prefix_in("ceph-", &folder).map_err(failed)?;
        configuration.write_all(text.as_bytes()).map_err(failed)?;
        let auth = place.pool.source().and_then(|source| source.auth.as_ref());
        Ok(Self {
            configuration,
            user: auth.map_or("admin", |auth| &auth.username).to_owned(),
        })
    }

    /// The file.
    pub(super) fn configuration(&self) -> &Path {
        self.configuration.path()
    }

    /// Who the pool is to the cluster.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    fn tool(&self, program: &'static str, words: &[&str]) -> Tool {
        let file: &Path = self.configuration.path();
        Tool::new(program)
            .with(["--conf"])
            .with([file])
            .with(["--id", &self.user])
            .with(words)
    }

    /// The program for images.
    pub(super) fn rbd(&self, words: &[&str]) -> Tool {
        self.tool("rbd", words)
    }

    /// The program for pools.
    pub(super) fn rados(&self, words: &[&str]) -> Tool {
        self.tool("rados", words)
    }
}

/// What is said of the cluster.
fn configuration(pool: &Pool, key: Option<&SecretBytes>) -> Result<Zeroizing<String>> {
    let source = pool.source();
    let hosts = source.into_iter().flat_map(|source| &source.hosts);
    let monitors = hosts.map(|host| {
        let name = if host.name.contains(':') {
            format!("[{}]", host.name)
        } else {
            host.name.clone()
        };
        match host.port {
            Some(port) => format!("{name}:{port}"),
            None => name,
        }
    });
    let mut lines = vec![("mon_host".to_owned(), monitors.collect::<Vec<_>>().join(","))];
    let auth = source.and_then(|source| source.auth.as_ref());
    let how = if auth.is_some() { "cephx" } else { "none" };
    lines.push(("auth_client_required".to_owned(), how.to_owned()));
    let own = pool.config_options.iter().flat_map(|own| &own.options);
    let own: Vec<_> = own
        .map(|option| (option.name.replace(' ', "_"), option.value.clone()))
        .collect();
    let is_own = |name: &str| own.iter().any(|(own, _)| own == name);
    let defaults = OPTIONS.iter().filter(|(name, _)| !is_own(name));
    lines.extend(defaults.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    lines.extend(own.iter().cloned());
    let mut text = Zeroizing::new("[global]\n".to_owned());
    for (name, value) in &lines {
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // What would be a comment, or another line, to Ceph.
        let is_value = !value.contains(|letter: char| letter.is_control() || "#;\\\"'".contains(letter));
        if !is_name || !is_value {
            let text = format!("pool '{}': Ceph cannot be told '{name}' = '{value}'", pool.name);
            return Err(argument(text));
        }
        let _ = writeln!(text, "{name} = {value}");
    }
    match (auth, key) {
        (Some(_), Some(key)) => {
            let key = Zeroizing::new(STANDARD.encode(key.expose()));
            let _ = writeln!(text, "key = {}", *key);
        }
        (Some(_), None) => {
            let text = format!(
                "the secret of pool '{}' is not known; refresh the pool",
                pool.name
            );
            return Err(invalid(text));
        }
        (None, _) => {}
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(more: &str) -> Pool {
        let text = format!(
            "<pool type='rbd' xmlns:rbd='http://libvirt.org/schemas/storagepool/rbd/1.0'><name>ceph</name>\
             <source><name>vms</name><host name='a' port='6789'/><host name='2001:db8::1'/>\
             <auth username='libvirt' type='ceph'><secret usage='ceph'/></auth></source>{more}</pool>"
        );
        Pool::from_xml(&text).unwrap()
    }

    #[test]
    fn a_cluster_is_told_with_its_key() {
        let options =
            "<rbd:config_opts><rbd:option name='client_mount_timeout' value='45'/></rbd:config_opts>";
        let key = SecretBytes::from(b"key".to_vec());
        let text = configuration(&document(options), Some(&key)).unwrap();
        assert_eq!(
            *text,
            "[global]\nmon_host = a:6789,[2001:db8::1]\nauth_client_required = cephx\nrados_mon_op_timeout = 30\n\
             rados_osd_op_timeout = 30\nrbd_default_format = 2\nlog_file = /dev/null\nclient_mount_timeout = 45\n\
             key = a2V5\n"
        );
        assert!(
            configuration(&document(""), None).is_err(),
            "its key is not known"
        );
        for (name, value) in [("a]", "1"), ("log_file", "/x\nkey = y"), ("a", "1 # 2")] {
            let mut document = document(options);
            let own = document
                .config_options
                .as_mut()
                .unwrap()
                .options
                .first_mut()
                .unwrap();
            (own.name, own.value) = (name.to_owned(), value.to_owned());
            assert!(configuration(&document, Some(&key)).is_err(), "{name} = {value}");
        }
    }
}
