//! What interfaces of guests have as well: rates, tags, port profiles.

use super::super::{Bandwidth, PortGroup, Rate, VirtualPort, VirtualPortType, Vlan, unsupported, wrong};
use error::{Code, Domain, Error, Result};
use xml::YesNo;

/// Whether a rate may have a floor: ports of guests have, networks are what it is taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::network) enum Floor {
    Allowed,
    Refused,
}

/// Whether a port profile must say of what kind it is: a class of guests may leave that to the network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Needed,
    Optional,
}

/// Completes rates.
///
/// # Errors
/// [`Code::XmlDetail`], [`Code::ConfigUnsupported`], [`Code::Overflow`].
pub(in crate::network) fn bandwidth(bandwidth: Option<Bandwidth>, floor: Floor) -> Result<Option<Bandwidth>> {
    let Some(bandwidth) = bandwidth else {
        return Ok(None);
    };
    let inbound = rate("inbound", bandwidth.inbound, floor)?;
    let outbound = rate("outbound", bandwidth.outbound, Floor::Refused)?;
    if inbound.is_none() && outbound.is_none() {
        return Ok(None);
    }
    Ok(Some(Bandwidth { inbound, outbound }))
}

fn rate(direction: &str, rate: Option<Rate>, floor: Floor) -> Result<Option<Rate>> {
    /// What the kernel's schedulers count, as `networkcommon.rng` has it.
    const FASTEST: u64 = 18_014_398_509_481_984;
    /// KiB in a number of 32 bits of bytes.
    const LONGEST: u64 = 4_194_303;
    let Some(rate) = rate else { return Ok(None) };
    if rate.floor.is_some() && floor == Floor::Refused {
        return Err(unsupported(format!(
            "<{direction}>: 'floor' is for what interfaces of guests receive"
        )));
    }
    if rate.average.is_none() && rate.floor.is_none() {
        return Err(Error::new(
            Code::XmlDetail,
            Domain::Network,
            format!("<{direction}>: 'average' is missing"),
        ));
    }
    let numbers = [
        ("average", rate.average, FASTEST),
        ("peak", rate.peak, FASTEST),
        ("floor", rate.floor, FASTEST),
        ("burst", rate.burst, LONGEST),
    ];
    for (name, value, most) in numbers {
        if let Some(value) = value.filter(|value| *value > most) {
            return Err(Error::new(
                Code::Overflow,
                Domain::Network,
                format!("<{direction} {name}='{value}'>: {most} is the most"),
            ));
        }
    }
    let said = |number: Option<u64>| number.filter(|number| *number != 0);
    let rate = Rate {
        average: said(rate.average),
        peak: said(rate.peak),
        floor: said(rate.floor),
        burst: said(rate.burst),
    };
    // Without a rate of its own there is nothing that peaks and bursts could go beyond.
    Ok(Some(rate).filter(|rate| rate.average.is_some() || rate.floor.is_some()))
}

/// Completes tags.
///
/// # Errors
/// [`Code::XmlError`].
pub(in crate::network) fn vlan(vlan: Option<Vlan>) -> Result<Option<Vlan>> {
    let Some(mut vlan) = vlan else { return Ok(None) };
    if vlan.tags.is_empty() {
        return Err(wrong("<vlan>: there is no <tag>"));
    }
    if let Some(tag) = vlan.tags.iter().find(|tag| tag.id > 4095) {
        return Err(wrong(format!("<tag id='{}'>: 4095 is the most", tag.id)));
    }
    if vlan.tags.len() > 1 && vlan.trunk == Some(YesNo::No) {
        return Err(wrong("<vlan trunk='no'>: several tags need trunk='yes'"));
    }
    vlan.trunk = vlan.is_trunk().then_some(YesNo::Yes);
    Ok(Some(vlan))
}

/// Completes a port profile.
///
/// # Errors
/// [`Code::XmlError`] for parameters that its kind does not have, and for a missing kind.
pub(super) fn virtual_port(port: &mut Option<VirtualPort>, kind: Kind) -> Result<()> {
    let Some(port) = port else { return Ok(()) };
    if port.kind == Some(VirtualPortType::None) {
        return Err(unsupported("<virtualport>: there is no type='none'"));
    }
    if port.kind.is_none() && kind == Kind::Needed {
        return Err(wrong("<virtualport>: 'type' is missing"));
    }
    port.parameters = port
        .parameters
        .take()
        .filter(|parameters| *parameters != super::super::VirtualPortParameters::default());
    let Some(given) = &port.parameters else {
        return Ok(());
    };
    if given.typeid.is_some_and(|typeid| typeid > 0x00ff_ffff) {
        return Err(wrong("<virtualport>: 'typeid' has more than 24 bits"));
    }
    let Some(kind) = port.kind else { return Ok(()) };
    let (name, known): (&str, &[&str]) = match kind {
        VirtualPortType::Ieee8021Qbg => (
            "802.1Qbg",
            &["managerid", "typeid", "typeidversion", "instanceid"],
        ),
        VirtualPortType::Ieee8021Qbh => ("802.1Qbh", &["profileid"]),
        VirtualPortType::OpenVSwitch => ("openvswitch", &["interfaceid", "profileid"]),
        VirtualPortType::Midonet => ("midonet", &["interfaceid"]),
        VirtualPortType::None => return Ok(()),
    };
    let there = [
        ("managerid", given.managerid.is_some()),
        ("typeid", given.typeid.is_some()),
        ("typeidversion", given.typeidversion.is_some()),
        ("instanceid", given.instanceid.is_some()),
        ("interfaceid", given.interfaceid.is_some()),
        ("profileid", given.profileid.is_some()),
    ];
    for (parameter, there) in there {
        if there && !known.contains(&parameter) {
            return Err(wrong(format!(
                "<virtualport type='{name}'>: there is no parameter '{parameter}'"
            )));
        }
    }
    Ok(())
}

/// Completes a class of guests.
///
/// # Errors
/// What is missing or wrong.
pub(in crate::network) fn port_group(group: &mut PortGroup) -> Result<()> {
    if group.name.is_empty() {
        return Err(wrong("<portgroup>: 'name' is missing"));
    }
    super::one_line("<portgroup name>", &group.name)?;
    group.default = group.default.filter(|default| default.is_yes());
    group.vlan = vlan(group.vlan.take())?;
    group.bandwidth = bandwidth(group.bandwidth.take(), Floor::Refused)?;
    virtual_port(&mut group.virtual_port, Kind::Optional)
}
