//! What a daemon makes of a document.

use anyhow::{Result, bail};
use client::Client;
use compare::CommandLine;
use protocol::remote::procedure as p;
use protocol::remote::{
    ConnectDomainXmlToNativeArgs, DomainDefineXmlArgs, DomainGetXmlDescArgs, DomainUndefineFlagsArgs,
};
use std::path::Path;

/// A refusal, or what came back as lines that can be compared.
pub(super) type Answer = std::result::Result<Vec<String>, Refusal>;

/// The code and the sentence of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) sentence: String,
}

/// The answers to one document.
#[derive(Debug)]
pub(super) struct Answers {
    /// Its definition as it comes back.
    pub(super) definition: Answer,
    /// The command line of a start.
    pub(super) command: Answer,
}

/// The identity of documents that have none, so that both daemons give them the same.
const UUID: &str = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

/// `VIR_DOMAIN_XML_INACTIVE`.
const INACTIVE: u32 = 2;

/// `VIR_DOMAIN_UNDEFINE_NVRAM`.
const WITH_VARIABLES: u32 = 4;

/// The same document with an identity.
pub(super) fn with_uuid(text: &str) -> String {
    if text.contains("<uuid>") {
        text.to_owned()
    } else {
        text.replacen("</name>", &format!("</name><uuid>{UUID}</uuid>"), 1)
    }
}

/// Asks a daemon, whose files lie below `root`.
///
/// # Errors
/// The daemon is gone, or does not remove what it was given.
pub(super) async fn answers(client: &Client, text: &str, root: &Path) -> Result<Answers> {
    let plain = |told: &str| placeless(told, text, root);
    let args = DomainDefineXmlArgs { xml: text.to_owned() };
    let definition = match client.call::<p::DomainDefineXml>(&args).await {
        Err(refusal) => Err(refused(&refusal)?),
        Ok(defined) => {
            let args = DomainGetXmlDescArgs {
                dom: defined.dom.clone(),
                flags: INACTIVE,
            };
            let document = client.call::<p::DomainGetXmlDesc>(&args).await;
            let args = DomainUndefineFlagsArgs {
                dom: defined.dom,
                flags: WITH_VARIABLES,
            };
            client.call::<p::DomainUndefineFlags>(&args).await?;
            match document {
                Ok(told) => Ok(compare::lines(&plain(&told.xml))?),
                Err(refusal) => Err(refused(&refusal)?),
            }
        }
    };
    let args = ConnectDomainXmlToNativeArgs {
        native_format: "qemu-argv".to_owned(),
        domain_xml: text.to_owned(),
        flags: 0,
    };
    let command = match client.call::<p::ConnectDomainXmlToNative>(&args).await {
        Err(refusal) => Err(refused(&refusal)?),
        Ok(told) => match CommandLine::of_shell(&plain(&told.native_config)) {
            Some(line) => Ok([line.environment, line.options].concat()),
            None => bail!("no command line: {}", told.native_config),
        },
    };
    Ok(Answers { definition, command })
}

/// A refusal of the daemon's, in contrast to one that nobody uttered.
fn refused(error: &error::Error) -> Result<Refusal> {
    if error.domain() == error::Domain::Rpc {
        bail!("the daemon does not answer: {error}");
    }
    Ok(Refusal {
        code: error.code() as i32,
        sentence: error.detail().to_owned(),
    })
}

/// What was told without what no two daemons have in common: where their files lie, and addresses that they make up.
fn placeless(told: &str, document: &str, root: &Path) -> String {
    let root = root.display().to_string();
    let told = told.replace(root.trim_end_matches('/'), "");
    let mut plain = String::with_capacity(told.len());
    let mut rest = told.as_str();
    // The prefix of addresses that are made up.
    while let Some(at) = rest.find("52:54:00:") {
        let (before, from) = rest.split_at(at);
        let (address, after) = from.split_at(from.len().min(17));
        plain.push_str(before);
        plain.push_str(if document.to_lowercase().contains(address) {
            address
        } else {
            "MAC"
        });
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_anyhow_is_left_out() {
        let told = "<mac address='52:54:00:12:34:56'/><mac address='52:54:00:ab:cd:ef'/><path>/tmp/fvX/root/var</path>";
        let document = "<mac address='52:54:00:AB:cd:ef'/>";
        assert_eq!(
            placeless(told, document, Path::new("/tmp/fvX/root/")),
            "<mac address='MAC'/><mac address='52:54:00:ab:cd:ef'/><path>/var</path>"
        );
        assert_eq!(placeless("/a", "", Path::new("/")), "/a");
    }

    #[test]
    fn a_document_has_an_identity() {
        assert!(with_uuid("<domain><name>a</name></domain>").contains("</name><uuid>"));
        assert_eq!(with_uuid("<uuid>x</uuid>"), "<uuid>x</uuid>");
    }
}
