//! The command line while it is being made, and the two notations of its arguments.

use super::{CommandContext, CommandLine, Named, Role};
use crate::binary::BinaryCaps;
use error::{Code, Domain as ErrorDomain, Error};
use model::domain::Domain;
use model::domain::qemu_namespace::{QemuProperty, QemuPropertyType};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::path::PathBuf;

/// Arguments made so far, and what they are made from.
pub(super) struct Line<'a> {
    pub(super) domain: &'a Domain,
    pub(super) caps: &'a BinaryCaps,
    pub(super) context: &'a CommandContext,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// How many sets of descriptors there are.
    fd_sets: u32,
}

impl<'a> Line<'a> {
    pub(super) fn new(domain: &'a Domain, caps: &'a BinaryCaps, context: &'a CommandContext) -> Self {
        Self {
            domain,
            caps,
            context,
            arguments: Vec::new(),
            environment: Vec::new(),
            fd_sets: 0,
        }
    }

    /// A variable of QEMU's environment.
    pub(super) fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// An option without value.
    pub(super) fn flag(&mut self, name: &str) {
        self.arguments.push(name.to_owned());
    }

    /// An option with its value.
    pub(super) fn option(&mut self, name: &str, value: impl Into<String>) {
        self.arguments.push(name.to_owned());
        self.arguments.push(value.into());
    }

    /// `-object`
    pub(super) fn object(&mut self, props: Props) {
        self.option("-object", props.to_string());
    }

    /// `-blockdev`
    pub(super) fn blockdev(&mut self, props: Props) {
        self.option("-blockdev", props.to_string());
    }

    /// `-device`, with what the document overrides by the device's alias.
    pub(super) fn device(&mut self, mut props: Props) {
        if let Some(overrides) = &self.domain.qemu_override
            && let Some(id) = props.0.get("id").and_then(Value::as_str).map(str::to_owned)
        {
            for device in overrides.devices.iter().filter(|device| device.alias == id) {
                device
                    .properties
                    .iter()
                    .for_each(|property| props.overridden(property));
            }
        }
        self.option("-device", props.to_string());
    }

    /// Hands a descriptor over as a set; the path by which QEMU opens it.
    pub(super) fn fd_set(&mut self, number: i32, opaque: &str) -> String {
        self.fd_set_of([(number, opaque)])
    }

    /// The same of several descriptors: QEMU takes the one that was opened for what it wants to do.
    pub(super) fn fd_set_of(&mut self, all: impl IntoIterator<Item = (i32, impl Display)>) -> String {
        let set = self.fd_sets;
        self.fd_sets += 1;
        for (number, opaque) in all {
            let set = KeyValues::new()
                .set("set", set)
                .set("fd", number)
                .set("opaque", opaque);
            self.option("-add-fd", set.finish());
        }
        format!("/dev/fdset/{set}")
    }

    /// The descriptors the caller gave for a device.
    pub(super) fn descriptors(&self, alias: &str, role: Role) -> &'a [i32] {
        let wanted = |named: &&Named| named.alias == alias && named.role == role;
        self.context
            .descriptors
            .iter()
            .find(wanted)
            .map_or(&[], |named| named.numbers.as_slice())
    }

    /// The first of them.
    pub(super) fn descriptor(&self, alias: &str, role: Role) -> Option<i32> {
        self.descriptors(alias, role).first().copied()
    }

    pub(super) fn finish(self) -> CommandLine {
        let binary = self
            .domain
            .devices
            .emulator
            .as_ref()
            .map_or_else(|| self.caps.path.clone(), PathBuf::from);
        CommandLine {
            binary,
            arguments: self.arguments,
            environment: self.environment,
        }
    }
}

/// An element that this QEMU or this daemon cannot honour.
pub(super) fn unsupported(what: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, what)
}

/// A document that was not completed.
pub(super) fn incomplete(what: impl Into<String>) -> Error {
    Error::new(Code::InternalError, ErrorDomain::Qemu, what)
}

/// Properties of an object, device or block layer in QEMU's JSON notation, in the order they were set.
#[derive(Debug, Clone, Default)]
pub(super) struct Props(Map<String, Value>);

impl Props {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Of a device or a block layer.
    pub(super) fn driver(name: &str) -> Self {
        Self::new().set("driver", name)
    }

    /// Of an object.
    pub(super) fn object(kind: &str, id: impl Into<String>) -> Self {
        Self::new().set("qom-type", kind).set("id", id.into())
    }

    #[must_use]
    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.put(key, value);
        self
    }

    #[must_use]
    pub(super) fn maybe(mut self, key: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    pub(super) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn overridden(&mut self, property: &QemuProperty) {
        let text = property.value.clone().unwrap_or_default();
        let value = match property.r#type {
            QemuPropertyType::Remove => {
                self.0.shift_remove(&property.name);
                return;
            }
            QemuPropertyType::String => Value::from(text),
            QemuPropertyType::Bool => Value::from(matches!(text.as_str(), "true" | "yes" | "on")),
            QemuPropertyType::Signed => text.parse::<i64>().map_or(Value::from(text), Value::from),
            QemuPropertyType::Unsigned => text.parse::<u64>().map_or(Value::from(text), Value::from),
        };
        self.put(&property.name, value);
    }
}

impl From<Props> for Value {
    fn from(props: Props) -> Self {
        Self::Object(props.0)
    }
}

impl Display for Props {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A map of plain values always has a JSON form.
        f.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

/// Words and `key=value` pairs with commas between them; a comma in a value is doubled.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyValues(String);

impl KeyValues {
    pub(super) fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub(super) fn word(mut self, word: impl Display) -> Self {
        self.push(&word.to_string());
        self
    }

    #[must_use]
    pub(super) fn set(mut self, key: &str, value: impl Display) -> Self {
        self.put(key, value);
        self
    }

    #[must_use]
    pub(super) fn maybe(mut self, key: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    pub(super) fn put(&mut self, key: &str, value: impl Display) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(&value.to_string().replace(',', ",,"));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, word: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&word.replace(',', ",,"));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// `on` or `off`.
pub(super) const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_value_ends_nothing() {
        let text = KeyValues::new()
            .word("socket")
            .set("path", "/a,b=c")
            .set("id", 1)
            .finish();
        assert_eq!(text, "socket,path=/a,,b=c,id=1");
        let json = Props::driver("file").set("filename", "/a\",\"x\":1").to_string();
        assert_eq!(json, r#"{"driver":"file","filename":"/a\",\"x\":1"}"#);
    }
}
