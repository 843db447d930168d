//! Options of interfaces that not every kind has.

use super::unsupported;
use error::Result;
use model::domain::Domain;
use model::domain::devices::Interface;
use model::domain::devices::interface::{BackendType, InterfaceKind};
use model::domain::memory::MemoryAccessMode;
use std::net::IpAddr;
use xml::YesNo;

pub(super) fn check(domain: &Domain) -> Result<()> {
    let interfaces = &domain.devices.interfaces;
    interfaces.iter().try_for_each(check_one)?;
    let shares_memory = |interface: &Interface| matches!(interface.kind, InterfaceKind::VhostUser { .. });
    if interfaces.iter().any(shares_memory) && !is_memory_shared(domain) {
        return Err(unsupported(
            "<interface type='vhostuser'> needs shared memory: <memoryBacking><access mode='shared'/>",
        ));
    }
    Ok(())
}

/// Whether other processes can map the guest's memory: all of it, or that of every NUMA node.
fn is_memory_shared(domain: &Domain) -> bool {
    let backing = domain.memory_backing.as_ref();
    let all = backing
        .and_then(|backing| backing.access.as_ref())
        .map(|access| access.mode);
    let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    match numa.map(|numa| &numa.cells) {
        Some(cells) if !cells.is_empty() => cells
            .iter()
            .all(|cell| cell.mem_access.or(all) == Some(MemoryAccessMode::Shared)),
        _ => all == Some(MemoryAccessMode::Shared),
    }
}

/// What passt is told.
fn check_passt(interface: &Interface) -> Result<()> {
    for forward in &interface.port_forwards {
        if let Some(address) = &forward.address
            && address.parse::<IpAddr>().is_err()
        {
            let text = format!("<portForward address='{address}'> is no address");
            return Err(super::wrong(text));
        }
    }
    Ok(())
}

/// The addresses that a guest is given by the host: one of each family.
fn check_addresses(interface: &Interface) -> Result<()> {
    let mut seen = [false; 2];
    let [v4, v6] = &mut seen;
    for ip in &interface.ips {
        if ip.peer.is_some() {
            return Err(unsupported(
                "<interface><ip peer>: a guest cannot be given the address of a peer",
            ));
        }
        let family = if ip.address.contains(':') {
            &mut *v6
        } else {
            &mut *v4
        };
        if std::mem::replace(family, true) {
            return Err(unsupported(
                "<interface><ip>: a guest is given one address of each family",
            ));
        }
    }
    Ok(())
}

fn check_one(interface: &Interface) -> Result<()> {
    let kind = interface.kind.name();
    let refuse = |what: &str| Err(unsupported(format!("<interface type='{kind}'>: {what}")));
    let user_mode = matches!(kind, "user" | "vhostuser");
    let passt = interface.backend.as_ref().and_then(|backend| backend.kind) == Some(BackendType::Passt);
    if passt && !user_mode {
        return refuse("<backend type='passt'> is for the types 'user' and 'vhostuser'");
    }
    if !interface.port_forwards.is_empty() && !passt {
        return refuse(
            "<portForward> needs <backend type='passt'/> in an interface of type 'user' or 'vhostuser'",
        );
    }
    if !interface.ips.is_empty() && !passt && !matches!(interface.kind, InterfaceKind::User { .. }) {
        return refuse("QEMU cannot set addresses in the guest (<ip>)");
    }
    model::network::complete_interface(&mut interface.clone())?;
    check_passt(interface)?;
    check_addresses(interface)?;
    if !interface.routes.is_empty() {
        return refuse("QEMU cannot set routes in the guest (<route>)");
    }
    if interface.virtual_port.is_some() && !matches!(kind, "network" | "bridge" | "direct" | "hostdev") {
        return refuse("<virtualport> is for interfaces on a switch");
    }
    if interface.mtu.is_some() && !matches!(kind, "network" | "bridge" | "ethernet" | "vhostuser") {
        return refuse("<mtu> cannot be set");
    }
    if interface.coalesce.is_some() && !matches!(kind, "network" | "bridge") {
        return refuse("<coalesce> is for the types 'network' and 'bridge'");
    }
    let isolated = interface.port.as_ref().and_then(|port| port.isolated) == Some(YesNo::Yes);
    if isolated && !matches!(kind, "network" | "bridge") {
        return refuse("<port isolated='yes'> is for the types 'network' and 'bridge'");
    }
    let managed = interface.target.as_ref().and_then(|target| target.managed);
    if managed == Some(YesNo::No) && kind != "ethernet" {
        return refuse("<target managed='no'> is for the type 'ethernet'");
    }
    match &interface.kind {
        InterfaceKind::Direct { source } if source.dev.is_none() && source.network.is_none() => Err(
            super::wrong("<interface type='direct'>: <source> names no device"),
        ),
        _ => Ok(()),
    }
}
