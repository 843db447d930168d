//! One monitor connection: reads commands, answers them, and goes wrong where the script says so.

use crate::channel::{Channel, Input};
use crate::command_line::CommandLine;
use crate::machine::{Machine, Outcome};
use crate::probing;
use crate::script::{Fault, GREETING, Script};
use serde_json::{Value, json};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What all monitors of one stand-in share.
#[derive(Debug)]
pub struct World(Mutex<State>);

#[derive(Debug)]
struct State {
    machine: Machine,
    script: Script,
    hangs: bool,
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The connection only; another may come.
    Connection,
    /// The whole process, with that exit code.
    Exit(i32),
    /// The whole process, by a signal.
    Crash,
}

/// Whether the connection goes on.
type Next = Result<(), Ending>;

impl World {
    /// A guest as the command line has it.
    pub fn new(line: CommandLine, script: Script) -> Self {
        Self(Mutex::new(State {
            machine: Machine::new(line),
            script,
            hangs: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection to its end.
    pub fn serve(&self, channel: &Channel) -> Ending {
        match self.converse(channel) {
            Ok(Err(ending)) => ending,
            // A client that went away says so in many ways.
            Ok(Ok(())) | Err(_) => Ending::Connection,
        }
    }

    fn converse(&self, channel: &Channel) -> io::Result<Next> {
        let mut input = Input::default();
        if self.state().hangs {
            channel.wait_for_the_end();
            return Ok(Ok(()));
        }
        let greeting = json!({ "QMP": { "version": probing::version(), "capabilities": ["oob"] } });
        let faults = self.faults(GREETING);
        if let Err(ending) = self.reply(channel, greeting, &faults)? {
            return Ok(Err(ending));
        }
        let mut negotiated = false;
        while let Some(line) = channel.next_line(&mut input)? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Err(ending) = self.take(channel, &line, &mut input, &mut negotiated)? {
                return Ok(Err(ending));
            }
        }
        Ok(Ok(()))
    }

    fn faults(&self, command: &str) -> Vec<Fault> {
        let state = &mut *self.state();
        state.script.on(state.machine.name(), command)
    }

    fn take(
        &self,
        channel: &Channel,
        line: &[u8],
        input: &mut Input,
        negotiated: &mut bool,
    ) -> io::Result<Next> {
        let request: Value = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(err) => {
                let error = refusal("GenericError", &format!("JSON parse error, {err}"));
                return self.reply(channel, error, &[]);
            }
        };
        let id = request.get("id");
        let Some(command) = request.get("execute").and_then(Value::as_str) else {
            let error = refusal("GenericError", "QMP input member 'execute' must be a string");
            return self.reply(channel, with_id(error, id), &[]);
        };
        let faults = self.faults(command);
        let arguments = request.get("arguments").cloned().unwrap_or_default();
        let outcome = match (*negotiated, command) {
            (false, "qmp_capabilities") => {
                *negotiated = true;
                Outcome::default()
            }
            (false, _) => unknown("Expecting capabilities negotiation with 'qmp_capabilities'"),
            (true, "qmp_capabilities") => {
                unknown("Capabilities negotiation is already complete, command ignored")
            }
            (true, "query-balloon") => self.state().machine.query_balloon(),
            (true, _) => match self.state().machine.execute(command, &arguments, &mut input.fds) {
                Some(outcome) => outcome,
                None => match probing::answer(command, &arguments) {
                    Some(value) => Outcome {
                        answer: Ok(value),
                        ..Outcome::default()
                    },
                    None => unknown(&format!("The command {command} has not been found")),
                },
            },
        };
        for (name, data) in outcome.events {
            channel.write(&event(name, &data))?;
        }
        let reply = match outcome.answer {
            Ok(value) => json!({ "return": value }),
            Err((class, desc)) => refusal(class, &desc),
        };
        let next = self.reply(channel, with_id(reply, id), &faults)?;
        Ok(if outcome.ends {
            next.and(Err(Ending::Exit(0)))
        } else {
            next
        })
    }

    /// Writes a reply with what is wrong with it.
    fn reply(&self, channel: &Channel, mut reply: Value, faults: &[Fault]) -> io::Result<Next> {
        let (mut silent, mut half) = (false, false);
        for fault in faults {
            match fault {
                Fault::Slow(time) => std::thread::sleep(*time),
                Fault::Silent => silent = true,
                Fault::Hang => {
                    self.state().hangs = true;
                    channel.wait_for_the_end();
                    return Ok(Err(Ending::Connection));
                }
                Fault::Close => return Ok(Err(Ending::Connection)),
                Fault::Crash => return Ok(Err(Ending::Crash)),
                Fault::Exit(code) => return Ok(Err(Ending::Exit(*code))),
                Fault::WrongId => reply = with_id(reply, Some(&json!("libvirt-4294967295"))),
                Fault::WrongType => replace(&mut reply, |value| match value {
                    Value::Object(_) => json!([[]]),
                    _ => json!({ "surprise": [] }),
                }),
                Fault::Huge => replace(&mut reply, huge),
                Fault::Malformed => half = true,
                Fault::Garbage(count) => channel.write(&garbage(*count))?,
                Fault::Oversized(count) => {
                    channel.write(b"{\"return\": \"")?;
                    let piece = [b'a'; 4096];
                    let mut left = *count;
                    while left > 0 {
                        let now = left.min(piece.len());
                        channel.write(piece.get(..now).unwrap_or_default())?;
                        left -= now;
                    }
                }
                Fault::Flood(count, name) => {
                    for number in 0..*count {
                        channel.write(&event(name, &json!({ "number": number })))?;
                    }
                }
                Fault::Event(name, data) => channel.write(&event(name, data))?,
                Fault::Refuse(class, desc) => {
                    let id = reply.get("id").cloned();
                    reply = with_id(refusal(class, desc), id.as_ref());
                }
                Fault::Answer(value) => replace(&mut reply, |_| value.clone()),
            }
        }
        if silent {
            return Ok(Ok(()));
        }
        let mut line = reply.to_string().into_bytes();
        if half {
            line.truncate(line.len() / 2);
        }
        line.extend_from_slice(b"\r\n");
        channel.write(&line)?;
        Ok(Ok(()))
    }
}

fn unknown(desc: &str) -> Outcome {
    Outcome {
        answer: Err(("CommandNotFound", desc.to_owned())),
        ..Outcome::default()
    }
}

fn refusal(class: &str, desc: &str) -> Value {
    json!({ "error": { "class": class, "desc": desc } })
}

fn with_id(mut reply: Value, id: Option<&Value>) -> Value {
    if let (Some(reply), Some(id)) = (reply.as_object_mut(), id) {
        reply.insert("id".to_owned(), id.clone());
    }
    reply
}

fn replace(reply: &mut Value, by: impl FnOnce(Value) -> Value) {
    if let Some(value) = reply.get_mut("return") {
        *value = by(value.take());
    }
}

fn huge(value: Value) -> Value {
    match value {
        Value::Number(_) => u64::MAX.into(),
        Value::Array(list) => list.into_iter().map(huge).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, huge(value))).collect(),
        other => other,
    }
}

fn event(name: &str, data: &Value) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = json!({
        "timestamp": { "seconds": now.as_secs(), "microseconds": now.subsec_micros() }, "event": name,
    });
    if let (Some(event), false) = (event.as_object_mut(), data.is_null()) {
        event.insert("data".to_owned(), data.clone());
    }
    format!("{event}\r\n").into_bytes()
}

/// Noise that is the same in every run; it ends with a line end so that what follows stands alone.
fn garbage(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise: Vec<u8> = (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    noise.push(b'\n');
    noise
}
