//! Options of interfaces that not every kind has.

use super::unsupported;
use error::Result;
use model::domain::Domain;
use model::domain::devices::Interface;
use model::domain::devices::interface::{BackendType, InterfaceKind};
use xml::YesNo;

pub(super) fn check(domain: &Domain) -> Result<()> {
    domain.devices.interfaces.iter().try_for_each(check_one)
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
