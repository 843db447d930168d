//! Certificates as certtool makes them.

use crate::Outcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn certtool(arguments: &[&str]) {
    let outcome = Outcome::of(Command::new("certtool").args(arguments));
    assert!(outcome.success, "certtool {arguments:?}: {}", outcome.stderr);
}

/// What certtool makes a certificate of, for a server at that address.
pub fn server_template(address: &str) -> String {
    format!("cn = \"{address}\"\nip_address = \"{address}\"\ntls_www_server\nsigning_key\nencryption_key\n")
}

/// An authority that certifies, with all that it made in one folder.
///
/// # Panics
/// All its methods do where something is not as it must be.
#[derive(Debug)]
pub struct Authority(PathBuf);

impl Authority {
    /// A new one, in that folder.
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let authority = Self(folder);
        let name = authority.0.display();
        let template = format!("cn = \"Authority at {name}\"\nca\ncert_signing_key\ncrl_signing_key\n");
        authority.write("ca.info", &template);
        certtool(&[
            "--generate-privkey",
            "--ecc",
            "--outfile",
            &authority.path("cakey.pem"),
        ]);
        certtool(&[
            "--generate-self-signed",
            "--load-privkey",
            &authority.path("cakey.pem"),
            "--template",
            &authority.path("ca.info"),
            "--outfile",
            &authority.path("cacert.pem"),
        ]);
        authority
    }

    /// The path of one of its files.
    pub fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }

    /// Writes one of its files.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).unwrap();
    }

    /// certtool with its certificate and key.
    pub fn with_authority(&self, arguments: &[&str]) {
        let (certificate, key) = (self.path("cacert.pem"), self.path("cakey.pem"));
        let mut all = vec!["--load-ca-certificate", &certificate, "--load-ca-privkey", &key];
        all.extend(arguments);
        certtool(&all);
    }

    /// A certificate and its key, by a template of certtool's.
    pub fn certify(&self, certificate: &Path, key: &Path, template: &str) {
        self.write("template", template);
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        // Stock clients want a certificate that encrypts keys, which only those of RSA do.
        certtool(&["--generate-privkey", "--rsa", "--bits", "2048", "--outfile", &key]);
        self.with_authority(&[
            "--generate-certificate",
            "--load-privkey",
            &key,
            "--template",
            &self.path("template"),
            "--outfile",
            &certificate,
        ]);
    }

    /// What a server at that address wants below its `/etc/pki`: this authority and a certificate of it.
    pub fn server(&self, pki: &Path, address: &str) {
        for folder in ["CA", "libvirt/private"] {
            fs::create_dir_all(pki.join(folder)).unwrap();
        }
        fs::copy(self.path("cacert.pem"), pki.join("CA/cacert.pem")).unwrap();
        self.certify(
            &pki.join("libvirt/servercert.pem"),
            &pki.join("libvirt/private/serverkey.pem"),
            &server_template(address),
        );
    }

    /// A folder as `pkipath` wants it, for a client of that name that trusts `server`, and its own authority.
    pub fn client(&self, server: &Self, name: &str, more: &str) -> PathBuf {
        let folder = self.0.join(format!("client-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let trusted =
            [server, self].map(|authority| fs::read_to_string(authority.path("cacert.pem")).unwrap());
        fs::write(folder.join("cacert.pem"), trusted.concat()).unwrap();
        let template = format!(
            "country = GB\norganization = \"Ferrovirt\"\ncn = \"{name}\"\ntls_www_client\nsigning_key\nencryption_key\n{more}"
        );
        self.certify(
            &folder.join("clientcert.pem"),
            &folder.join("clientkey.pem"),
            &template,
        );
        folder
    }
}
