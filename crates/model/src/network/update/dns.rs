//! `<host>`, `<txt>` and `<srv>` in `<dns>`.

use super::super::{DnsHost, Network, Srv, Txt, check};
use super::{UpdateCommand, add, invalid, read, unsupported};
use error::{Code, Domain, Error, Result};
use xml::Element;

fn detail(sentence: String) -> Error {
    Error::new(Code::XmlDetail, Domain::Network, sentence)
}

/// Changes a list, where `places` are of those that the change could be about and `told` is how a sentence names it.
fn change<T>(
    network: &str,
    list: &mut Vec<T>,
    command: UpdateCommand,
    places: &[usize],
    told: &str,
    wanted: Option<T>,
) -> Result<()> {
    let alone = match places {
        [] => None,
        [place] => Some(*place),
        [place, ..] if command == UpdateCommand::Modify => Some(*place),
        several => {
            return Err(invalid(format!(
                "{told}: network '{network}' has {} records that could be meant",
                several.len()
            )));
        }
    };
    match (command, alone, wanted) {
        (UpdateCommand::Delete, Some(place), _) => {
            list.remove(place);
        }
        (UpdateCommand::Modify, Some(place), Some(wanted)) => {
            if let Some(known) = list.get_mut(place) {
                *known = wanted;
            }
        }
        (UpdateCommand::AddFirst | UpdateCommand::AddLast, None, Some(wanted)) => add(list, command, wanted),
        (UpdateCommand::AddFirst | UpdateCommand::AddLast, Some(_), _) => {
            return Err(invalid(format!(
                "{told}: network '{network}' has this record already"
            )));
        }
        _ => return Err(invalid(format!("{told}: network '{network}' has no such record"))),
    }
    Ok(())
}

/// Where those are in a list that fit.
fn places<T>(list: &[T], fits: impl Fn(&T) -> bool) -> Vec<usize> {
    let fitting = list.iter().enumerate().filter(|(_, one)| fits(one));
    fitting.map(|(place, _)| place).collect()
}

pub(super) fn host(network: &mut Network, command: UpdateCommand, text: &str) -> Result<()> {
    let wanted: DnsHost = read(text)?;
    let deletes = command == UpdateCommand::Delete;
    if !deletes {
        check::dns::host(&wanted)?;
    } else if wanted.ip.is_none() && wanted.hostnames.is_empty() {
        return Err(detail(
            "<host>: an 'ip' or a <hostname> is needed to tell which one goes".to_owned(),
        ));
    }
    let hosts = &mut network.dns.get_or_insert_default().hosts;
    // The name of a host may be another one's too.
    let fits = |host: &DnsHost| {
        (wanted.ip.is_some() && host.ip == wanted.ip)
            || deletes && host.hostnames.iter().any(|name| wanted.hostnames.contains(name))
    };
    let (places, told) = (places(hosts, fits), xml::to_string(&wanted));
    change(&network.name, hosts, command, &places, told.trim(), Some(wanted))
}

/// A text by its name alone.
#[derive(Debug, Element)]
#[xml(element = "txt")]
struct TxtName {
    #[xml(attr)]
    name: String,
}

pub(super) fn txt(network: &mut Network, command: UpdateCommand, text: &str) -> Result<()> {
    let TxtName { name } = read(text)?;
    let wanted = match command {
        UpdateCommand::Delete => None,
        _ => {
            let wanted: Txt = read(text)?;
            check::dns::txt(&wanted)?;
            Some(wanted)
        }
    };
    let txts = &mut network.dns.get_or_insert_default().txts;
    let places = places(txts, |txt| txt.name == name);
    change(
        &network.name,
        txts,
        command,
        &places,
        &format!("<txt name='{name}'>"),
        wanted,
    )
}

/// What a service is known by; what is missing fits all.
#[derive(Debug, Element)]
#[xml(element = "srv")]
struct SrvPattern {
    #[xml(attr)]
    service: Option<String>,
    #[xml(attr)]
    protocol: Option<String>,
    #[xml(attr)]
    domain: Option<String>,
    #[xml(attr)]
    target: Option<String>,
}

impl SrvPattern {
    fn fits(&self, srv: &Srv) -> bool {
        let is =
            |wanted: &Option<String>, known: Option<&String>| wanted.is_none() || wanted.as_ref() == known;
        is(&self.service, Some(&srv.service))
            && is(&self.protocol, Some(&srv.protocol))
            && is(&self.domain, srv.domain.as_ref())
            && is(&self.target, srv.target.as_ref())
    }
}

pub(super) fn srv(network: &mut Network, command: UpdateCommand, text: &str) -> Result<()> {
    if command == UpdateCommand::Modify {
        return Err(unsupported(format!(
            "<srv>: services of network '{}' can be added and deleted, not modified",
            network.name
        )));
    }
    let pattern: SrvPattern = read(text)?;
    let wanted = match command {
        UpdateCommand::Delete => None,
        _ => {
            let mut wanted: Srv = read(text)?;
            check::dns::srv(&mut wanted)?;
            Some(wanted)
        }
    };
    let srvs = &mut network.dns.get_or_insert_default().srvs;
    let (places, told) = (places(srvs, |srv| pattern.fits(srv)), xml::to_string(&pattern));
    let places = match (command, places.first()) {
        // One that is there is reason enough.
        (UpdateCommand::AddFirst | UpdateCommand::AddLast, Some(place)) => vec![*place],
        _ => places,
    };
    change(&network.name, srvs, command, &places, told.trim(), wanted)
}
