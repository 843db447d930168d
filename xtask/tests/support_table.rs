//! `docs/support.md` says what each daemon serves; this holds it to the truth, and writes it where `FERROVIRT_WRITE=1`
//! asks.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write;
use std::path::Path;

/// The first words of calls that other daemons serve.
const ELSEWHERE: &[&str] = &[
    "network_",
    "storage_",
    "nwfilter_",
    "secret_",
    "node_device_",
    "node_list_devices",
    "node_num_of_devices",
    "interface_",
];

/// Words inside connection calls that other daemons serve: `connect_num_of_storage_pools`.
const INSIDE: &[&str] = &[
    "network",
    "storage_pool",
    "nwfilter",
    "secret",
    "node_device",
    "interface",
];

fn elsewhere(name: &str) -> bool {
    let of_connection = name.starts_with("connect_") && !name.contains("domain");
    ELSEWHERE.iter().any(|start| name.starts_with(start))
        || (of_connection && INSIDE.iter().any(|word| name.contains(word)))
}

/// A call: its program, its name, and whether it is served.
type Call = (&'static str, &'static str, bool);

/// A daemon's calls that the page lists.
struct Daemon {
    name: &'static str,
    calls: Vec<Call>,
}

impl Daemon {
    /// Those of a driver that are its own to serve.
    fn of<D: daemon::Driver>(is_own: fn(&Call) -> bool) -> Self {
        let mut calls = daemon::Routes::<D>::calls();
        calls.retain(is_own);
        Self {
            name: D::INFO.daemon,
            calls,
        }
    }
}

fn daemons() -> Vec<Daemon> {
    vec![
        Daemon::of::<driver_qemu::Driver>(|(_, name, _)| !elsewhere(name)),
        Daemon::of::<driver_secret::Driver>(|(_, name, served)| *served || name.contains("secret")),
        Daemon::of::<driver_log::Driver>(|(program, _, _)| *program == "log"),
        Daemon::of::<driver_lock::Driver>(|(program, _, _)| *program == "lock"),
    ]
}

fn table() -> String {
    let mut text = String::from(
        "# What is served\n\n\
         Every call that is a daemon's own to serve. A call that is not served is answered with\n\
         `VIR_ERR_NO_SUPPORT`, and so is a part of a served call that is not built yet; a flag that is not known is answered\n\
         with `VIR_ERR_INVALID_ARG`. Calls that belong to another daemon are left out, and answered with\n\
         `VIR_ERR_NO_SUPPORT`. This page is made from the daemons' own tables:\n\
         `FERROVIRT_WRITE=1 cargo test -p xtask --test support_table`.\n",
    );
    for Daemon { name, calls } in daemons() {
        let mut programs: Vec<&str> = calls.iter().map(|(program, _, _)| *program).collect();
        programs.dedup();
        for program in programs {
            let own = || calls.iter().filter(|(one, _, _)| *one == program);
            let (served, all) = (own().filter(|(_, _, served)| *served).count(), own().count());
            write!(
                text,
                "\n## {name}, program {program}: {served} of {all}\n\n| call | served |\n|---|---|\n"
            )
            .unwrap();
            for (_, call, served) in own() {
                writeln!(text, "| {call} | {} |", if *served { "yes" } else { "no" }).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_table_of_supported_calls_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/support.md");
    let table = table();
    if std::env::var_os("FERROVIRT_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == table,
        "docs/support.md is not what the daemons serve; its first lines say how to write it anew"
    );
}
