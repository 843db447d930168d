//! What it costs that plain TCP is encrypted by Kerberos: the stock client's transfers through virtproxyd, with and without.

use super::{Figure, Told, Values, figure, note, python_in};
use crate::progress::say;
use anyhow::{Context, Result};
use private_instance::{Daemon, Instance, Realm};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;

/// How many times each way is measured, in turn.
const ROUNDS: usize = 5;

/// Bytes of the volume.
const LENGTH: u64 = 128 << 20;

/// The server of the realm's programs; without it nothing is measured.
const KDC: &str = "/usr/sbin/krb5kdc";

const USER: &str = "fred";

/// Every figure, in the order in which it is told.
pub(super) const TABLE: &[Figure] = &[
    figure(
        "plain_upload",
        "upload of 128 MiB over plain TCP, stock Python client",
        ("MB/s", 0.0),
        Told,
    ),
    figure(
        "kerberos_upload",
        "the same, encrypted by Kerberos",
        ("MB/s", 0.0),
        Told,
    ),
    figure(
        "plain_download",
        "download of 128 MiB over plain TCP, stock Python client",
        ("MB/s", 0.0),
        Told,
    ),
    figure(
        "kerberos_download",
        "the same, encrypted by Kerberos",
        ("MB/s", 0.0),
        Told,
    ),
];

/// Measures both ways.
pub(super) fn measure(ours: &mut Values) -> Result<()> {
    if !Path::new(KDC).exists() {
        say("* Encryption by Kerberos is not measured: that needs krb5kdc (package krb5-kdc)");
        return Ok(());
    }
    say("* Transfers over plain TCP, and encrypted by Kerberos");
    let ways = [Way::prepare("plain", false)?, Way::prepare("kerberos", true)?];
    for _ in 0..ROUNDS {
        for way in &ways {
            way.measure(ours)?;
        }
    }
    Ok(())
}

/// A host that is reached over TCP in one way.
struct Way {
    name: &'static str,
    port: u16,
    realm: Option<Realm>,
    /// End before their folder goes.
    _daemons: Vec<Daemon>,
    _instance: Instance,
}

impl Way {
    fn prepare(name: &'static str, encrypted: bool) -> Result<Self> {
        let instance = Instance::below(Path::new("/var/tmp"), &crate::release_folder()?)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let auth = if encrypted { "sasl" } else { "none" };
        let text = format!(
            "listen_tcp = 1\nlisten_addr = \"127.0.0.1\"\ntcp_port = \"{port}\"\nauth_tcp = \"{auth}\"\n"
        );
        instance.configure("virtproxyd.conf", &text)?;
        let realm = match encrypted {
            true => Some(realm(&instance)?),
            false => None,
        };
        let pool = instance.folder().join("pool");
        fs::create_dir(&pool)?;
        File::create(pool.join("v"))?.set_len(LENGTH)?;
        let document = instance.path("/etc/libvirt/storage/p.xml");
        fs::create_dir_all(document.parent().context("a folder")?)?;
        fs::create_dir(instance.path("/etc/libvirt/storage/autostart"))?;
        let xml = format!(
            "<pool type='dir'><name>p</name><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid><target><path>{}</path></target></pool>",
            pool.display()
        );
        fs::write(&document, xml)?;
        std::os::unix::fs::symlink(&document, instance.path("/etc/libvirt/storage/autostart/p.xml"))?;
        let mut daemons = vec![instance.daemon("virtstoraged"), instance.daemon("virtproxyd")];
        for daemon in &mut daemons {
            daemon.start()?;
        }
        Ok(Self {
            name,
            port,
            realm,
            _daemons: daemons,
            _instance: instance,
        })
    }

    fn measure(&self, values: &mut Values) -> Result<()> {
        let uri = format!("storage+tcp://127.0.0.1:{}/system", self.port);
        let environment = self.realm.as_ref().map(|realm| realm.environment(USER));
        let script = include_str!("clients/transfers.py");
        let arguments = [&*uri, "p", "v", &LENGTH.to_string()];
        for (what, seconds) in python_in(environment.unwrap_or_default(), script, &arguments)? {
            let megabytes = LENGTH as f64 / 1e6;
            note(values, &format!("{}_{what}", self.name), seconds / megabytes);
        }
        Ok(())
    }
}

/// A realm with the proxy's service and a user who has a ticket.
fn realm(instance: &Instance) -> Result<Realm> {
    let realm = Realm::start(instance.folder().join("realm"))?;
    realm.service("libvirt/127.0.0.1", "", &instance.path("/etc/libvirt/krb5.tab"))?;
    realm.add(USER, "secret")?;
    realm.log_in(USER, "secret")?;
    Ok(realm)
}
