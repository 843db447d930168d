//! Rules that hold only for some calls: those with a flag, those without, those with a value in another field.

use super::encoded::Encoded;
use protocol::When;

/// The public headers' values of the flags that rules speak of.
const FLAGS: &[(&str, u32)] = &[
    ("VIR_DOMAIN_AFFECT_LIVE", 1),
    ("VIR_DOMAIN_AFFECT_CONFIG", 2),
    ("VIR_DOMAIN_XML_SECURE", 1),
    ("VIR_DOMAIN_XML_MIGRATABLE", 8),
    ("VIR_DOMAIN_REBOOT_GUEST_AGENT", 2),
    ("VIR_DOMAIN_SHUTDOWN_GUEST_AGENT", 2),
    ("VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE", 64),
    ("VIR_DOMAIN_SNAPSHOT_XML_SECURE", 1),
    ("VIR_DOMAIN_SAVE_IMAGE_XML_SECURE", 1),
    ("VIR_DOMAIN_CHECKPOINT_CREATE_QUIESCE", 2),
    ("VIR_DOMAIN_CHECKPOINT_XML_SECURE", 1),
    ("VIR_DOMAIN_VCPU_GUEST", 8),
    ("VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT", 1),
    ("VIR_NETWORK_UPDATE_AFFECT_LIVE", 1),
    ("VIR_NETWORK_UPDATE_AFFECT_CONFIG", 2),
    ("VIR_NODE_DEVICE_UPDATE_AFFECT_LIVE", 1),
    ("VIR_NODE_DEVICE_UPDATE_AFFECT_CONFIG", 2),
];

/// The value of a flag, or of several joined by `|`.
pub(super) fn value(names: &str) -> Option<u32> {
    names.split('|').try_fold(0, |bits, name| {
        let (_, value) = FLAGS.iter().find(|(known, _)| *known == name)?;
        Some(bits | value)
    })
}

/// Whether a rule holds for a call with these arguments. One that cannot be judged holds.
pub(super) fn holds(when: When, arguments: &Encoded<'_>) -> bool {
    let word = |field| arguments.field(field).and_then(|value| value.word());
    let judged = match when {
        When::Always => Some(true),
        When::Set(flag) => value(flag)
            .zip(word("flags"))
            .map(|(bits, word)| word & bits != 0),
        When::Unset(flags) => value(flags)
            .zip(word("flags"))
            .map(|(bits, word)| word & bits == 0),
        When::Field(field, wanted) => value(wanted).zip(word(field)).map(|(value, word)| word == value),
    };
    judged.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Kind;
    use xdr::Schema;

    #[test]
    fn every_rule_of_the_table_can_be_judged() {
        for program in protocol::PROGRAMS {
            for procedure in program.procedures {
                let Kind::Call { args, .. } = &procedure.kind else {
                    continue;
                };
                for rule in procedure.acl {
                    let (field, names) = match rule.when {
                        When::Always => continue,
                        When::Set(names) | When::Unset(names) => ("flags", names),
                        When::Field(field, names) => (field, names),
                    };
                    assert!(value(names).is_some(), "{names}");
                    let Schema::Struct(fields) = (args.schema)() else {
                        panic!("{} has no fields", procedure.name)
                    };
                    let found = fields.iter().find(|(name, _)| *name == field);
                    assert!(
                        matches!(found, Some((_, Schema::Int | Schema::UnsignedInt))),
                        "{}",
                        procedure.name
                    );
                }
            }
        }
    }
}
