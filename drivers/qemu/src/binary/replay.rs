//! Recorded answers of a binary's monitor, fed to the code that reads live ones.
//!
//! A recording is a text of JSON objects: a command, then its reply, and so on. It may hold two conversations, the
//! first under KVM; a second `qmp_capabilities` starts the one under emulation.

use super::answers::{Answers, Question};
use super::{BinaryCaps, parse};
use error::{Code, Domain, Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;

#[derive(Deserialize)]
struct Recorded {
    execute: Option<String>,
    arguments: Option<serde_json::Value>,
    #[serde(rename = "return")]
    answer: Option<Box<RawValue>>,
}

/// The capabilities of a binary at `binary` whose answers are recorded in `replies`.
///
/// # Errors
/// [`Code::InternalError`] when the recording cannot be read or lacks what every binary answers.
pub fn from_replies(replies: &Path, binary: &Path) -> Result<BinaryCaps> {
    let wrong = |what: String| {
        Error::new(
            Code::InternalError,
            Domain::Qemu,
            format!("recording '{}': {what}", replies.display()),
        )
    };
    let text = std::fs::read_to_string(replies).map_err(|error| wrong(error.to_string()))?;
    let mut conversations: Vec<Answers> = Vec::new();
    let mut asked = None;
    for object in serde_json::Deserializer::from_str(&text).into_iter::<Recorded>() {
        let object = object.map_err(|error| wrong(error.to_string()))?;
        if let Some(command) = object.execute {
            if command == "qmp_capabilities" {
                conversations.push(Answers::default());
            }
            asked = known(&command, object.arguments);
        } else if let (Some(question), Some(answer)) = (asked.take(), object.answer)
            && let Some(answers) = conversations.last_mut()
        {
            answers.insert(question, answer);
        }
    }
    let mut conversations = conversations.into_iter();
    let first = conversations
        .next()
        .ok_or_else(|| wrong("no conversation".to_owned()))?;
    let (tcg, kvm) = match conversations.next() {
        Some(tcg) => (tcg, Some(first)),
        None => (first, None),
    };
    parse::read(binary, &tcg, kvm.as_ref(), None)
}

/// The question a recorded command is, if it is one of ours.
fn known(command: &str, arguments: Option<serde_json::Value>) -> Option<Question> {
    let names = super::answers::for_tcg("x86_64")
        .into_iter()
        .chain(super::answers::for_kvm());
    let execute = names
        .map(|question| question.execute)
        .find(|name| *name == command)?;
    Some(Question {
        execute,
        arguments: arguments.map(|arguments| arguments.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_binaries_answer_in_full() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/qemu-caps");
        if !corpus.is_dir() {
            eprintln!("skipped: no recordings at {}", corpus.display());
            return;
        }
        for (file, major) in [
            ("caps_10.0.0_x86_64.replies", 10),
            ("caps_7.2.0_x86_64.replies", 7),
        ] {
            let caps = from_replies(&corpus.join(file), Path::new("/usr/bin/qemu-system-x86_64")).unwrap();
            assert_eq!((caps.version.major, caps.arch.as_str()), (major, "x86_64"));
            assert!(caps.has_kvm() && caps.has_device("virtio-blk-pci") && caps.has_device("rng-random"));
            assert!(caps.has_property("virtio-blk-pci", "packed") && caps.has_machine_property("hpet"));
            assert!(caps.has_command("blockdev-add") && caps.has_event("SHUTDOWN"));
            assert!(caps.schema("blockdev-add/arg-type/+file/aio/^io_uring"));
            assert!(caps.schema("blockdev-add/arg-type/+qcow2/*lazy-refcounts"));
            // One that came with 9.2.
            let milliseconds = "chardev-add/arg-type/backend/+socket/data/reconnect-ms";
            assert_eq!(caps.schema(milliseconds), major > 7);
            assert_eq!(
                caps.machine("q35")
                    .map(|m| m.name.contains(&format!("q35-{major}"))),
                Some(true)
            );
            assert!(
                caps.kvm
                    .as_ref()
                    .unwrap()
                    .best
                    .as_ref()
                    .unwrap()
                    .unmigratable
                    .contains("invtsc")
            );
            let stored = serde_json::to_string(&caps).unwrap();
            assert_eq!(serde_json::from_str::<BinaryCaps>(&stored).unwrap(), caps);
            assert!(stored.len() < 500_000, "{} bytes", stored.len());
        }
    }
}
