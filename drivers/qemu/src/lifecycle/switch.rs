//! Open vSwitch: ports of its bridges with tags and limits, told to it by ovs-vsctl.
//!
//! Its database outlives a tap: a port that it was told of is there until it is told otherwise.

use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::Interface;
use model::domain::devices::bandwidth::{Bandwidth, Rate};
use model::domain::devices::interface::InterfaceKind;
use model::domain::devices::virtual_port::{NativeVlanMode, VirtualPortType, Vlan};
use tool::Tool;
use uuid::Uuid;
use xml::YesNo;

const PROGRAM: &str = "ovs-vsctl";

/// How many seconds the switch may take.
const PATIENCE: &str = "--timeout=5";

/// Kilobits of a kilobyte, and bits of a kilobyte and of a KiB.
const KILOBITS: u64 = 8;
const BITS: u64 = 8_000;
const BITS_OF_KIB: u64 = 8 * 1024;

/// Whether an interface is on a bridge of Open vSwitch.
pub(super) fn is_open_vswitch(interface: &Interface) -> bool {
    let kind = interface.virtual_port.as_ref().and_then(|port| port.kind);
    matches!(interface.kind, InterfaceKind::Bridge { .. }) && kind == Some(VirtualPortType::OpenVSwitch)
}

fn run<A: Into<std::ffi::OsString>>(arguments: impl IntoIterator<Item = A>) -> Result<()> {
    program(arguments).run_to_end().map(drop)
}

fn program<A: Into<std::ffi::OsString>>(arguments: impl IntoIterator<Item = A>) -> Tool {
    Tool::new(PROGRAM)
        .of(ErrorDomain::Qemu)
        .within(tool::PATIENCE)
        .with([PATIENCE])
        .with(arguments)
}

/// Refuses a link whose name programs would take for something else.
///
/// # Errors
/// [`Code::ConfigUnsupported`].
pub(super) fn refuse_odd(link: &str) -> Result<()> {
    if traffic::is_word(link) {
        return Ok(());
    }
    let text = format!(
        "<interface>: '{}' is no name that tc and ovs-vsctl can be told",
        link.escape_debug()
    );
    Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text))
}

/// Makes a tap a port of a bridge. Blocks. What the switch knew of an earlier one of its name is forgotten.
///
/// # Errors
/// ovs-vsctl's words; [`Code::NoSupport`] where it is not installed.
pub(super) fn join(interface: &Interface, tap: &str, bridge: &str, owner: Uuid) -> Result<()> {
    refuse_odd(tap)?;
    refuse_odd(bridge)?;
    let mac = interface
        .mac_address()
        .map(|mac| mac.to_string())
        .unwrap_or_default();
    let parameters = interface
        .virtual_port
        .as_ref()
        .and_then(|port| port.parameters.as_ref());
    let mut words: Vec<String> = [
        "--",
        "--if-exists",
        "del-port",
        tap,
        "--",
        "add-port",
        bridge,
        tap,
    ]
    .map(str::to_owned)
    .into();
    // After the host's next start there is no such tap.
    words.extend(["--", "set", "Port", tap, "other_config:transient=true"].map(str::to_owned));
    words.extend(tags(interface.vlan.as_ref()));
    let mut note = |name: &str, value: &str| {
        words.extend(["--", "set", "Interface", tap].map(str::to_owned));
        words.push(format!("external-ids:{name}={}", quoted(value)));
    };
    note("attached-mac", &mac);
    if let Some(id) = parameters.and_then(|parameters| parameters.interfaceid) {
        note("iface-id", &id.to_string());
    }
    note("vm-id", &owner.to_string());
    if let Some(profile) = parameters.and_then(|parameters| parameters.profileid.as_deref()) {
        note("port-profile", profile);
    }
    note("iface-status", "active");
    run(words).map_err(|err| err.context(format_args!("bridge '{bridge}'")))
}

/// A value as the database has it: a string, whatever is in it.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// The columns that say which tags a port's packets have.
fn tags(vlan: Option<&Vlan>) -> Vec<String> {
    let Some(vlan) = vlan else { return Vec::new() };
    let native = vlan.tags.iter().find(|tag| tag.native_mode.is_some());
    let mut columns = Vec::new();
    if let Some(native) = native {
        let mode = match native.native_mode {
            Some(NativeVlanMode::Tagged) => "native-tagged",
            _ => "native-untagged",
        };
        columns.extend([format!("vlan_mode={mode}"), format!("tag={}", native.id)]);
    }
    let ids: Vec<String> = vlan.tags.iter().map(|tag| tag.id.to_string()).collect();
    columns.push(if vlan.is_trunk() {
        format!("trunks={}", ids.join(","))
    } else {
        format!("tag={}", ids.join(","))
    });
    columns
}

/// Has the switch forget a port and its limits. Blocks. One that it does not know is fine.
///
/// # Errors
/// ovs-vsctl's words.
pub(super) fn leave(tap: &str) -> Result<()> {
    run(["--if-exists", "del-port", tap])?;
    forget_limits(tap)
}

/// Limits a port, which has no limits. Blocks.
///
/// # Errors
/// ovs-vsctl's words.
pub(super) fn limit(tap: &str, bandwidth: &Bandwidth, owner: Uuid) -> Result<()> {
    if let Some(inbound) = &bandwidth.inbound
        && let Some(average) = inbound.average
    {
        let ids = [
            format!("external-ids:vm-id={}", quoted(&owner.to_string())),
            format!("external-ids:ifname={}", quoted(tap)),
        ];
        let rates = rates(average, inbound);
        let mut words: Vec<String> = ["set", "Port", tap, "qos=@qos"].map(str::to_owned).into();
        words.extend(
            [
                "--",
                "--id=@qos",
                "create",
                "QoS",
                "type=linux-htb",
                "queues:0=@queue",
            ]
            .map(str::to_owned),
        );
        words.extend(rates.iter().chain(&ids).cloned());
        words.extend(["--", "--id=@queue", "create", "Queue"].map(str::to_owned));
        words.extend(rates.into_iter().chain(ids));
        run(words)?;
    }
    match bandwidth
        .outbound
        .as_ref()
        .and_then(|outbound| Some((outbound, outbound.average?)))
    {
        None => Ok(()),
        Some((outbound, average)) => {
            let burst = outbound.burst.unwrap_or(average).saturating_mul(KILOBITS);
            police(tap, average.saturating_mul(KILOBITS), burst)
        }
    }
}

fn rates(average: u64, rate: &Rate) -> Vec<String> {
    let mut rates = vec![
        format!("other_config:min-rate={}", average.saturating_mul(BITS)),
        format!(
            "other_config:max-rate={}",
            rate.peak.unwrap_or(average).saturating_mul(BITS)
        ),
    ];
    if let Some(burst) = rate.burst {
        rates.push(format!(
            "other_config:burst={}",
            burst.saturating_mul(BITS_OF_KIB)
        ));
    }
    rates
}

/// Takes all limits off a port. Blocks.
///
/// # Errors
/// ovs-vsctl's words.
pub(super) fn free(tap: &str) -> Result<()> {
    run(["clear", "Port", tap, "qos"])?;
    police(tap, 0, 0)?;
    forget_limits(tap)
}

/// Drops what a port receives beyond a rate, in kilobits; nothing for zero.
fn police(tap: &str, rate: u64, burst: u64) -> Result<()> {
    let columns = [
        format!("ingress_policing_rate={rate}"),
        format!("ingress_policing_burst={burst}"),
    ];
    let words = ["set", "Interface", tap].map(str::to_owned);
    run(words.into_iter().chain(columns))
}

/// Removes what the database has about limits of a port that uses them no more: that does not go by itself.
fn forget_limits(tap: &str) -> Result<()> {
    let ours = format!("external-ids:ifname={}", quoted(tap));
    for table in ["QoS", "Queue"] {
        let found =
            program(["--no-heading", "--columns=_uuid", "--bare", "find", table, &ours]).run_to_end()?;
        for row in found.split_whitespace() {
            run(["--if-exists", "destroy", table, row])?;
        }
    }
    Ok(())
}

/// Refuses what the switch of an interface does not know, and what no switch knows here.
///
/// # Errors
/// [`Code::ConfigUnsupported`] for what such an interface cannot have, [`Code::NoSupport`] for what is not built.
pub(super) fn check(interface: &Interface) -> Result<()> {
    let mac = interface
        .mac_address()
        .map(|mac| mac.to_string())
        .unwrap_or_default();
    let refused = |code, why: String| {
        let text = format!("interface {mac} - {why}");
        Err(Error::new(code, ErrorDomain::Domain, text))
    };
    let bridged = matches!(interface.kind, InterfaceKind::Bridge { .. });
    // A virtual function of a card is on a switch, too: the card's own.
    let passed = matches!(interface.kind, InterfaceKind::Hostdev { .. });
    if interface.vlan.is_some() && !bridged && !passed {
        let text = "vlan tag not supported for this connection type".to_owned();
        return refused(Code::ConfigUnsupported, text);
    }
    let kind = interface.virtual_port.as_ref().and_then(|port| port.kind);
    match kind {
        None | Some(VirtualPortType::None) => Ok(()),
        Some(VirtualPortType::OpenVSwitch) if bridged => {
            if interface.port.as_ref().and_then(|port| port.isolated) == Some(YesNo::Yes) {
                let text = "<port isolated='yes'> is for bridges of the kernel's, not of Open vSwitch";
                return refused(Code::ConfigUnsupported, text.to_owned());
            }
            Ok(())
        }
        Some(kind) => {
            let name = xml::Value::format(&kind);
            let direct = matches!(interface.kind, InterfaceKind::Direct { .. });
            let fits = match kind {
                VirtualPortType::Midonet => bridged,
                VirtualPortType::Ieee8021Qbg => direct,
                VirtualPortType::Ieee8021Qbh => direct || passed,
                _ => false,
            };
            if fits {
                refused(
                    Code::NoSupport,
                    format!("<virtualport type='{name}'> is not supported yet"),
                )
            } else {
                let text = format!("<virtualport type='{name}'> does not go with this connection type");
                refused(Code::ConfigUnsupported, text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::domain::devices::virtual_port::VlanTag;

    fn vlan(trunk: Option<YesNo>, tags: &[(u16, Option<NativeVlanMode>)]) -> Vlan {
        let tag = |(id, native_mode): &(u16, Option<NativeVlanMode>)| VlanTag {
            id: *id,
            native_mode: *native_mode,
        };
        Vlan {
            trunk,
            tags: tags.iter().map(tag).collect(),
        }
    }

    #[test]
    fn tags_are_columns_of_a_port() {
        assert_eq!(tags(Some(&vlan(None, &[(42, None)]))), ["tag=42"]);
        let trunk = vlan(
            Some(YesNo::Yes),
            &[(42, None), (47, Some(NativeVlanMode::Untagged))],
        );
        assert_eq!(
            tags(Some(&trunk)),
            ["vlan_mode=native-untagged", "tag=47", "trunks=42,47"]
        );
        assert_eq!(tags(None), Vec::<String>::new());
    }

    #[test]
    fn what_a_document_says_is_one_value_of_the_database() {
        assert_eq!(quoted("a\" b\\"), "\"a\\\" b\\\\\"");
    }
}
