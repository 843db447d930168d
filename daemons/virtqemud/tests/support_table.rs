//! `docs/support.md` says what is served; this holds it to the truth, and writes it where `FERROVIRT_WRITE=1` asks.
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

fn table() -> String {
    let mut text = String::from(
        "# What virtqemud serves\n\n\
         Every call of the programs that virtqemud speaks. A call that is not served is answered with\n\
         `VIR_ERR_NO_SUPPORT`, and so is a part of a served call that is not built yet; a flag that is not known is answered\n\
         with `VIR_ERR_INVALID_ARG`. Calls about networks, storage, filters, secrets, interfaces and node devices belong to\n\
         other daemons and are left out. This page is made from the daemon's own table:\n\
         `FERROVIRT_WRITE=1 cargo test -p virtqemud --test support_table`.\n",
    );
    let calls = daemon::Routes::<driver_qemu::Driver>::calls();
    let mut programs: Vec<&str> = calls.iter().map(|(program, _, _)| *program).collect();
    programs.dedup();
    for program in programs {
        let own = || {
            calls
                .iter()
                .filter(|(one, name, _)| *one == program && !elsewhere(name))
        };
        let (served, all) = (own().filter(|(_, _, served)| *served).count(), own().count());
        write!(
            text,
            "\n## Program {program}: {served} of {all}\n\n| call | served |\n|---|---|\n"
        )
        .unwrap();
        for (_, name, served) in own() {
            writeln!(text, "| {name} | {} |", if *served { "yes" } else { "no" }).unwrap();
        }
    }
    text
}

#[test]
fn the_table_of_supported_calls_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/support.md");
    let table = table();
    if std::env::var_os("FERROVIRT_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &table).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == table,
        "docs/support.md is not what the daemon serves; its first line says how to write it anew"
    );
}
