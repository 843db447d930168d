//! `<forward>` by mode.

use super::super::{Forward, ForwardInterface, ForwardMode, Network, wrong};
use super::one_line;
use error::{Code, Domain, Error, Result};
use xml::YesNo;

/// Completes the network's `<forward>`.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn check(network: &mut Network) -> Result<()> {
    let Some(mut forward) = network.forward.take() else {
        return Ok(());
    };
    if forward.mode == ForwardMode::None {
        return Ok(());
    }
    devices(&mut forward)?;
    nat(&mut forward)?;
    let mode = forward.mode.name();
    match forward.mode {
        ForwardMode::Nat | ForwardMode::Route => {
            if network.ips.is_empty() {
                return Err(wrong(format!(
                    "<forward mode='{mode}'>: network '{}' has no <ip>",
                    network.name
                )));
            }
            if forward.interfaces.len() > 1 {
                return Err(wrong(format!(
                    "<forward mode='{mode}'>: network '{}' can have one <interface>, not {}",
                    network.name,
                    forward.interfaces.len()
                )));
            }
        }
        ForwardMode::Open if !forward.interfaces.is_empty() => {
            return Err(wrong(format!(
                "<forward mode='open'>: network '{}' cannot choose a 'dev', as no rules are set",
                network.name
            )));
        }
        _ => {}
    }
    forward.managed = match forward.mode {
        ForwardMode::Hostdev => Some(forward.managed.unwrap_or(YesNo::No)),
        _ => None,
    };
    network.forward = Some(forward);
    Ok(())
}

/// The interfaces and devices: each once, and the first interface is the `dev`.
fn devices(forward: &mut Forward) -> Result<()> {
    let named = forward.dev.take().filter(|dev| !dev.is_empty());
    match (named, forward.interfaces.first()) {
        (Some(dev), Some(first)) if first.dev != dev => {
            return Err(wrong(format!(
                "<forward dev='{dev}'>: the first <interface> is '{}' and not the same",
                first.dev
            )));
        }
        (Some(dev), None) => forward.interfaces.push(ForwardInterface {
            dev,
            connections: None,
        }),
        _ => {}
    }
    for (index, interface) in forward.interfaces.iter().enumerate() {
        one_line("<forward><interface dev>", &interface.dev)?;
        if interface.dev.is_empty() {
            return Err(wrong(format!(
                "<forward>: <interface> {} has no 'dev'",
                index + 1
            )));
        }
    }
    for (index, interface) in forward.interfaces.iter().enumerate() {
        if forward
            .interfaces
            .iter()
            .take(index)
            .any(|other| other.dev == interface.dev)
        {
            return Err(wrong(format!(
                "<forward>: <interface dev='{}'> is there twice",
                interface.dev
            )));
        }
    }
    for (index, device) in forward.addresses.iter().enumerate() {
        if forward
            .addresses
            .iter()
            .take(index)
            .any(|other| other.address == device.address)
        {
            return Err(wrong(format!(
                "<forward>: <address> {} is there twice",
                device.address
            )));
        }
    }
    if !forward.interfaces.is_empty() {
        forward.addresses.clear();
    }
    if !forward.interfaces.is_empty() || !forward.addresses.is_empty() {
        forward.pf = None;
    }
    forward.dev = forward.interfaces.first().map(|first| first.dev.clone());
    Ok(())
}

fn nat(forward: &mut Forward) -> Result<()> {
    let Some(mut nat) = forward.nat.take() else {
        return Ok(());
    };
    if forward.mode != ForwardMode::Nat {
        return Err(wrong(format!(
            "<nat>: can be used with <forward mode='nat'> only, not with '{}'",
            forward.mode.name()
        )));
    }
    if let Some(range) = &nat.address
        && range.start > range.end
    {
        return Err(Error::new(
            Code::InternalError,
            Domain::Network,
            format!(
                "<nat>: <address start='{}' end='{}'> goes backwards",
                range.start, range.end
            ),
        ));
    }
    if let Some(range) = &nat.port
        && range.start > range.end
    {
        return Err(Error::new(
            Code::XmlDetail,
            Domain::Network,
            format!(
                "<nat>: <port start='{}' end='{}'> goes backwards",
                range.start, range.end
            ),
        ));
    }
    nat.port = nat.port.filter(|range| range.end != 0);
    forward.nat = Some(nat).filter(|nat| *nat != super::super::Nat::default());
    Ok(())
}
