//! `docs/support.md` says what each daemon serves; this holds it to the truth, and writes it where `FERROVIRT_WRITE=1`
//! asks.
#![allow(clippy::unwrap_used, reason = "a test")]

use rpc::Place;
use std::fmt::Write;
use std::path::Path;

/// A call: its program, its name, and who serves it.
type Call = (&'static str, &'static str, Place);

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
        Daemon::of::<driver_qemu::Driver>(|_| true),
        Daemon::of::<driver_secret::Driver>(|(_, name, place)| {
            *place == Place::Here || name.contains("secret")
        }),
        Daemon::of::<driver_storage::Driver>(|(_, name, place)| {
            *place == Place::Here || name.contains("storage")
        }),
        Daemon::of::<driver_network::Driver>(|(_, name, place)| {
            *place == Place::Here || name.contains("network")
        }),
        Daemon::of::<driver_nwfilter::Driver>(|(_, name, place)| {
            *place == Place::Here || name.contains("nwfilter")
        }),
        Daemon::of::<driver_log::Driver>(|(program, _, _)| *program == "log"),
        Daemon::of::<driver_lock::Driver>(|(program, _, _)| *program == "lock"),
    ]
}

fn table() -> String {
    let mut text = String::from(
        "# What is served\n\n\
         Every call that a daemon's clients may make. A call that is not served is answered with\n\
         `VIR_ERR_NO_SUPPORT`, and so is a part of a served call that is not built yet; a flag that is not known is answered\n\
         with `VIR_ERR_INVALID_ARG`. Where another daemon is named, calls are passed on to it, on behalf of the client, and\n\
         what it serves is in its own table. This page is made from the daemons' own tables:\n\
         `FERROVIRT_WRITE=1 cargo test -p xtask --test support_table`.\n",
    );
    for Daemon { name, calls } in daemons() {
        let mut programs: Vec<&str> = calls.iter().map(|(program, _, _)| *program).collect();
        programs.dedup();
        for program in programs {
            let own = || calls.iter().filter(|(one, _, _)| *one == program);
            let passed_on = |call: &&Call| matches!(call.2, Place::At(_));
            let served = own().filter(|(_, _, place)| *place == Place::Here).count();
            let all = own().filter(|call| !passed_on(call)).count();
            let others = match own().filter(passed_on).count() {
                0 => String::new(),
                others => format!(", and {others} of other daemons"),
            };
            write!(
                text,
                "\n## {name}, program {program}: {served} of {all}{others}\n\n| call | served |\n|---|---|\n"
            )
            .unwrap();
            for (_, call, place) in own() {
                let by = match place {
                    Place::Here => "yes",
                    Place::Nowhere => "no",
                    Place::At(daemon) => daemon,
                };
                writeln!(text, "| {call} | {by} |").unwrap();
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
