//! Sorted sets of names: compact, and searched without hashing.

use serde::{Deserialize, Serialize};

/// A set of names, each once, in byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Names(Box<[Box<str>]>);

impl Names {
    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Where in the order `name` stands.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|have| have.as_ref().cmp(name)).ok()
    }

    /// The name that stands at `position`.
    pub(super) fn at(&self, position: usize) -> Option<&str> {
        self.0.get(position).map(AsRef::as_ref)
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into_boxed_slice())
    }
}

impl<'de> Deserialize<'de> for Names {
    /// Sorts again: a file that somebody else wrote must not break the search.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Box<str>>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_set_out_of_order_is_still_searched_right() {
        let names: Names = serde_json::from_str(r#"["c","a","b","a"]"#).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(names.contains("c") && !names.contains("d"));
    }
}
