//! The configuration files of `packaging/configuration` show every key with its default; this holds them to the daemons'
//! own tables, and writes them where `FERROVIRT_WRITE=1` asks.
#![allow(clippy::unwrap_used, reason = "a test")]

use daemon::config::{DaemonConfig, Key, Loaded, NetworkConfig, Schema};
use daemon::{Daemon, Network};
use driver_qemu::LockdConfig;
use driver_qemu::config::QemuConfig;
use std::collections::BTreeSet;
use std::fmt::{Debug, Write};
use std::path::Path;

/// Keys with what a file would say.
type Keys = Vec<(&'static Key, Option<String>)>;

/// The keys of a table, which mean the same when they are set to what is shown.
fn keys<T: Schema + PartialEq + Debug>(defaults: T) -> Keys {
    let keys = defaults.written();
    let set = keys.iter().filter_map(|(key, value)| {
        let value = value.as_ref()?;
        Some(format!("{} = {value}\n", key.name))
    });
    let text: String = set.collect();
    let loaded = Loaded::<T>::text(Path::new("shown"), &text).unwrap();
    let unset: Vec<_> = keys.iter().filter(|(_, value)| value.is_none()).collect();
    assert!(
        unset.iter().all(|(key, _)| key.kind.starts_with("Option")),
        "a default that cannot be shown: {unset:?}"
    );
    assert_eq!(loaded.values.written(), keys);
    keys
}

/// The common keys of a daemon, and those that are its own.
fn of_daemon(defaults: DaemonConfig, own: Keys) -> Keys {
    keys(defaults).into_iter().chain(own).collect()
}

fn defaults<D: Daemon>() -> DaemonConfig {
    D::defaults()
}

/// Every file: its name, what it is about, its keys.
fn files() -> Vec<(&'static str, &'static str, Keys)> {
    let sockets = "Where systemd opens the sockets, their units say who may use them: \"unix_sock...\" and\n\
                   # \"..._queued_clients\" then mean nothing.";
    let network = "Where systemd opens the sockets, their units say where they listen and who may use them: \"unix_sock...\",\n\
                   # \"..._queued_clients\", \"listen...\" and the ports then mean nothing.";
    let listening = "Only --listen gives \"listen...\" and the ports a meaning, which sockets that systemd opens exclude: then their units say\n\
                     # where they listen and who may use them, and \"unix_sock...\" and \"..._queued_clients\" mean nothing, either.";
    vec![
        (
            "virtqemud.conf",
            sockets,
            of_daemon(defaults::<driver_qemu::Driver>(), vec![]),
        ),
        (
            "qemu.conf",
            "The QEMU driver: what holds for every guest. Read again on SIGHUP.",
            keys(QemuConfig::default()),
        ),
        (
            "qemu-lockd.conf",
            "What is leased with lock_manager = \"lockd\" in qemu.conf.",
            keys(LockdConfig::default()),
        ),
        (
            "virtsecretd.conf",
            sockets,
            of_daemon(defaults::<driver_secret::Driver>(), vec![]),
        ),
        (
            "secret.conf",
            "The secret driver: whether values lie on disk in the clear.",
            keys(driver_secret::config::SecretConfig::default()),
        ),
        (
            "virtstoraged.conf",
            sockets,
            of_daemon(defaults::<driver_storage::Driver>(), vec![]),
        ),
        (
            "virtnetworkd.conf",
            sockets,
            of_daemon(defaults::<driver_network::Driver>(), vec![]),
        ),
        (
            "network.conf",
            "The network driver: how networks are guarded, and who may connect guests of his own. Read again on SIGHUP.",
            keys(driver_network::config::NetworkConfig::default()),
        ),
        (
            "virtnwfilterd.conf",
            sockets,
            of_daemon(defaults::<driver_nwfilter::Driver>(), vec![]),
        ),
        (
            "virtproxyd.conf",
            network,
            of_daemon(DaemonConfig::default(), keys(NetworkConfig::default())),
        ),
        (
            "libvirtd.conf",
            listening,
            of_daemon(DaemonConfig::default(), keys(Network::Asked.defaults().unwrap())),
        ),
        (
            "virtlogd.conf",
            sockets,
            of_daemon(
                defaults::<driver_log::Driver>(),
                keys(driver_log::LogConfig::default()),
            ),
        ),
        (
            "virtlockd.conf",
            sockets,
            of_daemon(defaults::<driver_lock::Driver>(), vec![]),
        ),
    ]
}

fn text(name: &str, about: &str, keys: &Keys) -> String {
    let mut text = format!(
        "# {name}\n#\n# {about}\n#\n\
         # Every key with the value that holds as long as it is not set; \"...\" where there is none.\n"
    );
    for (key, value) in keys {
        text.push('\n');
        for line in key.doc {
            writeln!(text, "#{line}").unwrap();
        }
        writeln!(text, "#{} = {}", key.name, value.as_deref().unwrap_or("...")).unwrap();
    }
    text
}

#[test]
fn files_show_every_key_with_its_default() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/configuration");
    let files = files();
    for (name, about, keys) in &files {
        let path = folder.join(name);
        let text = text(name, about, keys);
        if std::env::var_os("FERROVIRT_WRITE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "{name} is not what the daemons know; write it anew with \
             `FERROVIRT_WRITE=1 cargo test -p xtask --test configuration_files`"
        );
    }
    let there = std::fs::read_dir(&folder).unwrap();
    let there: BTreeSet<_> = there.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, files.iter().map(|(name, ..)| (*name).into()).collect());
}
