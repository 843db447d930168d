//! Documents held against the schema of Debian's `libvirt-common`, for clients that ask for it.
//!
//! No crate validates RELAX NG, so `xmllint` does, as libvirt's own library would.

use crate::Driver;
use error::{Code, Domain as ErrorDomain, Error, Result};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The schema of domains.
const SCHEMA: &str = "usr/share/libvirt/schemas/domain.rng";

/// Checks `text` against the schema.
///
/// # Errors
/// [`Code::XmlInvalidSchema`] with the validator's words; [`Code::NoSupport`] where schema or validator are missing.
pub(crate) async fn against_schema(driver: &Driver, text: &str) -> Result<()> {
    let schema = driver.host.path(SCHEMA);
    let missing = |what: &str| {
        let text = format!("documents cannot be validated: {what} is not installed");
        Error::new(Code::NoSupport, ErrorDomain::Qemu, text)
    };
    if !schema.exists() {
        return Err(missing("the schema (package libvirt-common)"));
    }
    let mut child = Command::new("xmllint")
        .args(["--noout", "--nonet", "--relaxng"])
        .arg(&schema)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|err| missing("xmllint (package libxml2-utils)").caused_by(err))?;
    let failed = |err: std::io::Error| {
        Error::new(Code::InternalError, ErrorDomain::Qemu, format!("xmllint: {err}")).caused_by(err)
    };
    if let Some(mut stdin) = child.stdin.take() {
        // It may have seen enough before it has read all.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = words
        .lines()
        .filter(|line| !line.ends_with("fails to validate"))
        .take(8)
        .collect();
    Err(Error::new(
        Code::XmlInvalidSchema,
        ErrorDomain::Xml,
        words.join("\n"),
    ))
}
