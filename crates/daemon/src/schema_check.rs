//! Documents held against the schemas of Debian's `libvirt-common`, for clients that ask for it.
//!
//! No crate validates RELAX NG, so `xmllint` does, as libvirt's own library would.

use error::{Code, Domain, Error, Result};
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where the schemas lie.
const FOLDER: &str = "/usr/share/libvirt/schemas";

/// Checks `text` against the schema of that name: `domain`.
///
/// # Errors
/// [`Code::XmlInvalidSchema`] with the validator's words; [`Code::NoSupport`] where schema or validator are missing.
pub async fn check(schema: &str, text: &str) -> Result<()> {
    let schema = Path::new(FOLDER).join(format!("{schema}.rng"));
    let missing = |what: &str| {
        let text = format!("documents cannot be validated: {what} is not installed");
        Error::new(Code::NoSupport, Domain::Xml, text)
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
        Error::new(Code::InternalError, Domain::Xml, format!("xmllint: {err}")).caused_by(err)
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
    Err(Error::new(Code::XmlInvalidSchema, Domain::Xml, words.join("\n")))
}
