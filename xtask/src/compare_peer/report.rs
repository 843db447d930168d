//! How often two daemons agree, and where they do not.

use super::answer::{Answer, Answers, Refusal};
use std::fmt::Write as _;

/// How two answers stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The same.
    Equal,
    /// Both take it, and these lines are one's only: `-` libvirt's, `+` ours.
    Differ(Vec<String>),
    /// Both refuse it, with the same code.
    BothRefuse,
    /// Both refuse it, with other codes.
    OtherCode(String),
    /// Only ours refuses.
    OnlyWeRefuse(String),
    /// Only libvirt refuses.
    OnlyTheyRefuse(String),
    /// It is the end of one of the daemons.
    Ends(&'static str),
}

/// What is told of an outcome.
const KINDS: [&str; 7] = [
    "the same",
    "both refuse, same code",
    "differ",
    "both refuse, other code",
    "only virtqemud refuses",
    "only libvirtd refuses",
    "a daemon ends",
];

impl Outcome {
    fn of(own: Answer, other: Answer) -> Self {
        let ends = |answer: &Answer| *answer == Err(Refusal::ended());
        match (own, other) {
            (own, _) if ends(&own) => Self::Ends("virtqemud"),
            (_, other) if ends(&other) => Self::Ends("libvirtd"),
            (Ok(own), Ok(other)) if own == other => Self::Equal,
            (Ok(own), Ok(other)) => Self::Differ(compare::differences(&other, &own)),
            (Err(own), Err(other)) if own.code == other.code => Self::BothRefuse,
            (Err(own), Err(other)) => Self::OtherCode(format!(
                "{} ({}), libvirtd: {} ({})",
                own.code, own.sentence, other.code, other.sentence
            )),
            (Err(own), Ok(_)) => Self::OnlyWeRefuse(own.sentence),
            (Ok(_), Err(other)) => Self::OnlyTheyRefuse(other.sentence),
        }
    }

    /// Its place among [`KINDS`].
    fn kind(&self) -> usize {
        match self {
            Self::Equal => 0,
            Self::BothRefuse => 1,
            Self::Differ(_) => 2,
            Self::OtherCode(_) => 3,
            Self::OnlyWeRefuse(_) => 4,
            Self::OnlyTheyRefuse(_) => 5,
            Self::Ends(_) => 6,
        }
    }

    /// What is to be told of it beside its kind.
    fn words(&self) -> Vec<String> {
        match self {
            Self::Equal | Self::BothRefuse => Vec::new(),
            Self::Differ(lines) => lines.clone(),
            Self::OtherCode(text) | Self::OnlyWeRefuse(text) | Self::OnlyTheyRefuse(text) => {
                vec![text.clone()]
            }
            Self::Ends(who) => vec![(*who).to_owned()],
        }
    }
}

/// All outcomes.
#[derive(Debug, Default)]
pub(super) struct Report {
    documents: Vec<(String, Outcome, Outcome)>,
}

impl Report {
    /// What both made of a document.
    pub(super) fn add(&mut self, name: &str, own: Answers, other: Answers) {
        let definition = Outcome::of(own.definition, other.definition);
        let command = Outcome::of(own.command, other.command);
        self.documents.push((name.to_owned(), definition, command));
    }

    /// How often what came out, as a table.
    pub(super) fn summary(&self) -> String {
        let mut text = "| | definitions | command lines |\n|---|---|---|\n".to_owned();
        for (kind, what) in KINDS.iter().enumerate() {
            let count = |outcomes: &mut dyn Iterator<Item = &Outcome>| {
                outcomes.filter(|outcome| outcome.kind() == kind).count()
            };
            let definitions = count(&mut self.documents.iter().map(|(_, definition, _)| definition));
            let commands = count(&mut self.documents.iter().map(|(.., command)| command));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {what} | {definitions} | {commands} |");
        }
        let _ = write!(text, "| all | {0} | {0} |", self.documents.len());
        text
    }

    /// The table, then each document of which both do not make the same.
    pub(super) fn details(&self) -> String {
        let mut text = format!("{}\n", self.summary());
        for (name, definition, command) in &self.documents {
            for (what, outcome) in [("definition", definition), ("command line", command)] {
                let words = outcome.words();
                if words.is_empty() {
                    continue;
                }
                let kind = KINDS.get(outcome.kind()).unwrap_or(&"");
                let _ = write!(text, "\n{name}, {what}: {kind}\n");
                for line in words {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i32) -> Answer {
        Err(Refusal {
            code,
            sentence: format!("no {code}"),
        })
    }

    #[test]
    fn outcomes_are_told_apart() {
        let lines = |text: &str| -> Answer { Ok(text.split(' ').map(str::to_owned).collect()) };
        let cases = [
            (lines("a b"), lines("a b"), vec![]),
            (refused(1), refused(1), vec![]),
            (lines("a x"), lines("a b"), vec!["-b", "+x"]),
            (refused(1), refused(2), vec!["1 (no 1), libvirtd: 2 (no 2)"]),
            (refused(1), lines("a"), vec!["no 1"]),
            (lines("a"), refused(2), vec!["no 2"]),
            (lines("a"), Err(Refusal::ended()), vec!["libvirtd"]),
        ];
        for (kind, (own, other, words)) in cases.into_iter().enumerate() {
            let outcome = Outcome::of(own, other);
            assert_eq!(
                (outcome.kind(), outcome.words()),
                (kind, words.iter().map(|word| (*word).to_owned()).collect())
            );
        }
    }
}
