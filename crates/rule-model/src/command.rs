//! Rule sets from command lines of nft, iptables, ip6tables and ebtables.

use crate::RuleSet;

/// Reads commands, one a line, each perhaps over several lines that end with a backslash.
pub fn read(into: &mut RuleSet, text: &str) {
    for line in text.replace("\\\n", " ").lines() {
        let words = words(line);
        let Some((program, rest)) = words.split_first() else {
            continue;
        };
        match program.as_str() {
            "nft" => crate::nft::run(into, rest),
            "iptables" | "ip6tables" | "ebtables" => crate::legacy::run(into, program, rest),
            // Shaping, which filters nothing.
            "tc" => {}
            other => panic!("{other} is no program that sets rules"),
        }
    }
}

/// The words of a line; what is in quotes is one word.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '\\') => word.get_or_insert_default().extend(letters.next()),
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
