//! What a caller must be allowed to do: `object:permission`, sometimes only when a flag is given.

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
