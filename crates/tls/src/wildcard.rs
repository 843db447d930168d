//! Patterns of names: `*` stands for any characters, none included; all else for itself.

/// Whether all of `name` is as `pattern` says.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // The part before is not the last one: where it stands first, there is most room for the others.
        if let Some(before) = last.replace(part) {
            let Some((_, behind)) = rest.split_once(before) else {
                return false;
            };
            rest = behind;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_part() {
        for (pattern, name, expected) in [
            ("CN=a", "CN=a", true),
            ("CN=a", "CN=ab", false),
            ("CN=a", "C=GB,CN=a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("C=GB,*,CN=*", "C=GB,O=x,CN=joe", true),
            ("C=GB,*,CN=*", "C=GB,CN=joe", false),
            ("*CN=a*b", "O=x,CN=ab", true),
            ("*CN=a*b", "O=x,CN=a,b,c", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("a**b", "a-b", true),
            ("CN=?", "CN=a", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
