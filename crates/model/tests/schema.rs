//! What is written fits the schemas of Debian's `libvirt-common`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use model::secret::Secret;
use std::io::Write;
use std::process::{Command, Stdio};

/// What the validator says against a document; nothing where it fits.
fn complaint(schema: &str, document: &str) -> Option<String> {
    let mut child = Command::new("xmllint")
        .args(["--noout", "--nonet", "--relaxng"])
        .arg(format!("/usr/share/libvirt/schemas/{schema}.rng"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint, of the package libxml2-utils");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(document.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_secret_fits_its_schema() {
    let usages = [
        "",
        "<usage type='none'/>",
        "<usage type='volume'><volume>/var/lib/libvirt/images/a.img</volume></usage>",
        "<usage type='ceph'><name>client.admin secret</name></usage>",
        "<usage type='iscsi'><target>iqn.2013-07.com.example:iscsi-pool</target></usage>",
        "<usage type='tls'><name>key</name></usage>",
        "<usage type='vtpm'><name>tpm</name></usage>",
    ];
    for usage in usages {
        for attributes in ["", "ephemeral='yes' private='no'", "private='yes'"] {
            for inner in [
                "",
                "<uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid><description>x</description>",
            ] {
                let text = format!("<secret {attributes}>{usage}{inner}</secret>");
                let written = Secret::from_xml(&text).unwrap().to_xml();
                assert_eq!(complaint("secret", &written), None, "{written}");
            }
        }
    }
    assert!(
        complaint("secret", "<secret><colour/></secret>").is_some(),
        "the schema refuses something"
    );
}
