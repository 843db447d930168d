//! The rules of a filter and of all filters that it includes, each with the values that its variables have there.

use crate::failure::{internal, refused};
use crate::learning::{ADDRESS, Lesson, Method};
use error::{Code, Result};
use model::nwfilter::{Binding, Chain, Entry, Filter, Operand, Parameters, Rule};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The deepest that filters may include filters.
const DEEPEST: usize = 64;

/// The most filters that one includes, counted as often as it does.
const MOST: usize = 10_000;

/// Where filters are found by name.
pub(crate) trait Filters {
    fn find(&self, name: &str) -> Option<&Arc<Filter>>;
}

/// A rule in its place.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    pub filter: &'a str,
    pub chain: &'a Chain,
    pub chain_priority: i32,
    pub rule: &'a Rule,
    /// The values of variables.
    pub values: Arc<Parameters>,
}

/// The names of all filters that one includes, itself too.
///
/// # Errors
/// [`Code::OperationFailed`] where filters include each other.
pub(crate) fn tree(filter: &Arc<Filter>, filters: &dyn Filters) -> Result<BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    descend(filter, filters, &mut Vec::new(), &mut seen)?;
    Ok(seen)
}

fn descend(
    filter: &Arc<Filter>,
    filters: &dyn Filters,
    path: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
) -> Result<()> {
    if path.contains(&filter.name) || path.len() >= DEEPEST {
        let text = format!(
            "filter '{}' would include itself: {} -> {}",
            filter.name,
            path.join(" -> "),
            filter.name
        );
        return Err(refused(Code::OperationFailed, text));
    }
    if !seen.insert(filter.name.clone()) {
        return Ok(());
    }
    path.push(filter.name.clone());
    for reference in filter.references() {
        if let Some(included) = filters.find(&reference.filter) {
            descend(included, filters, path, seen)?;
        }
    }
    path.pop();
    Ok(())
}

/// What a binding comes to.
#[derive(Debug)]
pub(crate) enum Resolved<'a> {
    /// Rules, in the order in which documents have them; and what is to be learned all the while.
    Rules(Vec<Placed<'a>>, Option<Lesson>),
    /// The guest's addresses have to be learned first.
    Unknown(Lesson),
}

/// All rules of a binding, for a guest of whom these addresses are `known` where the binding does not tell any.
///
/// # Errors
/// [`Code::InternalError`] for a filter that is missing and for variables without values, as stock daemons.
pub(crate) fn all<'a>(
    binding: &Binding,
    filters: &'a dyn Filters,
    known: &[Ipv4Addr],
) -> Result<Resolved<'a>> {
    let method = Method::of(binding)?;
    let mut values = binding.reference.parameters.clone();
    values
        .entry("MAC".to_owned())
        .or_insert_with(|| vec![binding.mac.to_string()]);
    let top = included(&binding.reference.filter, &binding.port_device, filters)?;
    tree(top, filters)?;
    let (mut placed, mut left) = (Vec::new(), MOST);
    collect(top, &Arc::new(values.clone()), filters, &mut placed, &mut left)?;
    let mut missing: BTreeSet<String> = placed.iter().flat_map(|one| one.missing()).collect();
    let learns = method.filter(|_| missing.remove(ADDRESS));
    if !missing.is_empty() {
        let names: Vec<String> = missing.into_iter().collect();
        let text = format!(
            "cannot guard interface '{}' by filter '{}': no values for the variables {}",
            binding.port_device,
            top.name,
            names.join(", ")
        );
        return Err(internal(text));
    }
    let Some(method) = learns else {
        return Ok(Resolved::Rules(placed, None));
    };
    let lesson = Lesson::of(binding, method);
    if known.is_empty() {
        return Ok(Resolved::Unknown(lesson));
    }
    let known = known.iter().map(Ipv4Addr::to_string).collect();
    values.insert(ADDRESS.to_owned(), known);
    let (mut placed, mut left) = (Vec::new(), MOST);
    collect(top, &Arc::new(values), filters, &mut placed, &mut left)?;
    // What was seen once is not looked for again; leases come and go.
    let lesson = Some(lesson).filter(|_| method == Method::Dhcp);
    Ok(Resolved::Rules(placed, lesson))
}

fn included<'a>(name: &str, user: &str, filters: &'a dyn Filters) -> Result<&'a Arc<Filter>> {
    filters.find(name).ok_or_else(|| {
        internal(format!(
            "referenced filter '{name}' is missing, which '{user}' asks for"
        ))
    })
}

fn collect<'a>(
    filter: &'a Filter,
    values: &Arc<Parameters>,
    filters: &'a dyn Filters,
    placed: &mut Vec<Placed<'a>>,
    left: &mut usize,
) -> Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| {
        let text = format!(
            "filter '{}' stands in a tree of more than {MOST} filters",
            filter.name
        );
        refused(Code::ConfigUnsupported, text)
    })?;
    for entry in &filter.entries {
        match entry {
            Entry::Rule(rule) => placed.push(Placed {
                filter: &filter.name,
                chain: &filter.chain,
                chain_priority: filter.priority,
                rule,
                values: Arc::clone(values),
            }),
            Entry::Reference(reference) => {
                let inner = included(&reference.filter, &filter.name, filters)?;
                let values = if reference.parameters.is_empty() {
                    Arc::clone(values)
                } else {
                    // What is said nearer to the rule counts.
                    let mut more = Parameters::clone(values);
                    more.extend(reference.parameters.clone());
                    Arc::new(more)
                };
                collect(inner, &values, filters, placed, left)?;
            }
        }
    }
    Ok(())
}

impl Placed<'_> {
    /// Its variables that have no values.
    fn missing(&self) -> impl Iterator<Item = String> + '_ {
        self.rule
            .attributes
            .iter()
            .filter_map(|attribute| match &attribute.operand {
                Operand::Variable(variable) if !self.values.contains_key(&variable.name) => {
                    Some(variable.name.clone())
                }
                _ => None,
            })
    }
}
