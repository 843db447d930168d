//! What a line from QEMU is: a reply or an event.

use crate::events::{Event, Timestamp};
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

/// One line, looked at no deeper than needed to know for whom it is.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "return", deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    timestamp: Option<Timestamp>,
}

/// A null is a value too.
fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(source: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    line: String,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Value(Range<usize>),
    Error(Range<usize>),
}

/// What one line says.
#[derive(Debug)]
pub(crate) enum Message {
    /// The reply to the command with that number; without one if it named none or none of ours.
    Reply(Option<u64>, Reply),
    /// An event and the length of its line.
    Event(Event, usize),
}

/// The text of our ids before the number; the same that users of QEMU's logs know.
pub(crate) const ID_PREFIX: &str = "libvirt-";

impl Message {
    /// Reads one line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|_| "a line that is not UTF-8".to_owned())?;
        let envelope: Envelope<'_> =
            serde_json::from_str(text).map_err(|err| format!("a line that is no message: {err}"))?;
        if let Some(name) = envelope.event {
            let data = match envelope.data {
                Some(raw) => serde_json::from_str(raw.get()).map_err(|err| format!("event {name}: {err}"))?,
                None => serde_json::Value::Null,
            };
            let timestamp = envelope.timestamp.unwrap_or_default();
            return Ok(Self::Event(
                Event {
                    name: name.into_owned(),
                    data,
                    timestamp,
                },
                line.len(),
            ));
        }
        let outcome = match (envelope.value, envelope.error) {
            (Some(value), None) => Outcome::Value(place(text, value.get())),
            (None, Some(error)) => Outcome::Error(place(text, error.get())),
            _ => return Err("a line that is neither a reply nor an event".to_owned()),
        };
        let id = envelope.id.map(|id| number(id.get()).unwrap_or(u64::MAX));
        Ok(Self::Reply(
            id,
            Reply {
                line: text.to_owned(),
                outcome,
            },
        ))
    }
}

/// Where in `text` its own part `part` lies.
fn place(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix('"')?
        .strip_prefix(ID_PREFIX)?
        .strip_suffix('"')?
        .parse()
        .ok()
}

/// The error object of a reply.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    class: String,
    #[serde(default)]
    desc: String,
}

impl Reply {
    /// The whole line.
    pub(crate) fn into_line(self) -> String {
        self.line
    }

    /// The value a command was answered with.
    pub(crate) fn value<T: DeserializeOwned>(&self, command: &str) -> Result<T> {
        match &self.outcome {
            Outcome::Value(range) => {
                let text = self.line.get(range.clone()).unwrap_or_default();
                serde_json::from_str(text)
                    .map_err(|err| Error::Protocol(format!("the reply to {command} is malformed: {err}")))
            }
            Outcome::Error(range) => {
                let text = self.line.get(range.clone()).unwrap_or_default();
                let Refusal { class, desc } = serde_json::from_str(text)
                    .map_err(|err| Error::Protocol(format!("the error of {command} is malformed: {err}")))?;
                Err(Error::Command {
                    command: command.to_owned(),
                    class,
                    desc,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_lines_are_refused() {
        for line in [
            "",
            "{}",
            "[]",
            "null",
            "{\"return\":{}",
            "{\"return\":{},\"error\":{}}",
            "{\"return\":{},\"return\":{}}",
            "{\"event\":7}",
            "{\"event\":\"STOP\",\"timestamp\":[]}",
        ] {
            assert!(Message::parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Message::parse(b"{\"return\":\"\xff\"}").is_err());
        let deep = format!(
            "{{\"event\":\"X\",\"data\":{}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(Message::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_foreign_id_is_nobodys() {
        let Ok(Message::Reply(id, _)) = Message::parse(b"{\"return\":{},\"id\":7}") else {
            panic!()
        };
        assert_eq!(id, Some(u64::MAX));
        let Ok(Message::Reply(id, reply)) = Message::parse(b"{\"return\": [1, 2] , \"id\": \"libvirt-7\"}")
        else {
            panic!()
        };
        assert_eq!(id, Some(7));
        assert_eq!(reply.value::<Vec<u8>>("x").unwrap(), [1, 2]);
        assert!(matches!(reply.value::<String>("x"), Err(Error::Protocol(_))));
    }
}
