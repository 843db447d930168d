//! What a daemon makes of a document.

use crate::bench::daemons::Daemon;
use crate::bench::load;
use anyhow::{Result, bail};
use client::Client;
use compare::CommandLine;
use protocol::remote::procedure as p;
use protocol::remote::{
    ConnectDomainXmlToNativeArgs, DomainDefineXmlArgs, DomainGetXmlDescArgs, DomainUndefineFlagsArgs,
};
use std::path::{Path, PathBuf};

/// A refusal, or what came back as lines that can be compared.
pub(super) type Answer = std::result::Result<Vec<String>, Refusal>;

/// The code and the sentence of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) sentence: String,
}

impl Refusal {
    /// That of a daemon which a document has ended: no error has that code.
    pub(super) fn ended() -> Self {
        Self {
            code: -1,
            sentence: "it has ended".to_owned(),
        }
    }
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

/// A daemon that is asked, and started anew where a document ended it.
pub(super) struct Asked {
    daemon: Daemon,
    client: Client,
    /// Where its files lie.
    root: PathBuf,
}

impl Asked {
    /// Starts a daemon whose files lie below `root`.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start(mut daemon: Daemon, root: PathBuf) -> Result<Self> {
        daemon.start()?;
        daemon.connect()?;
        let client = load::open(&daemon.socket()).await?;
        Ok(Self { daemon, client, root })
    }

    /// What it makes of a document.
    ///
    /// # Errors
    /// It does not start anew after a document has ended it, or does not remove what it was given.
    pub(super) async fn answers(&mut self, text: &str) -> Result<Answers> {
        let text = &placed(text, &self.root);
        let definition = self.definition(text).await;
        let definition = self.alive(definition).await?;
        let command = self.command(text).await;
        let command = self.alive(command).await?;
        Ok(Answers { definition, command })
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end.
    pub(super) fn stop(mut self) -> Result<()> {
        self.daemon.stop()
    }

    async fn definition(&self, text: &str) -> Result<Answer> {
        let args = DomainDefineXmlArgs { xml: text.to_owned() };
        let defined = match self.client.call::<p::DomainDefineXml>(&args).await {
            Err(refusal) => return refused(&refusal).map(Err),
            Ok(defined) => defined,
        };
        let args = DomainGetXmlDescArgs {
            dom: defined.dom.clone(),
            flags: INACTIVE,
        };
        let document = self.client.call::<p::DomainGetXmlDesc>(&args).await;
        let args = DomainUndefineFlagsArgs {
            dom: defined.dom,
            flags: WITH_VARIABLES,
        };
        self.client.call::<p::DomainUndefineFlags>(&args).await?;
        match document {
            Ok(told) => Ok(Ok(compare::lines(&placeless(&told.xml, text, &self.root))?)),
            Err(refusal) => refused(&refusal).map(Err),
        }
    }

    async fn command(&self, text: &str) -> Result<Answer> {
        let args = ConnectDomainXmlToNativeArgs {
            native_format: "qemu-argv".to_owned(),
            domain_xml: text.to_owned(),
            flags: 0,
        };
        let told = match self.client.call::<p::ConnectDomainXmlToNative>(&args).await {
            Err(refusal) => return refused(&refusal).map(Err),
            Ok(told) => placeless(&told.native_config, text, &self.root),
        };
        match CommandLine::of_shell(&told) {
            Some(mut line) => {
                // Libraries of whoever runs this: libvirt's guests have them from its daemon.
                line.environment
                    .retain(|variable| !variable.starts_with("LD_LIBRARY_PATH="));
                Ok(Ok([line.environment, line.options].concat()))
            }
            None => bail!("no command line: {told}"),
        }
    }

    /// The answer of a daemon that still runs; where it does not, it is started anew, and that is the answer.
    async fn alive(&mut self, answer: Result<Answer>) -> Result<Answer> {
        let Err(failure) = answer else {
            return answer;
        };
        // What runs and serves has answered, whatever there was wrong with it.
        if load::open(&self.daemon.socket()).await.is_ok() {
            return Err(failure);
        }
        self.daemon.kill()?;
        self.daemon.start()?;
        self.daemon.connect()?;
        self.client = load::open(&self.daemon.socket()).await?;
        Ok(Err(Refusal::ended()))
    }
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

/// A document whose files of the daemon's own lie below `root`, where a daemon that has its files there knows them.
fn placed(document: &str, root: &Path) -> String {
    let own = "/var/lib/libvirt/qemu/";
    let root = root.display().to_string();
    let there = format!("{}{own}", root.trim_end_matches('/'));
    ['\'', '"', '>'].iter().fold(document.to_owned(), |text, before| {
        text.replace(&format!("{before}{own}"), &format!("{before}{there}"))
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
    fn the_daemons_own_files_lie_below_its_root() {
        let text =
            "<a path='/var/lib/libvirt/qemu/x'>/var/lib/libvirt/qemu/y</a><b>/srv/var/lib/libvirt/qemu/z</b>";
        let placed = placed(text, Path::new("/r/"));
        assert_eq!(
            placed,
            "<a path='/r/var/lib/libvirt/qemu/x'>/r/var/lib/libvirt/qemu/y</a><b>/srv/var/lib/libvirt/qemu/z</b>"
        );
        assert_eq!(placeless(&placed, text, Path::new("/r/")), text);
    }

    #[test]
    fn a_document_has_an_identity() {
        assert!(with_uuid("<domain><name>a</name></domain>").contains("</name><uuid>"));
        assert_eq!(with_uuid("<uuid>x</uuid>"), "<uuid>x</uuid>");
    }
}
