//! Capabilities of this host and its QEMU binaries, checked against libvirt's schemas where those are installed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail and tell like tests"
)]

use driver_qemu::binary::BinaryCache;
use driver_qemu::capabilities::{BaselineOptions, Capabilities, Comparison, Query, SecurityModel};
use error::Code;
use host::Host;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

fn service(folder: &Path) -> Option<Capabilities> {
    let cache = BinaryCache::new(folder, Host::local());
    if cache.find("x86_64").is_none() {
        eprintln!("skipped: no QEMU for x86_64 is installed");
        return None;
    }
    let dac = SecurityModel {
        name: "dac".to_owned(),
        labels: ["kvm", "qemu"]
            .map(|kind| (kind.to_owned(), "+0:+0".to_owned()))
            .into(),
    };
    Some(Capabilities::new(Arc::new(cache), vec![dac], None))
}

fn validate(document: &str, schema: &str) {
    let schema = Path::new("/usr/share/libvirt/schemas").join(schema);
    let lint = Command::new("xmllint")
        .args(["--noout", "--relaxng"])
        .arg(&schema)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut lint) = lint.and_then(|lint| schema.metadata().map(|_| lint)) else {
        eprintln!("not validated: xmllint or {} is missing", schema.display());
        return;
    };
    lint.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = lint.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{document}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The document around the host's cells.
fn without_topology(document: &str) -> (&str, &str) {
    let (before, rest) = document.split_once("<topology>\n").unwrap();
    (before, rest.split_once("</topology>\n").unwrap().1)
}

#[tokio::test]
async fn the_documents_are_what_libvirts_schemas_say() {
    let folder = tempfile::tempdir().unwrap();
    let Some(service) = service(folder.path()) else {
        return;
    };
    let document = service.document().await.unwrap();
    // The schema's pattern for the host's features has no dot, though libvirt itself names some with one.
    validate(&document.replace("'sse4.", "'sse4-"), "capability.rng");
    assert!(document.contains("<arch name='x86_64'>"), "{document}");
    // A virtual host's memory may grow and shrink while it runs.
    let again = service.document().await.unwrap();
    assert_eq!(without_topology(&again), without_topology(&document));
    for machine in ["pc", "q35", "microvm"] {
        let query = Query {
            virt: Some("qemu"),
            arch: Some("x86_64"),
            machine: Some(machine),
            ..Query::default()
        };
        let document = service.domain(query).await.unwrap();
        validate(&document, "domaincaps.rng");
        assert!(document.contains("<domain>qemu</domain>"), "{document}");
    }
}

#[tokio::test]
async fn what_does_not_go_together_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let Some(service) = service(folder.path()) else {
        return;
    };
    let path = service.binaries().find("x86_64").unwrap();
    let path = path.to_str().unwrap();
    let full = Query {
        emulator: Some(path),
        arch: Some("x86_64"),
        machine: Some("pc"),
        virt: Some("qemu"),
    };
    let cases = [
        (
            Query {
                virt: Some("bogus"),
                ..full
            },
            "unknown virttype: bogus".to_owned(),
        ),
        (
            Query {
                virt: Some("xen"),
                ..full
            },
            format!("Emulator '{path}' does not support virt type 'xen'"),
        ),
        (
            Query {
                arch: Some("bogus"),
                ..full
            },
            "unknown architecture: bogus".to_owned(),
        ),
        (
            Query {
                arch: Some("aarch64"),
                ..full
            },
            "architecture from emulator 'x86_64' doesn't match given architecture 'aarch64'".to_owned(),
        ),
        (
            Query {
                machine: Some("none"),
                ..full
            },
            format!("the machine 'none' is not supported by emulator '{path}'"),
        ),
    ];
    for (query, expected) in cases {
        let error = service.choose(query).await.unwrap_err();
        assert_eq!(
            (error.code(), error.detail()),
            (Code::InvalidArg, expected.as_str())
        );
    }
    let error = service
        .choose(Query {
            emulator: Some("/nonexist"),
            ..full
        })
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cannot check QEMU binary /nonexist: No such file or directory"
    );
    let chosen = service
        .choose(Query {
            emulator: Some(path),
            ..Query::default()
        })
        .await
        .unwrap();
    assert_eq!(
        (chosen.arch, chosen.machine.alias.as_deref()),
        ("x86_64", Some("pc"))
    );
}

#[tokio::test]
async fn processor_models_are_named_for_x86_only() {
    let folder = tempfile::tempdir().unwrap();
    let Some(service) = service(folder.path()) else {
        return;
    };
    assert!(
        service
            .cpu_models("x86_64")
            .await
            .unwrap()
            .contains(&"qemu64".to_owned())
    );
    assert!(service.cpu_models("aarch64").await.unwrap().is_empty());
    let error = service.cpu_models("bogus").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid argument: cannot find architecture bogus"
    );
}

#[tokio::test]
async fn processors_are_compared_with_what_guests_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let Some(service) = service(folder.path()) else {
        return;
    };
    if Host::local().catalogue().is_none() {
        eprintln!("skipped: no catalogue of processors is installed");
        return;
    }
    let emulated = Query {
        arch: Some("x86_64"),
        virt: Some("qemu"),
        ..Query::default()
    };
    let cpu = |model: &str| format!("<cpu><arch>x86_64</arch><model>{model}</model></cpu>");
    let compare = async |model: &str, fail| service.compare_cpu(&cpu(model), Some(emulated), fail).await;
    assert_eq!(compare("qemu64", false).await.unwrap(), Comparison::Superset);
    assert_eq!(
        compare("SapphireRapids", false).await.unwrap(),
        Comparison::Incompatible
    );
    assert_eq!(
        compare("SapphireRapids", true).await.unwrap_err().code(),
        Code::CpuIncompatible
    );
    let texts = vec![cpu("Nehalem"), cpu("Haswell")];
    let common = service
        .baseline_cpu(texts, Some(emulated), BaselineOptions::default())
        .await
        .unwrap();
    assert!(
        common.contains("<model fallback='forbid'>Nehalem</model>"),
        "{common}"
    );
}
