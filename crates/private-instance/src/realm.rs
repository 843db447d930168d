//! A realm of Kerberos with MIT's server on a port of the loopback address.

use crate::wait_until;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The realm's name.
const REALM: &str = "FERROVIRT.TEST";

/// A realm, with all its files in one folder. Its server ends with the value.
#[derive(Debug)]
pub struct Realm {
    server: Child,
    folder: PathBuf,
}

impl Realm {
    /// A realm without anybody in it, in a folder that is made.
    ///
    /// # Errors
    /// MIT's programs (packages krb5-kdc and krb5-admin-server) are not there, or complain.
    pub fn start(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).context("no folder for the realm")?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let path = folder.display();
        let client = format!(
            "[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
             dns_canonicalize_hostname = false\nrdns = false\nudp_preference_limit = 1\n\
             [realms]\n{REALM} = {{\nkdc = 127.0.0.1:{port}\n}}\n[domain_realm]\n127.0.0.1 = {REALM}\n"
        );
        let server = format!(
            "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\n{REALM} = {{\ndatabase_name = {path}/principal\nkey_stash_file = {path}/stash\n\
             acl_file = {path}/acl\n}}\n[logging]\nkdc = FILE:{path}/kdc.log\n"
        );
        fs::write(folder.join("krb5.conf"), client)?;
        fs::write(folder.join("kdc.conf"), server)?;
        let mut made = Command::new("/usr/sbin/kdb5_util");
        made.args(["create", "-s", "-P", "realm", "-r", REALM]);
        said(made.envs(files(&folder)))?;
        let server = Command::new("/usr/sbin/krb5kdc")
            .args(["-n", "-P"])
            .arg(folder.join("pid"))
            .envs(files(&folder))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("krb5kdc cannot be run")?;
        let realm = Self { server, folder };
        wait_until("the realm's server", Duration::from_millis(20), || {
            Ok(TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(realm)
    }

    /// The name of somebody in the realm.
    pub fn name(&self, name: &str) -> String {
        format!("{name}@{REALM}")
    }

    /// Adds somebody with a password.
    ///
    /// # Errors
    /// What the realm's tools say.
    pub fn add(&self, name: &str, password: &str) -> Result<()> {
        self.admin(&format!("add_principal -pw {password} {name}"))
    }

    /// Adds a service whose keys have these types, or the usual ones where it is empty, and writes them into a keytab.
    ///
    /// # Errors
    /// What the realm's tools say.
    pub fn service(&self, name: &str, types: &str, keytab: &Path) -> Result<()> {
        let types = if types.is_empty() {
            String::new()
        } else {
            format!("-e {types}")
        };
        self.admin(&format!("add_principal -randkey {types} {name}"))?;
        self.keys(name, keytab)
    }

    /// Writes a service's keys as they are into a keytab.
    ///
    /// # Errors
    /// What the realm's tools say.
    pub fn keys(&self, name: &str, keytab: &Path) -> Result<()> {
        self.admin(&format!("ktadd -norandkey -k {} {name}", keytab.display()))
    }

    /// Gives a service other keys, of which no keytab knows.
    ///
    /// # Errors
    /// What the realm's tools say.
    pub fn change_keys(&self, name: &str) -> Result<()> {
        self.admin(&format!("change_password -randkey {name}"))
    }

    /// The variables by which stock clients find the realm and the ticket of that user.
    pub fn environment(&self, user: &str) -> Vec<(&'static str, String)> {
        let mut environment = files(&self.folder);
        let tickets = self.folder.join(format!("tickets-{user}"));
        environment.push(("KRB5CCNAME", format!("FILE:{}", tickets.display())));
        environment
    }

    /// Gets a ticket for a user.
    ///
    /// # Errors
    /// There is none: kinit (package krb5-user) says why on the standard error.
    pub fn log_in(&self, user: &str, password: &str) -> Result<()> {
        let mut kinit = Command::new("kinit");
        kinit
            .arg(user)
            .envs(self.environment(user))
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = kinit.spawn().context("kinit cannot be run")?;
        if let Some(mut input) = child.stdin.take() {
            writeln!(input, "{password}").context("kinit does not ask")?;
        }
        ensure!(child.wait()?.success(), "{user} has no ticket");
        Ok(())
    }

    fn admin(&self, request: &str) -> Result<()> {
        let mut tool = Command::new("/usr/sbin/kadmin.local");
        tool.args(["-r", REALM, "-q", request]).envs(files(&self.folder));
        let complaint = said(&mut tool)?;
        // It succeeds whatever comes of a request.
        let complains = complaint.contains("kadmin.local: ") || complaint.contains("while");
        ensure!(!complains, "{request}: {complaint}");
        Ok(())
    }
}

/// The variables by which the realm's own programs find its files.
fn files(folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("KRB5_CONFIG", file("krb5.conf")),
        ("KRB5_KDC_PROFILE", file("kdc.conf")),
        ("KRB5RCACHEDIR", file("")),
    ]
}

/// Runs a program that has to succeed; what it complained about all the same.
fn said(command: &mut Command) -> Result<String> {
    let program = |command: &Command| OsStr::to_string_lossy(command.get_program()).into_owned();
    let output = command
        .output()
        .with_context(|| format!("{} cannot be run", program(command)))?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {complaint}", program(command));
    Ok(complaint)
}

impl Drop for Realm {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
