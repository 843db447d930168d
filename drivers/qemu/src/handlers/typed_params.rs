//! Parameters that a client sends by name.

use error::{Code, Domain, Error, Result};
use protocol::TypedParam;
use protocol::TypedParamValue as Value;

/// The type that a parameter has to have, by the header's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Uint,
    Llong,
    Ullong,
    Boolean,
    String,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Llong => "llong",
            Self::Ullong => "ullong",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "int",
        Value::Uint(_) => "uint",
        Value::Llong(_) => "llong",
        Value::Ullong(_) => "ullong",
        Value::Double(_) => "double",
        Value::Boolean(_) => "boolean",
        Value::String(_) => "string",
    }
}

/// Parameters of known names and types, each at most once.
#[derive(Debug)]
pub(super) struct Params(Vec<TypedParam>);

impl Params {
    /// Checks them.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] that names the parameter.
    pub(super) fn of(given: Vec<TypedParam>, known: &[(&str, Kind)]) -> Result<Self> {
        let refused = |text: String| Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
        for (at, param) in given.iter().enumerate() {
            let name = &param.field;
            let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
                return refused(format!("parameter '{name}' not supported"));
            };
            if kind.name() != kind_of(&param.value) {
                return refused(format!(
                    "invalid type '{}' for parameter '{name}', expected '{}'",
                    kind_of(&param.value),
                    kind.name()
                ));
            }
            if given.iter().skip(at + 1).any(|other| other.field == *name) {
                return refused(format!("parameter '{name}' occurs multiple times"));
            }
        }
        Ok(Self(given))
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().find(|param| param.field == name);
        found.map(|param| &param.value)
    }

    /// A whole number that is not negative, whatever its size.
    pub(super) fn unsigned(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Ullong(value) => Some(*value),
            Value::Uint(value) => Some(u64::from(*value)),
            _ => None,
        }
    }

    /// A whole number, whatever its size.
    pub(super) fn signed(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Llong(value) => Some(*value),
            Value::Int(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// Whether or not.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Boolean(value) => Some(*value != 0),
            _ => None,
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::String(value) => Some(value),
            _ => None,
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_is_named() {
        let known = [("weight", Kind::Uint), ("name", Kind::String)];
        let said = |given: Vec<TypedParam>| Params::of(given, &known).unwrap_err().detail().to_owned();
        assert_eq!(said(vec![TypedParam::new("a", 1)]), "parameter 'a' not supported");
        assert_eq!(
            said(vec![TypedParam::new("weight", 1)]),
            "invalid type 'int' for parameter 'weight', expected 'uint'"
        );
        let twice = TypedParam::new("weight", 1_u32);
        assert_eq!(
            said(vec![twice.clone(), twice.clone()]),
            "parameter 'weight' occurs multiple times"
        );
        let params = Params::of(vec![twice, TypedParam::new("name", "x")], &known).unwrap();
        assert_eq!(
            (params.unsigned("weight"), params.text("name")),
            (Some(1), Some("x"))
        );
        assert!(!params.is_empty() && params.signed("weight").is_none());
    }
}
