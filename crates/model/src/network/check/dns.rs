//! `<dns>`: records that can be told in dnsmasq's files.

use super::super::{Dns, DnsHost, Network, Srv, Txt, wrong};
use super::one_line;
use error::{Code, Domain, Error, Result};
use xml::YesNo;

/// libvirt's code for everything about a record.
fn detail(sentence: String) -> Error {
    Error::new(Code::XmlDetail, Domain::Network, sentence)
}

/// Completes the network's `<dns>`.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn check(network: &mut Network) -> Result<()> {
    let Some(mut dns) = network.dns.take().filter(|dns| *dns != Dns::default()) else {
        return Ok(());
    };
    if dns.enable == Some(YesNo::No) && dns.has_records() {
        return Err(wrong(format!(
            "<dns enable='no'>: network '{}' has no name server, and so nothing can be in it",
            network.name
        )));
    }
    for forwarder in &dns.forwarders {
        if forwarder.domain.is_none() && forwarder.addr.is_none() {
            return Err(wrong("<forwarder>: 'addr' or 'domain' is needed"));
        }
        one_line(
            "<forwarder domain>",
            forwarder.domain.as_deref().unwrap_or_default(),
        )?;
    }
    dns.txts.iter().try_for_each(txt)?;
    dns.srvs.iter_mut().try_for_each(srv)?;
    dns.hosts.iter().try_for_each(host)?;
    network.dns = Some(dns);
    Ok(())
}

/// Checks a text.
///
/// # Errors
/// [`Code::XmlDetail`].
pub(in crate::network) fn txt(txt: &Txt) -> Result<()> {
    one_line("<txt value>", &txt.value)?;
    if txt.name.contains([' ', ',']) || txt.name.contains(char::is_control) {
        return Err(detail(format!(
            "<txt name='{}'>: a name has no spaces and commas",
            txt.name.escape_debug()
        )));
    }
    Ok(())
}

/// Completes a service.
///
/// # Errors
/// [`Code::XmlDetail`].
pub(in crate::network) fn srv(srv: &mut Srv) -> Result<()> {
    // Nothing else is said in libvirt's documents, whose readers would not know it.
    srv.priority = srv.priority.filter(|priority| *priority != 0);
    srv.weight = srv.weight.filter(|weight| *weight != 0);
    for (what, text) in [("service", &srv.service), ("protocol", &srv.protocol)] {
        if !text.is_ascii() || text.contains(['.', ' ', ',']) || text.contains(char::is_control) {
            return Err(detail(format!(
                "<srv {what}='{}'>: a {what} is one word of ASCII letters",
                text.escape_debug()
            )));
        }
    }
    let name = &srv.service;
    one_line("<srv domain>", srv.domain.as_deref().unwrap_or_default())?;
    one_line("<srv target>", srv.target.as_deref().unwrap_or_default())?;
    if srv.port == Some(0) {
        return Err(detail(format!("<srv service='{name}'>: 0 is no port")));
    }
    let numbers = [
        ("port", srv.port),
        ("priority", srv.priority),
        ("weight", srv.weight),
    ];
    if srv.target.is_none()
        && let Some((what, _)) = numbers.iter().find(|(_, number)| number.is_some())
    {
        return Err(detail(format!(
            "<srv service='{name}'>: '{what}' says nothing without a 'target'"
        )));
    }
    Ok(())
}

/// Checks a host.
///
/// # Errors
/// [`Code::XmlDetail`].
pub(in crate::network) fn host(host: &DnsHost) -> Result<()> {
    let Some(ip) = host.ip else {
        return Err(detail(format!(
            "<host>: the host of names '{}' has no 'ip'",
            host.hostnames.join("', '")
        )));
    };
    if host.hostnames.is_empty() || host.hostnames.iter().any(String::is_empty) {
        return Err(detail(format!(
            "<host ip='{ip}'>: a <hostname> is missing or empty"
        )));
    }
    host.hostnames
        .iter()
        .try_for_each(|name| one_line("<hostname>", name))
}
