//! What an attribute of a rule says: a value, or a variable that has values elsewhere.

use super::reference::is_name;
use super::{Kind, Literal};
use std::borrow::Cow;

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A value.
    Literal(Literal),
    /// A variable: `$NAME`, `$NAME[1]` or `$NAME[@1]`.
    Variable(Variable),
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Which of its values is meant.
    pub pick: Pick,
}

/// Which of a variable's values is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pick {
    /// Each in turn: the rule is made once for each, side by side with the other variables of this iterator.
    Each(u32),
    /// The one at this place, counted from 0.
    At(u32),
}

impl Variable {
    /// Reads `$NAME`, with an index in brackets perhaps.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('$')?.trim();
        let (name, pick) = match text.split_once('[') {
            None => (text, Pick::Each(0)),
            Some((name, index)) => {
                let index = index.strip_suffix(']')?.trim();
                let pick = match index.strip_prefix('@') {
                    Some(iterator) => Pick::Each(iterator.trim().parse().ok()?),
                    None => Pick::At(index.parse().ok()?),
                };
                (name, pick)
            }
        };
        is_name(name).then(|| Self {
            name: name.to_owned(),
            pick,
        })
    }

    fn format(&self) -> String {
        match self.pick {
            Pick::Each(0) => format!("${}", self.name),
            Pick::Each(iterator) => format!("${}[@{iterator}]", self.name),
            Pick::At(index) => format!("${}[{index}]", self.name),
        }
    }
}

impl Operand {
    /// What the text of an attribute says; `None` where it does not fit.
    pub(super) fn parse(kind: Kind, text: &str) -> Option<Self> {
        // In a comment a dollar is a dollar.
        if text.starts_with('$') && kind != Kind::Comment {
            return Variable::parse(text).map(Self::Variable);
        }
        kind.parse(text).map(Self::Literal)
    }

    pub(super) fn format(&self, kind: Kind) -> Cow<'_, str> {
        match self {
            Self::Literal(literal) => kind.format(literal),
            Self::Variable(variable) => variable.format().into(),
        }
    }
}
