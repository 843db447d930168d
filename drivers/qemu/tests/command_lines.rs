//! Command lines of completed documents against what is expected of them.
//!
//! Documents and expectations lie beside the project; without them the test is skipped. Options are compared one by one
//! in their order, as data: JSON as JSON, lists of `key=value` as maps; numbers of descriptors, sockets of helpers and
//! the daemon's secret key are left aside. `command_lines.known` names the cases that differ, each with its reason; one
//! more or one less fails the test.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

#[allow(dead_code, reason = "another test uses the rest")]
mod golden;

use driver_qemu::binary::BinaryCaps;
use driver_qemu::command::{self, CommandContext, HugePages, Named, Provision, Role, Secret};
use driver_qemu::prepare::{self, Facts};
use driver_qemu::processor;
use golden::Golden;
use host::Host;
use host::catalogue::Catalogue;
use model::domain::Domain;
use model::domain::devices::chardev::{SourceMode, UnixSource};
use model::domain::devices::graphics::Listen;
use model::domain::devices::{Address, CharSource, Graphics};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const KNOWN: &str = include_str!("command_lines.known");

/// Variables that every guest gets.
const ENVIRONMENT: [&str; 8] = [
    "LC_ALL",
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

#[test]
fn completed_documents_make_the_expected_command_lines() {
    let Some(golden) = Golden::find() else { return };
    let Some(catalogue) = Host::local().catalogue() else {
        println!("skipped: no catalogue of processors is installed");
        return;
    };
    let (mut passed, mut failed) = (0, BTreeMap::new());
    for path in &golden.files {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(name) = file.strip_suffix(".x86_64-latest.args") else {
            continue;
        };
        if !golden.wants(name) {
            continue;
        }
        match case(path, &golden.caps, &catalogue) {
            Ok(()) => passed += 1,
            Err(reason) => {
                failed.insert(name.to_owned(), reason);
            }
        }
    }
    println!("{passed} command lines as expected, {} not", failed.len());
    // What hangs on ports and aliases that another part chooses may go either way.
    golden.settle(&failed, KNOWN, |reason| reason.starts_with("prepare:"));
}

fn case(args: &Path, caps: &BinaryCaps, catalogue: &Catalogue) -> Result<(), String> {
    let text = std::fs::read_to_string(args).unwrap();
    let (environment, expected) = parse(&words(&text));
    let document =
        std::fs::read_to_string(args.with_extension("xml")).map_err(|err| format!("no document: {err}"))?;
    let mut domain = Domain::from_xml(&document).map_err(|err| format!("document: {err}"))?;
    domain.id = Some(-1);
    usb_ports(&mut domain, caps);
    prepare::aliases::assign(&mut domain);
    choose(&mut domain);
    // What guests can have here is the fake host's to say: nothing is checked.
    if let Some(cpu) = domain.cpu.as_deref_mut() {
        cpu.check = None;
    }
    processor::choose(&mut domain, caps, Some(catalogue)).map_err(|err| err.to_string())?;
    let wanted = command::requirements(&domain);
    let named = wanted.iter().flat_map(|requirement| {
        let alias = requirement.alias.clone();
        let one = |role| Named {
            alias: alias.clone(),
            role,
            numbers: vec![7],
        };
        match requirement.what {
            Provision::ListeningSocket(_) => vec![one(Role::Listen)],
            Provision::Tap(queues) => vec![Named {
                numbers: vec![7; queues],
                ..one(Role::Tap)
            }],
            Provision::VhostNet(queues) if caps.has_kvm() => vec![Named {
                numbers: vec![7; queues],
                ..one(Role::Vhost)
            }],
            Provision::Tpm(_) => vec![one(Role::Node), one(Role::Cancel)],
            Provision::VhostUserGpu => vec![one(Role::Connected)],
            Provision::VhostVsock | Provision::VhostScsi => vec![one(Role::Vhost)],
            Provision::Vdpa(_) => vec![one(Role::Node)],
            Provision::OutputFile { .. } => vec![one(Role::Output)],
            Provision::LogFile { .. } => vec![one(Role::Log)],
            _ => Vec::new(),
        }
    });
    let secrets = wanted.iter().filter_map(|requirement| match &requirement.what {
        // The value that all secrets of the fake host have.
        Provision::Secret(need) => Some(Secret {
            object: need.object.clone(),
            data: "9eao5F8qtkGt+seB1HYivWIxbtwUu6MQtg1zpj/oDtUsPr1q8wBYM91uEHCn6j/1".to_owned(),
            iv: "AAECAwQFBgcICQoLDA0ODw==".to_owned(),
        }),
        _ => None,
    });
    let short: String = domain.name.chars().take(20).collect();
    let huge = |(page_kib, name)| HugePages {
        page_kib,
        folder: format!("/dev/hugepages{name}/libvirt/qemu/-1-{short}").into(),
    };
    let context = CommandContext {
        id: -1,
        domain_dir: format!("/var/lib/libvirt/qemu/domain--1-{short}").into(),
        channel_dir: format!("/var/lib/libvirt/qemu/channel/target/domain--1-{short}").into(),
        monitor_fd: 3,
        sandbox: true,
        log_timestamp: true,
        dump_guest_core: false,
        vnc_password: false,
        spice_password: true,
        spice_tls_dir: Some("/etc/pki/libvirt-spice".into()),
        memory_dir: format!("/var/lib/libvirt/qemu/ram/-1-{short}").into(),
        huge_pages: [(2048, "2M"), (1_048_576, "1G")].map(huge).into(),
        master_key: Some(format!("/var/lib/libvirt/qemu/domain--1-{short}/master-key.aes").into()),
        secrets: secrets.collect(),
        provided: wanted
            .iter()
            .map(|requirement| requirement.alias.clone())
            .collect(),
        descriptors: named.collect(),
    };
    let line = command::build(&domain, caps, &context).map_err(|err| format!("refused: {}", err.detail()))?;
    let mut found = vec![line.binary.display().to_string()];
    found.extend(line.arguments);
    let (_, found) = parse(&found);
    let mut own: Vec<String> = line
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut theirs = environment;
    own.sort();
    theirs.sort();
    let mut differences = String::new();
    for lost in theirs.iter().filter(|one| !own.contains(one)) {
        writeln!(differences, "- {lost}").unwrap();
    }
    for more in own.iter().filter(|one| !theirs.contains(one)) {
        writeln!(differences, "+ {more}").unwrap();
    }
    let mut left = found.clone();
    for option in &expected {
        match left.iter().position(|other| other == option) {
            Some(at) => {
                left.remove(at);
            }
            None => writeln!(differences, "- {option}").unwrap(),
        }
    }
    left.iter()
        .for_each(|option| writeln!(differences, "+ {option}").unwrap());
    if differences.is_empty() && expected != found {
        let at = expected
            .iter()
            .zip(&found)
            .position(|(one, other)| one != other)
            .unwrap_or(0);
        writeln!(
            differences,
            "order: expected {} where {} is",
            expected[at], found[at]
        )
        .unwrap();
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences)
    }
}

/// Documents of inactive domains leave out the ports that a start finds for USB devices.
fn usb_ports(domain: &mut Domain, caps: &BinaryCaps) {
    let facts = Facts {
        nvram_dir: "/var/lib/libvirt/qemu/nvram".into(),
        host: Host::local(),
        variables: Vec::new(),
    };
    let mut started = domain.clone();
    if prepare::start(&mut started, caps, &facts).is_err() {
        return;
    }
    let mut found = Vec::new();
    started.devices.for_each_info(|kind, index, info| {
        if let Some(address @ Address::Usb(_)) = &info.address {
            found.push((kind, index, address.clone()));
        }
    });
    domain.devices.for_each_info_mut(|kind, index, info| {
        if let Some((.., address)) = found.iter().find(|(of, at, _)| *of == kind && *at == index) {
            info.address = Some(address.clone());
        }
    });
}

/// What a start chooses before there is a command line: ports and addresses of graphics servers.
fn choose(domain: &mut Domain) {
    let short: String = domain.name.chars().take(20).collect();
    for channel in &mut domain.devices.channels {
        let name = channel.name().unwrap_or("channel").to_owned();
        if let CharSource::Unix { source } = &mut channel.source
            && source.as_ref().is_none_or(|source| source.path.is_none())
        {
            let path = format!("/var/lib/libvirt/qemu/channel/target/domain--1-{short}/{name}");
            let mode = source.as_ref().map_or(SourceMode::Bind, |source| source.mode);
            *source = Some(UnixSource {
                mode,
                path: Some(path),
                ..UnixSource::default()
            });
        }
    }
    for server in &mut domain.devices.graphics {
        let (kind, old) = match server {
            Graphics::Vnc(vnc) => ("vnc", vnc.listen.clone()),
            Graphics::Spice(spice) => ("spice", spice.listen.clone()),
            _ => continue,
        };
        if let Some(listens) = server.listens_mut() {
            if listens.is_empty() {
                listens.push(Listen::Address { address: old });
            }
            for listen in listens {
                match listen {
                    Listen::Address { address } | Listen::Network { address, .. } if address.is_none() => {
                        *address = Some("127.0.0.1".to_owned());
                    }
                    Listen::Socket { socket } if socket.is_none() => {
                        *socket = Some(format!("/var/lib/libvirt/qemu/domain--1-{short}/{kind}.sock"));
                    }
                    _ => {}
                }
            }
        }
        let chosen = |port: &mut Option<i32>, own: i32| {
            if port.is_none_or(|port| port == -1) {
                *port = Some(own);
            }
        };
        match server {
            Graphics::Vnc(vnc) => {
                chosen(&mut vnc.port, 5900);
                if vnc.websocket == Some(-1) {
                    vnc.websocket = Some(5700);
                }
            }
            Graphics::Spice(spice) if spice.autoport.is_some_and(|auto| auto.is_yes()) => {
                chosen(&mut spice.port, 5901);
            }
            _ => {}
        }
    }
}

/// The words of a shell command.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            '\\' if !quoted => match characters.next() {
                Some('\n') | None => {}
                Some(other) => (word.push(other), any = true).1,
            },
            c if c.is_whitespace() && !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The variables beyond those that every guest gets, and the options in a form that can be compared.
fn parse(words: &[String]) -> (Vec<String>, Vec<String>) {
    let binary = words
        .iter()
        .position(|word| word.starts_with('/'))
        .expect("a binary");
    let environment = words[..binary].iter().filter(|word| {
        !ENVIRONMENT
            .iter()
            .any(|name| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
    });
    let mut options = vec![words[binary].clone()];
    let mut rest = words[binary + 1..].iter().peekable();
    while let Some(option) = rest.next() {
        let value = rest.next_if(|next| !next.starts_with('-') || next.len() == 1);
        let text = match value {
            None => option.clone(),
            Some(value) => format!("{option} {}", normal(option, value)),
        };
        options.push(text);
    }
    (environment.cloned().collect(), options)
}

fn normal(option: &str, value: &str) -> String {
    if let Ok(mut json) = serde_json::from_str::<Value>(value)
        && json.is_object()
    {
        plain(&mut json);
        return sorted(&json).to_string();
    }
    if matches!(option, "-append" | "-kernel" | "-initrd" | "-unknown") {
        return value.to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    for part in value.replace(",,", "\u{1}").split(',') {
        parts.push(match part.split_once('=') {
            Some(("fd", _)) => "fd=N".to_owned(),
            Some(("path", path)) => format!("path={}", aside(path)),
            _ => part.to_owned(),
        });
    }
    // Several `cpus=` of a node mean all of them.
    parts.sort();
    parts.join(",")
}

/// Sockets of helpers may be wherever the daemon wants.
fn aside(path: &str) -> String {
    if path.contains("/passt/") || path.ends_with(".passt.socket") {
        "PASST".to_owned()
    } else if path == "/dev/test" || path.ends_with(".swtpm.sock") {
        "SWTPM".to_owned()
    } else {
        path.to_owned()
    }
}

fn plain(json: &mut Value) {
    match json {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), &mut *value) {
                    ("fd" | "vhostfd" | "fds" | "vhostfds", Value::String(text)) => {
                        *text = vec!["N"; text.split(':').count()].join(":");
                    }
                    ("path", Value::String(text)) => *text = aside(text),
                    _ => plain(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn sorted(json: &Value) -> Value {
    match json {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
