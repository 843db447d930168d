//! A realm of Kerberos of a test's own.

use private_instance::Realm;
use std::path::{Path, PathBuf};

/// A realm, with all its files in one folder. It ends with the value.
///
/// # Panics
/// All its methods do where something is not as it must be.
#[derive(Debug)]
pub struct Kdc(Realm);

impl Kdc {
    /// A realm without anybody in it.
    pub fn start(folder: PathBuf) -> Self {
        Self(Realm::start(folder).expect("a realm"))
    }

    /// The name of somebody in the realm.
    pub fn name(&self, name: &str) -> String {
        self.0.name(name)
    }

    /// Adds somebody with a password.
    pub fn add(&self, name: &str, password: &str) {
        self.0.add(name, password).expect("somebody new");
    }

    /// Adds a service whose keys have these types, or the usual ones, and writes them into a keytab.
    pub fn service(&self, name: &str, types: &str, keytab: &Path) {
        self.0.service(name, types, keytab).expect("a service");
    }

    /// Writes a service's keys as they are into a keytab.
    pub fn keys(&self, name: &str, keytab: &Path) {
        self.0.keys(name, keytab).expect("the service's keys");
    }

    /// Gives a service other keys, of which no keytab knows.
    pub fn change_keys(&self, name: &str) {
        self.0.change_keys(name).expect("other keys");
    }

    /// What stock clients need to find the realm, and the ticket of that user.
    pub fn environment(&self, user: &str) -> Vec<(&'static str, String)> {
        self.0.environment(user)
    }

    /// Gets a ticket for a user.
    pub fn log_in(&self, user: &str, password: &str) {
        self.0.log_in(user, password).expect("a ticket");
    }
}
