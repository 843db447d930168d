//! What a caller must be allowed to do: `object:permission`, sometimes only when a flag is given.

use crate::PROGRAMS;
use std::collections::BTreeMap;

/// One access rule of a procedure, from its line in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AclRule {
    /// The kind of object: `domain`, `network`, `connect`, ...; `none` where nothing is asked.
    pub object: &'static str,
    /// The permission on it: `getattr`, `read`, `write`, `start`, ...; empty for `none`.
    pub permission: &'static str,
    /// When the rule applies.
    pub when: When,
}

/// When an [`AclRule`] applies, by the names of the public flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// When the flag is set in the call's `flags`.
    Set(&'static str),
    /// When none of these flags, joined by `|`, is set: `0` and `CURRENT` mean both.
    Unset(&'static str),
    /// When another field of the arguments holds the value: (field, value).
    Field(&'static str, &'static str),
}

impl AclRule {
    /// Whether its permission is for looking only ("Anonymous" in libvirt's documentation): at what an object is, or at which
    /// objects the host has. To see what is inside an object is more.
    fn is_for_looking(&self) -> bool {
        matches!(self.permission, "read" | "getattr")
            || self.object == "connect" && self.permission.starts_with("search_")
    }

    /// Reads `object:permission[:flag]`, the form of the table, at compile time.
    pub(crate) const fn parse(text: &'static str) -> Self {
        let (object, rest) = cut(text);
        let (permission, rest) = cut(rest);
        let (flag, value) = cut(rest);
        let when = match flag.as_bytes() {
            // `object:permission::field:value`
            [] if !value.is_empty() => {
                let (field, value) = cut(value);
                When::Field(field, value)
            }
            [] => When::Always,
            [b'!', ..] => When::Unset(flag.split_at(1).1),
            _ => When::Set(flag),
        };
        Self {
            object,
            permission,
            when,
        }
    }
}

/// The name that a permission has in polkit: `org.libvirt.api.storage-pool.search-storage-vols`.
pub fn action(object: &str, permission: &str) -> String {
    format!("org.libvirt.api.{object}.{permission}").replace('_', "-")
}

/// Every permission that any call or list asks for, with whether it is for looking only: then everybody has it, unless a
/// policy says otherwise.
pub fn permissions() -> BTreeMap<(&'static str, &'static str), bool> {
    let procedures = PROGRAMS.iter().flat_map(|program| program.procedures);
    let rules = procedures.flat_map(|procedure| procedure.acl.iter().chain(procedure.filter));
    rules
        .filter(|rule| !rule.permission.is_empty())
        .map(|rule| ((rule.object, rule.permission), rule.is_for_looking()))
        .collect()
}

/// The text before the first colon and after it.
const fn cut(text: &'static str) -> (&'static str, &'static str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if let Some((_, [b':', ..])) = bytes.split_at_checked(at) {
            return (text.split_at(at).0, text.split_at(at + 1).1);
        }
        at += 1;
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_rule() {
        let rule = |object, permission, when| AclRule {
            object,
            permission,
            when,
        };
        assert_eq!(AclRule::parse("none"), rule("none", "", When::Always));
        assert_eq!(
            AclRule::parse("domain:start"),
            rule("domain", "start", When::Always)
        );
        assert_eq!(
            AclRule::parse("domain:read_secure:VIR_DOMAIN_XML_SECURE"),
            rule("domain", "read_secure", When::Set("VIR_DOMAIN_XML_SECURE"))
        );
        assert_eq!(
            AclRule::parse("domain:save:!A|B"),
            rule("domain", "save", When::Unset("A|B"))
        );
        assert_eq!(
            AclRule::parse("domain:write::source:X"),
            rule("domain", "write", When::Field("source", "X"))
        );
    }
}
