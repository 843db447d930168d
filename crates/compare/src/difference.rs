//! What only one of two lists of lines has.

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// The lines that only `expected` has, begun by `-`, and those that only `found` has, begun by `+`, in their order.
pub fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for change in capture_diff_slices(Algorithm::Patience, expected, found) {
        let (tag, old, new) = change.as_tag_tuple();
        if tag != DiffTag::Equal {
            let lost = expected.get(old).unwrap_or_default();
            let more = found.get(new).unwrap_or_default();
            lines.extend(lost.iter().map(|line| format!("-{line}")));
            lines.extend(more.iter().map(|line| format!("+{line}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_has_is_told_in_order() {
        let lines = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(differences(&lines("abcd"), &lines("abcd")), [""; 0]);
        assert_eq!(differences(&lines("abcd"), &lines("acxd")), ["-b", "+x"]);
    }
}
