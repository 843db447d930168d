//! Changes of one section of a network's document: `virNetworkUpdate`.
//!
//! A change names an element by what makes it one: an address, a name. It is made on a copy, which is then held against all that a
//! document must say, so a document that refuses a change is as it was.

mod dns;
mod forward;
mod leases;
mod port_group;

use super::{Network, wrong};
use error::{Code, Domain, Error, Result};

/// What is done (`virNetworkUpdateCommand`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpdateCommand {
    /// The element that is there becomes this one.
    Modify,
    /// The element goes.
    Delete,
    /// It becomes the last.
    AddLast,
    /// It becomes the first.
    AddFirst,
}

impl UpdateCommand {
    /// By its number.
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Modify,
            2 => Self::Delete,
            3 => Self::AddLast,
            4 => Self::AddFirst,
            _ => return None,
        })
    }
}

/// What is changed (`virNetworkUpdateSection`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each has the name of its element")]
pub enum Section {
    Bridge,
    Domain,
    Ip,
    DhcpHost,
    DhcpRange,
    Forward,
    ForwardInterface,
    ForwardPf,
    PortGroup,
    DnsHost,
    DnsTxt,
    DnsSrv,
}

impl Section {
    /// All, by their numbers from 1 on.
    const ALL: [Self; 12] = [
        Self::Bridge,
        Self::Domain,
        Self::Ip,
        Self::DhcpHost,
        Self::DhcpRange,
        Self::Forward,
        Self::ForwardInterface,
        Self::ForwardPf,
        Self::PortGroup,
        Self::DnsHost,
        Self::DnsTxt,
        Self::DnsSrv,
    ];

    /// By its number.
    pub fn of(number: u32) -> Option<Self> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Self::ALL.get(index).copied()
    }
}

impl Network {
    /// Changes the document. `parent` is the index of the `<ip>` that a lease's element is in; below zero, the one that has leases
    /// or, where there is none, the first. `text` is the element.
    ///
    /// # Errors
    /// As stock daemons: [`Code::OperationUnsupported`] for sections and commands that are no change of a network,
    /// [`Code::OperationInvalid`] for an element that is there already or is not there, and all of [`Network::from_xml`]. The
    /// document is as it was then.
    pub fn update(
        &mut self,
        command: UpdateCommand,
        section: Section,
        parent: i32,
        text: &str,
    ) -> Result<()> {
        let mut next = self.clone();
        match section {
            Section::DhcpHost => leases::host(&mut next, command, parent, text)?,
            Section::DhcpRange => leases::range(&mut next, command, parent, text)?,
            Section::ForwardInterface => forward::interface(&mut next, command, text)?,
            Section::PortGroup => port_group::change(&mut next, command, text)?,
            Section::DnsHost => dns::host(&mut next, command, text)?,
            Section::DnsTxt => dns::txt(&mut next, command, text)?,
            Section::DnsSrv => dns::srv(&mut next, command, text)?,
            Section::Bridge | Section::Domain | Section::Ip | Section::Forward | Section::ForwardPf => {
                return Err(unsupported(format!(
                    "network '{}': section {section:?} cannot be changed by parts; define the network anew",
                    self.name
                )));
            }
        }
        super::check::network(&mut next)?;
        *self = next;
        Ok(())
    }
}

/// What cannot be done to a section.
fn unsupported(sentence: String) -> Error {
    Error::new(Code::OperationUnsupported, Domain::Network, sentence)
}

/// What is not so, though the change takes it for so.
fn invalid(sentence: String) -> Error {
    Error::new(Code::OperationInvalid, Domain::Network, sentence)
}

/// Reads the element of a change.
fn read<T: xml::Element>(text: &str) -> Result<T> {
    xml::from_str(text).map_err(|err| match &err {
        xml::Error::Root { .. } => wrong(err.to_string()),
        _ => super::refused(err),
    })
}

/// Adds to a list, at the end that the command says.
fn add<T>(list: &mut Vec<T>, command: UpdateCommand, one: T) {
    match command {
        UpdateCommand::AddFirst => list.insert(0, one),
        _ => list.push(one),
    }
}

#[cfg(test)]
mod tests;
