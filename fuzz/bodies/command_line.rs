//! A domain document from anybody, completed and made into arguments for this host's QEMU: refused with an error, or built. What
//! was completed is complete: it comes out of a second time as it went in. Without QEMU nothing is tried.

use driver_qemu::binary::{BinaryCache, BinaryCaps};
use driver_qemu::command::{self, Answers, CommandContext, Found};
use driver_qemu::config::QemuConfig;
use driver_qemu::prepare::{self, Facts};
use driver_qemu::processor;
use host::Host;
use model::domain::Domain;
use std::sync::{Arc, OnceLock};

fn ground() -> Option<&'static (Arc<BinaryCaps>, Facts)> {
    static GROUND: OnceLock<Option<(Arc<BinaryCaps>, Facts)>> = OnceLock::new();
    let ask = || {
        let folder = tempfile::tempdir().ok()?;
        let cache = BinaryCache::new(folder.path(), Host::local());
        let path = cache.find("x86_64")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        let caps = runtime.block_on(cache.get(&path)).ok()?;
        // A host of its own: what is installed on this one would be looked for with each document.
        let empty = Host::at(folder.path());
        let facts = Facts {
            nvram_dir: "/var/lib/libvirt/qemu/nvram".into(),
            lib_dir: "/var/lib/libvirt/qemu".into(),
            run_dir: "/run/libvirt/qemu".into(),
            host: empty,
            variables: Vec::new(),
        };
        Some((caps, facts))
    };
    GROUND.get_or_init(ask).as_ref()
}

pub(crate) fn run(data: &[u8]) {
    let (Ok(text), Some((caps, facts))) = (std::str::from_utf8(data), ground()) else {
        return;
    };
    let Ok(mut domain) = Domain::from_xml(text) else {
        return;
    };
    domain.devices.emulator = Some(caps.path.display().to_string());
    if prepare::complete(&mut domain, caps, facts).is_err() {
        return;
    }
    let mut again = domain.clone();
    match prepare::complete(&mut again, caps, facts) {
        Ok(()) => assert_eq!(domain, again, "a completed document changed: {}", domain.to_xml()),
        Err(err) => panic!("what was completed is refused: {err}\n{}", domain.to_xml()),
    }
    domain.id = Some(1);
    if prepare::start(&mut domain, caps, facts).is_err()
        || processor::choose(&mut domain, caps, None).is_err()
    {
        return;
    }
    prepare::number(&mut domain);
    let encryption = QemuConfig::default().encryption();
    encryption.settle(&mut domain);
    let answers = Answers::to(&domain, caps, &encryption, ("c2VjcmV0", "aXY="));
    let context = CommandContext {
        id: 1,
        domain_dir: "/d".into(),
        channel_dir: "/c".into(),
        monitor_fd: Some(3),
        sandbox: true,
        log_timestamp: true,
        dump_guest_core: false,
        vnc_password: false,
        spice_password: false,
        encryption,
        memory_dir: "/m".into(),
        huge_pages: Vec::new(),
        master_key: Some("/k".into()),
        secrets: answers.secrets,
        provided: answers.provided,
        descriptors: answers.descriptors,
        found: Found {
            scsi_nodes: answers.scsi_nodes,
            ..Found::default()
        },
    };
    if let Ok(line) = command::build(&domain, caps, &context) {
        let whole = line.arguments.iter().all(|argument| !argument.contains('\0'));
        assert!(
            whole,
            "an argument that no process can be given: {:?}",
            line.arguments
        );
    }
}
