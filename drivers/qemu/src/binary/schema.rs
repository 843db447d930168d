//! The QMP schema of one binary, compact, and asked by path.
//!
//! QEMU describes its commands by numbered types that refer to each other. A question walks them by name:
//! `blockdev-add/arg-type/+file/aio/^io_uring` asks whether the `file` branch of the command's argument has a member
//! `aio` that takes the value `io_uring`. After the command or event, `arg-type` or `ret-type` enters its type; then
//!
//! | step      | means                                        |
//! |-----------|----------------------------------------------|
//! | `name`    | a member, optional or not                    |
//! | `*name`   | an optional member                           |
//! | `+name`   | the branch of a union that `name` selects    |
//! | `^name`   | a value of an enumeration                    |
//! | `$name`   | a feature of what was reached so far         |
//!
//! Lists and alternatives are passed through without a step of their own.

use super::names::Names;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// How many types one question may pass through: a strange binary's types could refer to each other in circles.
const MAX_VISITS: usize = 1024;

type TypeId = u16;

/// The commands, events and types of one binary.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    commands: BTreeMap<Box<str>, Command>,
    events: BTreeMap<Box<str>, TypeId>,
    types: Box<[Type]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Command {
    #[serde(rename = "a")]
    arguments: TypeId,
    #[serde(rename = "r")]
    returns: TypeId,
    #[serde(rename = "f", default, skip_serializing_if = "Names::is_empty")]
    features: Names,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Type {
    #[serde(rename = "o")]
    Object(Box<Object>),
    #[serde(rename = "e")]
    Enum(Box<Enum>),
    #[serde(rename = "l")]
    List(TypeId),
    #[serde(rename = "x")]
    Alternate(Box<[TypeId]>),
    #[serde(rename = "b")]
    Builtin,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Object {
    #[serde(rename = "m", default, skip_serializing_if = "<[_]>::is_empty")]
    members: Box<[Member]>,
    #[serde(rename = "v", default, skip_serializing_if = "<[_]>::is_empty")]
    variants: Box<[(Box<str>, TypeId)]>,
    #[serde(rename = "f", default, skip_serializing_if = "Names::is_empty")]
    features: Names,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Member {
    #[serde(rename = "n")]
    name: Box<str>,
    #[serde(rename = "t")]
    kind: TypeId,
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
    #[serde(rename = "f", default, skip_serializing_if = "Names::is_empty")]
    features: Names,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Enum {
    #[serde(rename = "n")]
    values: Names,
    /// Features of single values.
    #[serde(rename = "f", default, skip_serializing_if = "BTreeMap::is_empty")]
    features: BTreeMap<Box<str>, Names>,
}

/// One entry of `query-qmp-schema`'s answer.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry<'a> {
    name: &'a str,
    meta_type: &'a str,
    arg_type: Option<&'a str>,
    ret_type: Option<&'a str>,
    #[serde(borrow, default)]
    features: Vec<&'a str>,
    #[serde(borrow, default)]
    members: Vec<EntryMember<'a>>,
    #[serde(borrow, default)]
    variants: Vec<EntryVariant<'a>>,
    #[serde(borrow, default)]
    values: Vec<&'a str>,
    element_type: Option<&'a str>,
}

/// A member of an object, of an alternative (which has no name) or of an enumeration (which has no type).
#[derive(Deserialize)]
struct EntryMember<'a> {
    name: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    /// Present, and always null, when the member may be left out.
    #[serde(default, deserialize_with = "present")]
    default: bool,
    #[serde(borrow, default)]
    features: Vec<&'a str>,
}

#[derive(Deserialize)]
struct EntryVariant<'a> {
    case: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Schema {
    /// Reads the answer of `query-qmp-schema`.
    pub(super) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let entries: Vec<Entry<'_>> = serde_json::from_str(json)?;
        let is_type = |entry: &&Entry<'_>| !matches!(entry.meta_type, "command" | "event");
        let mut ids: HashMap<&str, TypeId> = HashMap::new();
        for entry in entries.iter().filter(is_type) {
            let next = TypeId::try_from(ids.len()).unwrap_or(TypeId::MAX);
            ids.entry(entry.name).or_insert(next);
        }
        // A name that nothing defines leads nowhere.
        let id = |name: Option<&str>| {
            name.and_then(|name| ids.get(name).copied())
                .unwrap_or(TypeId::MAX)
        };
        let mut schema = Self::default();
        let mut types = Vec::with_capacity(ids.len());
        for entry in &entries {
            match entry.meta_type {
                "command" => {
                    let command = Command {
                        arguments: id(entry.arg_type),
                        returns: id(entry.ret_type),
                        features: entry.features.iter().copied().collect(),
                    };
                    schema.commands.insert(entry.name.into(), command);
                }
                "event" => {
                    schema.events.insert(entry.name.into(), id(entry.arg_type));
                }
                _ if usize::from(id(Some(entry.name))) == types.len() => types.push(Type::of(entry, id)),
                _ => (),
            }
        }
        schema.types = types.into_boxed_slice();
        Ok(schema)
    }

    /// Whether the binary has this command.
    pub fn has_command(&self, name: &str) -> bool {
        self.commands.contains_key(name)
    }

    /// Whether the binary sends this event.
    pub fn has_event(&self, name: &str) -> bool {
        self.events.contains_key(name)
    }

    /// Answers a path as the module's header describes it. A path that makes no sense is answered with no.
    pub fn has(&self, path: &str) -> bool {
        let mut steps = path.split('/');
        let Some(name) = steps.next() else { return false };
        let mut visits = MAX_VISITS;
        if let Some(command) = self.commands.get(name) {
            return match steps.next() {
                None => true,
                Some("arg-type") => self.walk(command.arguments, steps, &mut visits),
                Some("ret-type") => self.walk(command.returns, steps, &mut visits),
                Some(step) => last_feature(step, steps, &command.features),
            };
        }
        let Some(&arguments) = self.events.get(name) else {
            return false;
        };
        match steps.next() {
            None => true,
            Some("arg-type") => self.walk(arguments, steps, &mut visits),
            Some(_) => false,
        }
    }

    fn walk<'a>(
        &self,
        at: TypeId,
        mut steps: impl Iterator<Item = &'a str> + Clone,
        visits: &mut usize,
    ) -> bool {
        let (Some(kind), Some(left)) = (self.types.get(usize::from(at)), visits.checked_sub(1)) else {
            return false;
        };
        *visits = left;
        match kind {
            Type::List(element) => return self.walk(*element, steps, visits),
            Type::Alternate(kinds) => {
                return kinds.iter().any(|&kind| self.walk(kind, steps.clone(), visits));
            }
            Type::Object(_) | Type::Enum(_) | Type::Builtin => (),
        }
        let Some(step) = steps.next() else { return true };
        match kind {
            Type::Object(object) => {
                if step.starts_with('$') {
                    return last_feature(step, steps, &object.features);
                }
                if let Some(case) = step.strip_prefix('+') {
                    let branch = object.variants.iter().find(|(name, _)| name.as_ref() == case);
                    return branch.is_some_and(|&(_, kind)| self.walk(kind, steps, visits));
                }
                let (name, only_optional) = step.strip_prefix('*').map_or((step, false), |name| (name, true));
                let Some(member) = object.members.iter().find(|member| member.name.as_ref() == name) else {
                    return false;
                };
                if only_optional && !member.optional {
                    return false;
                }
                let mut ahead = steps.clone();
                match ahead.next() {
                    // A feature after a member is the member's own, or its type's.
                    Some(feature) if feature.starts_with('$') => {
                        last_feature(feature, ahead, &member.features)
                            || self.walk(member.kind, steps, visits)
                    }
                    _ => self.walk(member.kind, steps, visits),
                }
            }
            Type::Enum(values) => {
                let Some(value) = step.strip_prefix('^') else {
                    return false;
                };
                match steps.next() {
                    None => values.values.contains(value),
                    Some(feature) => values
                        .features
                        .get(value)
                        .is_some_and(|have| last_feature(feature, steps, have)),
                }
            }
            Type::List(_) | Type::Alternate(_) | Type::Builtin => false,
        }
    }
}

fn last_feature<'a>(step: &str, mut rest: impl Iterator<Item = &'a str>, features: &Names) -> bool {
    step.strip_prefix('$')
        .is_some_and(|feature| features.contains(feature))
        && rest.next().is_none()
}

impl Type {
    fn of(entry: &Entry<'_>, id: impl Fn(Option<&str>) -> TypeId) -> Self {
        let names = |names: &[&str]| names.iter().copied().collect::<Names>();
        match entry.meta_type {
            "object" => {
                let member = |member: &EntryMember<'_>| Member {
                    name: member.name.unwrap_or_default().into(),
                    kind: id(member.kind),
                    optional: member.default,
                    features: names(&member.features),
                };
                Self::Object(Box::new(Object {
                    members: entry.members.iter().map(member).collect(),
                    variants: entry
                        .variants
                        .iter()
                        .map(|v| (v.case.into(), id(Some(v.kind))))
                        .collect(),
                    features: names(&entry.features),
                }))
            }
            "enum" => {
                let featured = entry.members.iter().filter(|member| !member.features.is_empty());
                let features = featured
                    .filter_map(|m| Some((m.name?.into(), names(&m.features))))
                    .collect();
                let named = entry.members.iter().filter_map(|member| member.name);
                let values = entry.values.iter().copied().chain(named).collect();
                Self::Enum(Box::new(Enum { values, features }))
            }
            "array" => Self::List(id(entry.element_type)),
            "alternate" => Self::Alternate(entry.members.iter().map(|member| id(member.kind)).collect()),
            _ => Self::Builtin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::parse(
            r#"[
            {"name":"blockdev-add","meta-type":"command","arg-type":"1","ret-type":"0","features":["deprecated"]},
            {"name":"STOP","meta-type":"event","arg-type":"0"},
            {"name":"0","meta-type":"object","members":[]},
            {"name":"1","meta-type":"object","tag":"driver","features":["whole"],
             "members":[{"name":"driver","type":"3"},{"name":"cache","type":"4","default":null,"features":["new"]}],
             "variants":[{"case":"file","type":"2"}]},
            {"name":"2","meta-type":"object","members":[{"name":"aio","type":"5","default":null}]},
            {"name":"3","meta-type":"enum","values":["file","nbd"],
             "members":[{"name":"file"},{"name":"nbd","features":["slow"]}]},
            {"name":"4","meta-type":"alternate","members":[{"type":"str"},{"type":"[2]"}]},
            {"name":"[2]","meta-type":"array","element-type":"2"},
            {"name":"5","meta-type":"enum","values":["io_uring"]},
            {"name":"str","meta-type":"builtin","json-type":"string"}]"#,
        )
        .unwrap()
    }

    #[test]
    fn paths_walk_members_branches_values_and_features() {
        let schema = schema();
        for path in [
            "blockdev-add",
            "blockdev-add/$deprecated",
            "blockdev-add/arg-type",
            "blockdev-add/arg-type/driver/^nbd",
            "blockdev-add/arg-type/driver/^nbd/$slow",
            "blockdev-add/arg-type/$whole",
            "blockdev-add/arg-type/*cache",
            "blockdev-add/arg-type/cache/$new",
            "blockdev-add/arg-type/cache/aio/^io_uring",
            "blockdev-add/arg-type/+file/*aio/^io_uring",
            "STOP",
        ] {
            assert!(schema.has(path), "{path}");
        }
        for path in [
            "",
            "blockdev-del",
            "blockdev-add/$new",
            "blockdev-add/nonsense",
            "blockdev-add/arg-type/*driver",
            "blockdev-add/arg-type/driver/nbd",
            "blockdev-add/arg-type/driver/^ssh",
            "blockdev-add/arg-type/+nbd",
            "blockdev-add/arg-type/cache/$new/more",
            "STOP/ret-type",
        ] {
            assert!(!schema.has(path), "{path}");
        }
    }

    #[test]
    fn a_stored_schema_answers_the_same() {
        let schema = schema();
        let stored: Schema = serde_json::from_str(&serde_json::to_string(&schema).unwrap()).unwrap();
        assert_eq!(stored, schema);
    }

    #[test]
    fn types_that_refer_in_circles_end_the_walk() {
        let schema = Schema::parse(
            r#"[{"name":"x","meta-type":"command","arg-type":"1","ret-type":"9"},
                {"name":"1","meta-type":"alternate","members":[{"type":"2"}]},
                {"name":"2","meta-type":"array","element-type":"1"}]"#,
        )
        .unwrap();
        assert!(!schema.has("x/arg-type/a"));
        assert!(!schema.has("x/ret-type/a"));
    }
}
