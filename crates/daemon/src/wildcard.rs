//! Shell patterns: `*`, `?` and `[...]`.

/// The most characters of a pattern that are looked at, so that a hostile one costs little.
pub(crate) const PATTERN_MAX: usize = 256;

enum Part {
    Any,
    One,
    Exactly(char),
    OneOf {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Exactly(own) => *own == c,
            Self::OneOf { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Whether `pattern` matches some part of `text`.
pub(crate) fn found(pattern: &str, text: &str) -> bool {
    let mut parts = vec![Part::Any];
    parts.extend(compile(pattern));
    parts.push(Part::Any);
    whole(&parts, text)
}

/// Whether `pattern` matches all of `text`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    whole(&compile(pattern), text)
}

fn whole(parts: &[Part], text: &str) -> bool {
    // `reached` holds, for each part, whether the parts before it can match the text up to here.
    let mut reached = vec![false; parts.len() + 1];
    let start = |reached: &mut Vec<bool>| {
        for (at, part) in parts.iter().enumerate() {
            if matches!(part, Part::Any) && reached.get(at) == Some(&true) {
                set(reached, at + 1);
            }
        }
    };
    set(&mut reached, 0);
    start(&mut reached);
    for c in text.chars() {
        let mut next = vec![false; reached.len()];
        for (at, part) in parts.iter().enumerate() {
            if reached.get(at) == Some(&true) && part.takes(c) {
                set(&mut next, if matches!(part, Part::Any) { at } else { at + 1 });
            }
        }
        reached = next;
        start(&mut reached);
    }
    reached.last() == Some(&true)
}

fn set(flags: &mut [bool], at: usize) {
    if let Some(flag) = flags.get_mut(at) {
        *flag = true;
    }
}

fn compile(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars().take(PATTERN_MAX).collect::<Vec<_>>().into_iter();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Exactly(rest.next().unwrap_or('\\')),
            '[' => match set_of(rest.as_slice()) {
                Some((part, used)) => {
                    rest.by_ref().take(used).for_each(drop);
                    part
                }
                None => Part::Exactly('['),
            },
            c => Part::Exactly(c),
        });
    }
    parts
}

/// The set that starts behind a `[`, and how many characters it takes with its `]`; `None` if it has no end.
fn set_of(text: &[char]) -> Option<(Part, usize)> {
    let negated = matches!(text.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A `]` that comes first is a member.
    let end = text.iter().skip(start + 1).position(|c| *c == ']')? + start + 1;
    let mut members = text.get(start..end)?;
    let mut ranges = Vec::new();
    loop {
        members = match members {
            [low, '-', high, rest @ ..] => {
                ranges.push((*low, *high));
                rest
            }
            [one, rest @ ..] => {
                ranges.push((*one, *one));
                rest
            }
            [] => return Some((Part::OneOf { negated, ranges }, end + 1)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shell_patterns_anywhere() {
        let yes = [
            ("qemu", "driver_qemu.domain"),
            ("q*u.d", "qemu.domain"),
            ("?pc", "rpc"),
            ("[q-s]pc", "rpc"),
            ("[!a]pc", "rpc"),
            ("[]]", "a]"),
            ("[x", "[x"),
            ("\\*", "a*b"),
            ("", "a"),
            ("*", ""),
        ];
        for (pattern, text) in yes {
            assert!(found(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("qemu.d", "qemu"),
            ("?rpc", "rpc"),
            ("[!r]pc", "rpc"),
            ("\\*", "ab"),
            ("a*c", "acb_b".get(1..).unwrap()),
        ] {
            assert!(!found(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn all_of_a_text() {
        for (pattern, text, expected) in [
            ("fred", "fred", true),
            ("fred", "freda", false),
            ("fred", "alfred", false),
            ("*@EXAMPLE.COM", "joe@EXAMPLE.COM", true),
            ("*@EXAMPLE.COM", "joe@EXAMPLE.COM.evil", false),
            ("joe?", "joe", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_pattern_is_a_substring(pattern in "[a-c]{0,4}", text in "[a-c]{0,12}") {
            prop_assert_eq!(found(&pattern, &text), text.contains(&pattern));
        }

        #[test]
        fn any_pattern_ends(pattern in "[*?\\[\\]a-c!\\\\-]{0,60}", text in "[a-c]{0,60}") {
            found(&pattern, &text);
        }
    }
}
