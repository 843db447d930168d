//! A rule with variables becomes one for each combination of their values.

use super::MOST_RULES;
use super::resolve::Placed;
use crate::failure::{impossible, internal};
use error::Result;
use model::nwfilter::{Attribute, Literal, Operand, Pick};
use std::collections::{BTreeMap, HashMap};

/// What a rule's attributes say once variables have values: by name, the value and whether a packet must be otherwise.
#[derive(Debug, Default)]
pub(super) struct Values(HashMap<&'static str, (Literal, bool)>);

impl Values {
    /// What the attribute of that name says.
    pub(super) fn get(&self, name: &str) -> Option<(&Literal, bool)> {
        self.0.get(name).map(|(literal, reversed)| (literal, *reversed))
    }

    /// The number that it says.
    pub(super) fn number(&self, name: &str) -> Option<(u32, bool)> {
        let (literal, reversed) = self.get(name)?;
        Some((literal.number()?, reversed))
    }

    /// Whether anything else is said than by these.
    pub(super) fn has_more_than(&self, names: &[&str]) -> bool {
        self.0.keys().any(|name| !names.contains(name))
    }
}

/// All combinations. Variables of one iterator go side by side, those of different ones each with each.
///
/// # Errors
/// Lists of different lengths side by side, more combinations than a port may have rules; and of each, values that do not fit and places
/// beyond a list's end.
pub(super) fn all(one: &Placed<'_>) -> Result<impl Iterator<Item = Result<Values>>> {
    let about = move |text: String| internal(format!("filter '{}': {text}", one.filter));
    let mut lengths: BTreeMap<u32, (usize, &str)> = BTreeMap::new();
    for attribute in &one.rule.attributes {
        let Operand::Variable(variable) = &attribute.operand else {
            continue;
        };
        let Pick::Each(iterator) = variable.pick else {
            continue;
        };
        let length = one.values.get(&variable.name).map_or(0, Vec::len);
        let (known, first) = lengths.entry(iterator).or_insert((length, &variable.name));
        if *known != length {
            return Err(about(format!(
                "the variables {first} and {} are gone through side by side, but have {known} and {length} values",
                variable.name
            )));
        }
    }
    let count = lengths.values().try_fold(1_usize, |all, (length, _)| {
        all.checked_mul(*length).filter(|all| *all <= MOST_RULES)
    });
    let count = count.ok_or_else(|| {
        impossible(format!(
            "filter '{}': a rule has more than {MOST_RULES} forms",
            one.filter
        ))
    })?;
    Ok((0..count).map(move |mut number| {
        let mut places = BTreeMap::new();
        for (iterator, (length, _)) in &lengths {
            places.insert(*iterator, number % length);
            number /= length;
        }
        let mut values = Values::default();
        for attribute in &one.rule.attributes {
            let literal = literal(one, attribute, &places).map_err(about)?;
            values.0.insert(attribute.name, (literal, attribute.reversed));
        }
        Ok(values)
    }))
}

fn literal(
    one: &Placed<'_>,
    attribute: &Attribute,
    places: &BTreeMap<u32, usize>,
) -> Result<Literal, String> {
    let variable = match &attribute.operand {
        Operand::Literal(literal) => return Ok(literal.clone()),
        Operand::Variable(variable) => variable,
    };
    let place = match variable.pick {
        Pick::At(place) => usize::try_from(place).unwrap_or(usize::MAX),
        Pick::Each(iterator) => places.get(&iterator).copied().unwrap_or_default(),
    };
    let values = one.values.get(&variable.name);
    let text = values
        .and_then(|values| values.get(place))
        .ok_or_else(|| format!("the variable {} has no value number {place}", variable.name))?;
    attribute.kind.parse(text).ok_or_else(|| {
        format!(
            "'{text}', a value of the variable {}, does not fit '{}'",
            variable.name, attribute.name
        )
    })
}
