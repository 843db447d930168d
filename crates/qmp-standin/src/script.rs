//! What the stand-in shall do wrong, and when.
//!
//! A script is lines of words; `#` begins a comment line:
//! ```text
//! probe-with /usr/bin/qemu-system-x86_64     # with -machine none be that program instead
//! on COMMAND[#N[+]] FAULT...                 # on the Nth execution, from the Nth on, or always
//! [NAME]                                     # from here on only for the guest of that name; [*] ends it
//! ```
//! COMMAND is a monitor command, `*` for any, or `greeting`. FAULT is one of:
//! ```text
//! slow MS            answer later                 silent            never answer this one
//! hang               never read or say more       close             close the connection
//! crash              die by a signal              exit CODE         end
//! wrong-id           answer under a foreign id    wrong-type        answer with another JSON type
//! huge               all numbers 2^64-1           malformed         answer half a line
//! garbage BYTES      noise before the answer      oversized BYTES   a line without an end
//! flood N EVENT      that many events before      event NAME [JSON] that event before the answer
//! refuse CLASS TEXT  an error                     answer JSON       that value
//! ```
//! Several faults on one command are applied in their order.

use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A deviation.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the module says what each does")]
pub enum Fault {
    Slow(Duration),
    Silent,
    Hang,
    Close,
    Crash,
    Exit(i32),
    WrongId,
    WrongType,
    Huge,
    Malformed,
    Garbage(usize),
    Oversized(usize),
    Flood(usize, String),
    Event(String, Value),
    Refuse(String, String),
    Answer(Value),
}

#[derive(Debug, Clone)]
struct Rule {
    guest: Option<String>,
    command: Option<String>,
    /// The first and the last execution it applies to, from 1.
    first: u64,
    last: u64,
    fault: Fault,
    seen: u64,
}

/// A script with how far it has come.
#[derive(Debug, Clone, Default)]
pub struct Script {
    rules: Vec<Rule>,
    probe_with: Option<PathBuf>,
}

/// A line that is no part of a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScriptError {
    line: usize,
    what: String,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// A line that is not understood.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        let mut guest = None;
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: String| ScriptError {
                line: index + 1,
                what,
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                guest = Some(name.to_owned()).filter(|name| name != "*");
                continue;
            }
            let (word, rest) = split(line);
            match word {
                "on" => script.rules.push(rule(guest.clone(), rest).map_err(wrong)?),
                "probe-with" => script.probe_with = Some(PathBuf::from(rest)),
                _ => return Err(wrong(format!("unknown word {word}"))),
            }
        }
        Ok(script)
    }

    /// The program to be instead with `-machine none`.
    pub fn probe_with(&self) -> Option<&PathBuf> {
        self.probe_with.as_ref()
    }

    /// Counts one execution of `command` by the guest `name`; what goes wrong with it.
    pub(crate) fn on(&mut self, name: &str, command: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for rule in &mut self.rules {
            let is_for = rule.guest.as_ref().is_none_or(|guest| guest == name);
            let is_of = match &rule.command {
                Some(wanted) => wanted == command,
                None => command != GREETING,
            };
            if is_for && is_of {
                rule.seen += 1;
                if (rule.first..=rule.last).contains(&rule.seen) {
                    faults.push(rule.fault.clone());
                }
            }
        }
        faults
    }
}

/// The command name that stands for the beginning of a connection.
pub(crate) const GREETING: &str = "greeting";

fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn rule(guest: Option<String>, text: &str) -> Result<Rule, String> {
    let (target, rest) = split(text);
    let (command, first, last) = match target.split_once('#') {
        None => (target, 1, u64::MAX),
        Some((command, count)) => {
            let (count, last) = match count.strip_suffix('+') {
                Some(count) => (count, Some(u64::MAX)),
                None => (count, None),
            };
            let first = number(count)?;
            (command, first, last.unwrap_or(first))
        }
    };
    let command = Some(command.to_owned()).filter(|command| command != "*");
    Ok(Rule {
        guest,
        command,
        first,
        last,
        fault: fault(rest)?,
        seen: 0,
    })
}

fn fault(text: &str) -> Result<Fault, String> {
    let (word, rest) = split(text);
    Ok(match word {
        "slow" => Fault::Slow(Duration::from_millis(number(rest)?)),
        "silent" => Fault::Silent,
        "hang" => Fault::Hang,
        "close" => Fault::Close,
        "crash" => Fault::Crash,
        "exit" => Fault::Exit(number(rest)?),
        "wrong-id" => Fault::WrongId,
        "wrong-type" => Fault::WrongType,
        "huge" => Fault::Huge,
        "malformed" => Fault::Malformed,
        "garbage" => Fault::Garbage(number(rest)?),
        "oversized" => Fault::Oversized(number(rest)?),
        "flood" => {
            let (count, event) = split(rest);
            Fault::Flood(number(count)?, event.to_owned())
        }
        "event" => {
            let (name, data) = split(rest);
            let data = if data.is_empty() { Value::Null } else { json(data)? };
            Fault::Event(name.to_owned(), data)
        }
        "refuse" => {
            let (class, desc) = split(rest);
            Fault::Refuse(class.to_owned(), desc.to_owned())
        }
        "answer" => Fault::Answer(json(rest)?),
        _ => return Err(format!("unknown fault {word}")),
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|err| format!("{text}: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_per_command_and_guest() {
        let text = "on cont#2 silent\non *#3+ slow 5\n[a]\non stop refuse GenericError no way\n[*]\non quit exit 3\n";
        let mut script = Script::parse(text).unwrap();
        assert_eq!(script.on("b", "cont"), []);
        assert_eq!(script.on("b", "cont"), [Fault::Silent]);
        assert_eq!(script.on("b", "stop"), [Fault::Slow(Duration::from_millis(5))]);
        let refusal = Fault::Refuse("GenericError".to_owned(), "no way".to_owned());
        assert_eq!(
            script.on("a", "stop"),
            [Fault::Slow(Duration::from_millis(5)), refusal]
        );
        assert_eq!(script.on("a", GREETING), []);
        assert_eq!(script.on("a", "quit").last(), Some(&Fault::Exit(3)));
        for bad in [
            "x",
            "on",
            "on cont",
            "on cont#x silent",
            "on cont slow",
            "on a answer {",
        ] {
            assert!(Script::parse(bad).is_err(), "{bad}");
        }
    }
}
