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

use compare::{CommandLine, differences};
use driver_qemu::binary::BinaryCaps;
use driver_qemu::command::{self, Answers, CommandContext, Found, HugePages};
use driver_qemu::config::{QemuConfig, SecretUuid};
use driver_qemu::prepare::{self, Facts};
use driver_qemu::processor;
use golden::Golden;
use host::Host;
use host::catalogue::Catalogue;
use model::domain::Domain;
use model::domain::devices::chardev::{SourceMode, UnixSource};
use model::domain::devices::disk_network::{NetworkHost, NetworkProtocol, NetworkSource};
use model::domain::devices::disk_source::{BlockSource, VolumeMode};
use model::domain::devices::graphics::Listen;
use model::domain::devices::{Address, CharSource, DiskSource, Graphics};
use std::collections::BTreeMap;
use std::path::Path;

const KNOWN: &str = include_str!("command_lines.known");

#[test]
fn completed_documents_make_the_expected_command_lines() {
    let Some(golden) = Golden::find() else { return };
    let Some(catalogue) = Host::local().catalogue() else {
        println!("skipped: no catalogue of processors is installed");
        return;
    };
    let (mut passed, mut failed) = (BTreeMap::<&str, u32>::new(), BTreeMap::new());
    for path in &golden.files {
        let Some((name, ".args", made)) = golden.case(path) else {
            continue;
        };
        match case(path, &made.caps(name), &catalogue) {
            Ok(()) => *passed.entry(made.arch).or_default() += 1,
            Err(reason) => {
                failed.insert(made.listed(name), reason);
            }
        }
    }
    println!("{passed:?} command lines as expected, {} not", failed.len());
    // What hangs on ports and aliases that another part chooses may go either way.
    golden.settle(&failed, KNOWN, |reason| reason.starts_with("prepare:"));
}

fn case(args: &Path, caps: &BinaryCaps, catalogue: &Catalogue) -> Result<(), String> {
    let text = std::fs::read_to_string(args).unwrap();
    let expected = CommandLine::of_shell(&text).expect("a command line");
    let document =
        std::fs::read_to_string(args.with_extension("xml")).map_err(|err| format!("no document: {err}"))?;
    let mut domain = Domain::from_xml(&document).map_err(|err| format!("document: {err}"))?;
    domain.id = Some(-1);
    usb_ports(&mut domain, caps);
    prepare::aliases::assign(&mut domain);
    volumes(&mut domain);
    choose(&mut domain, &configuration(args));
    // What guests can have here is the fake host's to say: nothing is checked.
    if let Some(cpu) = domain.cpu.as_deref_mut() {
        cpu.check = None;
    }
    processor::choose(&mut domain, caps, Some(catalogue)).map_err(|err| err.to_string())?;
    // The value that all secrets of the fake host have.
    let config = configuration(args);
    let encryption = config.encryption();
    encryption.settle(&mut domain);
    let secret = (
        "9eao5F8qtkGt+seB1HYivWIxbtwUu6MQtg1zpj/oDtUsPr1q8wBYM91uEHCn6j/1",
        "AAECAwQFBgcICQoLDA0ODw==",
    );
    let answers = Answers::to(&domain, caps, &encryption, secret);
    let short: String = domain.name.chars().take(20).collect();
    let huge = |(page_kib, name)| HugePages {
        page_kib,
        folder: format!("/dev/hugepages{name}/libvirt/qemu/-1-{short}").into(),
    };
    let context = CommandContext {
        id: -1,
        domain_dir: format!("/var/lib/libvirt/qemu/domain--1-{short}").into(),
        channel_dir: format!("/var/lib/libvirt/qemu/channel/target/domain--1-{short}").into(),
        monitor_fd: Some(3),
        sandbox: true,
        log_timestamp: true,
        dump_guest_core: false,
        vnc_password: false,
        spice_password: true,
        encryption,
        memory_dir: format!("/var/lib/libvirt/qemu/ram/-1-{short}").into(),
        huge_pages: [(2048, "2M"), (1_048_576, "1G")].map(huge).into(),
        master_key: Some(format!("/var/lib/libvirt/qemu/domain--1-{short}/master-key.aes").into()),
        secrets: answers.secrets,
        provided: answers.provided,
        descriptors: answers.descriptors,
        found: Found {
            numa_nodes: Some("0-3".parse().unwrap()),
            render_node: Some("/dev/dri/foo".into()),
            scsi_nodes: answers.scsi_nodes,
            // The fake host has one CD drive, which is not this.
            other_blocks: vec!["/dev/sr0".into()],
            incoming: incoming(args),
        },
    };
    let line = command::build(&domain, caps, &context).map_err(|err| format!("refused: {}", err.detail()))?;
    let mut found: Vec<String> = line
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    found.push(line.binary.display().to_string());
    found.extend(line.arguments);
    let found = CommandLine::of_words(&found).expect("a binary");
    let mut differing = differences(&expected.environment, &found.environment);
    differing.extend(differences(&expected.options, &found.options));
    if differing.is_empty() {
        Ok(())
    } else {
        Err(differing.join("\n"))
    }
}

/// Documents of inactive domains leave out the ports that a start finds for USB devices.
fn usb_ports(domain: &mut Domain, caps: &BinaryCaps) {
    let facts = Facts {
        nvram_dir: "/var/lib/libvirt/qemu/nvram".into(),
        lib_dir: "/var/lib/libvirt/qemu".into(),
        run_dir: "/run/libvirt/qemu".into(),
        host: Host::local(),
        variables: Vec::new(),
    };
    let mut started = domain.clone();
    if prepare::start(&mut started, caps, &facts).is_err() {
        return;
    }
    domain.devices.hubs.clone_from(&started.devices.hubs);
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
fn choose(domain: &mut Domain, config: &QemuConfig) {
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
            if let [listen @ Listen::Address { address: None }] = listens.as_mut_slice()
                && kind == "vnc"
                && config.vnc_auto_unix_socket
            {
                *listen = Listen::Socket { socket: None };
            }
            for listen in listens {
                match listen {
                    Listen::Network { address, .. } if address.is_none() => {
                        *address = Some("192.168.122.1".to_owned());
                    }
                    Listen::Address { address } if address.is_none() => {
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

/// What the fake host's pools of iSCSI units say of their volumes.
fn volumes(domain: &mut Domain) {
    for disk in &mut domain.devices.disks {
        let DiskSource::Volume { source: Some(volume) } = &disk.source else {
            continue;
        };
        if !volume.pool.starts_with("pool-iscsi") {
            continue;
        }
        let mut details = volume.details.clone();
        if volume.mode != Some(VolumeMode::Direct) {
            let dev = Some(format!("/some/block/device/{}", volume.volume));
            disk.source = DiskSource::Block {
                source: Some(BlockSource { dev, details }),
            };
            continue;
        }
        let unit = volume.volume.rsplit(':').next().unwrap();
        // The pool's way in is not the disk's.
        (disk.auth, details.auth) = (None, None);
        let source = NetworkSource {
            protocol: NetworkProtocol::Iscsi,
            name: Some(format!("demo-target/{unit}")),
            query: None,
            tls: None,
            tls_hostname: None,
            hosts: vec![NetworkHost {
                name: Some("iscsi.example.com".to_owned()),
                port: Some(3260),
                transport: None,
                socket: None,
            }],
            snapshot: None,
            config: None,
            initiator: None,
            ssl: None,
            cookies: Vec::new(),
            readahead: None,
            timeout: None,
            known_hosts: None,
            identity: None,
            reconnect: None,
            details,
        };
        disk.source = DiskSource::Network {
            source: Some(Box::new(source)),
        };
    }
}

/// The configuration that a case was made under, which only its name tells.
fn configuration(args: &Path) -> QemuConfig {
    let name = args
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default();
    let folder = |of: &str| Some(format!("/etc/pki/libvirt-{of}"));
    let mut config = QemuConfig {
        spice_tls: true,
        spice_tls_x509_cert_dir: folder("spice"),
        vnc_tls_x509_cert_dir: folder("vnc"),
        chardev_tls_x509_cert_dir: folder("chardev"),
        nbd_tls_x509_cert_dir: folder("nbd"),
        ..QemuConfig::default()
    };
    let secret = Some(SecretUuid(
        "6fd3f62d-9fe7-4a4e-a869-7acd6376d8ea".parse().unwrap(),
    ));
    let sasl_folder = Some("/etc/sasl2".to_owned());
    match name {
        "graphics-vnc-tls" => {
            (config.vnc_tls, config.vnc_sasl) = (true, true);
            config.vnc_sasl_dir = sasl_folder;
        }
        "graphics-spice-sasl" => {
            config.spice_sasl = true;
            config.spice_sasl_dir = sasl_folder;
        }
        "graphics-vnc-auto-socket-cfg" => config.vnc_auto_unix_socket = true,
        "serial-tcp-tlsx509-secret-chardev" => config.chardev_tls_x509_secret_uuid = secret,
        "disk-network-tlsx509-nbd-hostname" => config.nbd_tls_x509_secret_uuid = secret,
        _ => {}
    }
    config.chardev_tls = name.starts_with("serial-tcp-tlsx509") && !name.ends_with("notls");
    config.nbd_tls = name.starts_with("disk-network-tlsx509-nbd");
    config
}

/// Where guests of some cases come from.
fn incoming(args: &Path) -> Option<String> {
    let name = args.file_name()?.to_str()?;
    match name.strip_suffix(".x86_64-latest.args")? {
        "migrate" => Some("tcp:10.0.0.1:5000".to_owned()),
        "migrate-numa-unaligned" | "restore-v2-fd" => Some("fd:7".to_owned()),
        _ => None,
    }
}
