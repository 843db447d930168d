//! What a client that only looks may do.
//!
//! It may do what needs no other permission than looking (`read`, `getattr`, `search_...`); where a flag of the call asks for
//! more (`VIR_DOMAIN_XML_SECURE`), the flag decides.

use super::condition;
use error::{Code, Domain, Error, Result};
use protocol::{Body, Kind, ProcedureInfo, When};
use xdr::Schema;

/// Whether a permission is for looking only.
fn looks(permission: &str) -> bool {
    matches!(permission, "" | "read" | "getattr") || permission.starts_with("search_")
}

/// Whether a procedure changes nothing unless a flag says otherwise.
pub(super) fn read_only(procedure: &ProcedureInfo) -> bool {
    procedure
        .acl
        .iter()
        .all(|rule| rule.when != When::Always || looks(rule.permission))
}

/// A value in a call's arguments that a read-only client may not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forbidden {
    /// How many bytes before the end of the arguments the field starts.
    from_end: usize,
    /// How the field's value is judged.
    value: ForbiddenValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForbiddenValue {
    /// Any of these bits.
    Bits(u32),
    /// This value.
    Exactly(u32),
    /// Whatever it is: this version cannot judge it.
    Always,
}

/// What a read-only client may not ask of a procedure that it may call.
pub(crate) fn forbidden(procedure: &ProcedureInfo) -> Vec<Forbidden> {
    if !read_only(procedure) {
        return Vec::new();
    }
    let rules = procedure.acl.iter().filter(|rule| !looks(rule.permission));
    rules
        .map(|rule| {
            let (field, value) = match rule.when {
                When::Set(flag) => ("flags", condition::value(flag).map(ForbiddenValue::Bits)),
                When::Field(field, value) => (field, condition::value(value).map(ForbiddenValue::Exactly)),
                When::Unset(_) | When::Always => ("flags", None),
            };
            match (from_end(procedure, field), value) {
                (Some(from_end), Some(value)) => Forbidden { from_end, value },
                _ => Forbidden {
                    from_end: 4,
                    value: ForbiddenValue::Always,
                },
            }
        })
        .collect()
}

/// How many bytes before the end of a call's arguments a field starts, if all from there on are words.
fn from_end(procedure: &ProcedureInfo, field: &str) -> Option<usize> {
    let Kind::Call {
        args: Body { schema, .. },
        ..
    } = &procedure.kind
    else {
        return None;
    };
    let Schema::Struct(fields) = schema() else {
        return None;
    };
    let words = fields
        .iter()
        .rev()
        .take_while(|(_, schema)| matches!(schema, Schema::Int | Schema::UnsignedInt));
    words
        .map(|(name, _)| *name)
        .position(|name| name == field)
        .map(|behind| 4 * (behind + 1))
}

/// Judges the arguments of a read-only client's call.
///
/// # Errors
/// It asks for more than looking.
pub(crate) fn judge(procedure: &ProcedureInfo, rules: &[Forbidden], arguments: &[u8]) -> Result<()> {
    for rule in rules {
        let word = arguments
            .len()
            .checked_sub(rule.from_end)
            .and_then(|start| arguments.get(start..)?.first_chunk::<4>())
            .map(|word| u32::from_be_bytes(*word));
        let refused = match (rule.value, word) {
            (ForbiddenValue::Bits(bits), Some(word)) => word & bits != 0,
            (ForbiddenValue::Exactly(value), Some(word)) => word == value,
            (ForbiddenValue::Always, _) | (_, None) => true,
        };
        if refused {
            let function = procedure.function();
            let secure = procedure.acl.iter().any(|rule| rule.permission == "read_secure");
            return Err(if secure {
                denied(procedure, format_args!("{function} with secure flag"))
            } else {
                denied(procedure, format_args!("read only access prevents {function}"))
            });
        }
    }
    Ok(())
}

pub(super) fn denied(procedure: &ProcedureInfo, text: std::fmt::Arguments<'_>) -> Error {
    let object = procedure.acl.first().map_or("", |rule| rule.object);
    let domain = match object {
        "domain" => Domain::Domain,
        "network" | "network_port" => Domain::Network,
        "storage_pool" | "storage_vol" => Domain::Storage,
        "secret" => Domain::Secret,
        "nwfilter" | "nwfilter_binding" => Domain::Nwfilter,
        "node_device" => Domain::Nodedev,
        "interface" => Domain::Interface,
        _ => Domain::Rpc,
    };
    Error::new(Code::OperationDenied, domain, text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Procedure;
    use protocol::remote as types;
    use protocol::remote::procedure as remote;

    fn line<P: Procedure>() -> &'static ProcedureInfo {
        P::INFO
    }

    #[test]
    fn looking_is_all_a_read_only_client_may() {
        for allowed in [
            line::<remote::ConnectOpen>(),
            line::<remote::ConnectListAllDomains>(),
            line::<remote::DomainGetInfo>(),
            line::<remote::DomainGetXmlDesc>(),
            line::<remote::ConnectDomainEventCallbackRegisterAny>(),
        ] {
            assert!(read_only(allowed), "{}", allowed.name);
        }
        for denied in [
            line::<remote::DomainDestroy>(),
            line::<remote::DomainDefineXmlFlags>(),
            line::<remote::DomainScreenshot>(),
            line::<remote::DomainOpenConsole>(),
            line::<remote::DomainReboot>(),
            line::<remote::SecretGetValue>(),
            line::<protocol::qemu::procedure::DomainMonitorCommand>(),
        ] {
            assert!(!read_only(denied), "{}", denied.name);
        }
    }

    #[test]
    fn a_flag_may_ask_for_more_than_looking() {
        let info = line::<remote::DomainGetXmlDesc>();
        let dom = types::Domain {
            name: "a".to_owned(),
            uuid: [1; 16],
            id: -1,
        };
        let judged = |flags| {
            let args = types::DomainGetXmlDescArgs {
                dom: dom.clone(),
                flags,
            };
            judge(info, &forbidden(info), &xdr::to_bytes(&args).unwrap())
        };
        assert!(judged(0).is_ok() && judged(2).is_ok());
        for flags in [1, 8, 3] {
            let refusal = judged(flags).unwrap_err();
            assert_eq!(
                refusal.to_string(),
                "operation forbidden: virDomainGetXMLDesc with secure flag"
            );
        }
        let info = line::<remote::DomainInterfaceAddresses>();
        let judged = |source| {
            let args = types::DomainInterfaceAddressesArgs {
                dom: dom.clone(),
                source,
                flags: 0,
            };
            judge(info, &forbidden(info), &xdr::to_bytes(&args).unwrap())
        };
        assert!(judged(0).is_ok() && judged(1).is_err());
    }

    #[test]
    fn every_rule_of_the_table_can_be_judged() {
        for program in protocol::PROGRAMS {
            for procedure in program.procedures {
                for rule in forbidden(procedure) {
                    assert_ne!(rule.value, ForbiddenValue::Always, "{}", procedure.name);
                }
            }
        }
    }
}
