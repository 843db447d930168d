//! Conditions of rules.

use nftables::expr::{
    BinaryOperation, CT, Expression, Meta, MetaKey, NamedExpression, Payload, PayloadField, PayloadRaw,
    Prefix, Range, SetItem,
};
use nftables::stmt::{CTCount, Match, Operator, Statement};
use std::borrow::Cow;

pub use nftables::expr::CTDir::{self, Original, Reply};
pub use nftables::expr::{MetaKey as Key, PayloadBase as Layer};

/// Whether what is found must be what is asked for, or anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// It must.
    Just,
    /// Anything else.
    Not,
}

impl Is {
    const fn operator(self) -> Operator {
        match self {
            Self::Just => Operator::EQ,
            Self::Not => Operator::NEQ,
        }
    }

    /// `Not` for what a document has reversed.
    pub const fn reversed(reversed: bool) -> Self {
        if reversed { Self::Not } else { Self::Just }
    }
}

/// A condition.
pub fn matches(left: Expression<'static>, is: Is, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match {
        left,
        right,
        op: is.operator(),
    })
}

/// A text as a value.
pub fn text(text: impl Into<String>) -> Expression<'static> {
    Expression::String(Cow::Owned(text.into()))
}

/// A number as a value.
pub const fn number(number: u32) -> Expression<'static> {
    Expression::Number(number)
}

/// All addresses that start with these bits.
pub fn prefix(address: impl ToString, length: u32) -> Expression<'static> {
    Expression::Named(NamedExpression::Prefix(Prefix {
        addr: Box::new(text(address.to_string())),
        len: length,
    }))
}

/// All values from one to another, both included; a single one where they are the same.
pub fn range(first: Expression<'static>, last: Expression<'static>) -> Expression<'static> {
    if first == last {
        return first;
    }
    Expression::Range(Box::new(Range { range: [first, last] }))
}

/// Any of several values.
pub fn any(values: impl IntoIterator<Item = Expression<'static>>) -> Expression<'static> {
    Expression::Named(NamedExpression::Set(
        values.into_iter().map(SetItem::Element).collect(),
    ))
}

/// Several parts side by side.
pub fn all_of(parts: impl IntoIterator<Item = Expression<'static>>) -> Expression<'static> {
    Expression::Named(NamedExpression::Concat(parts.into_iter().collect()))
}

/// What is known about a packet beside what is in it.
pub fn meta(key: MetaKey) -> Expression<'static> {
    Expression::Named(NamedExpression::Meta(Meta { key }))
}

/// A field of a header.
pub fn field(protocol: &'static str, field: &'static str) -> Expression<'static> {
    Expression::Named(NamedExpression::Payload(Payload::PayloadField(PayloadField {
        protocol: Cow::Borrowed(protocol),
        field: Cow::Borrowed(field),
    })))
}

/// Bits of a header.
pub fn bits(base: Layer, offset: u32, len: u32) -> Expression<'static> {
    Expression::Named(NamedExpression::Payload(Payload::PayloadRaw(PayloadRaw {
        base,
        offset,
        len,
    })))
}

/// What is left of a value under a mask.
pub fn masked(value: Expression<'static>, mask: Expression<'static>) -> Expression<'static> {
    Expression::BinaryOperation(Box::new(BinaryOperation::AND(value, mask)))
}

/// Interfaces that packets come in by.
pub fn comes_in_by(name: &str) -> Statement<'static> {
    matches(meta(MetaKey::Iifname), Is::Just, text(name))
}

/// Interfaces that packets leave by.
pub fn leaves_by(name: &str) -> Statement<'static> {
    matches(meta(MetaKey::Oifname), Is::Just, text(name))
}

/// How the packet stands to the connections that are known: `new`, `established`, `related`, ...
pub fn connection(states: &[&str]) -> Statement<'static> {
    Statement::Match(Match {
        left: Expression::Named(NamedExpression::CT(CT {
            key: "state".into(),
            family: None,
            dir: None,
        })),
        right: any(states.iter().map(|state| text(*state))),
        op: Operator::EQ,
    })
}

/// Whether the packet goes the way of the first one of its connection (`original`) or the other.
pub fn direction(direction: CTDir) -> Statement<'static> {
    let word = match direction {
        CTDir::Original => "original",
        CTDir::Reply => "reply",
    };
    Statement::Match(Match {
        left: Expression::Named(NamedExpression::CT(CT {
            key: "direction".into(),
            family: None,
            dir: None,
        })),
        right: text(word),
        op: Operator::EQ,
    })
}

/// Whether more connections than this are known that met the rule's other conditions when they began.
pub const fn more_connections_than(most: u32) -> Statement<'static> {
    Statement::CTCount(CTCount {
        val: Expression::Number(most),
        inv: Some(true),
    })
}
