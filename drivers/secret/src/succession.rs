//! What the next program in this process needs: the secrets that are in memory only.
//!
//! Documents travel in the notes. Values travel in a file without a name, which the kernel keeps in memory and which is
//! overwritten as soon as it was read, or is not needed.

use crate::registry::Registry;
use crate::secret::{Secret, Value};
use daemon::Handover;
use error::{Code, Domain, Error, Result};
use model::secret::Secret as Document;
use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use xdr::SecretBytes;
use zeroize::Zeroizing;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    ephemeral: Vec<Note>,
}

/// A secret.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    document: String,
    /// Bytes of its value, where it has one. They follow those of the notes before.
    value: Option<usize>,
}

/// Values on their way; overwritten when dropped. On exec nothing is dropped: there whoever reads them does it.
#[derive(Debug)]
pub(crate) struct Values(File);

impl Drop for Values {
    fn drop(&mut self) {
        if let Err(failure) = wipe(&mut self.0) {
            tracing::warn!(%failure, "values of secrets were not overwritten");
        }
    }
}

fn wipe(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.rewind()?;
    io::copy(&mut io::repeat(0).take(length), file).map(drop)
}

fn failed(failure: impl std::error::Error) -> Error {
    let text = format!("secrets in memory cannot be handed over: {failure}");
    Error::new(Code::OperationFailed, Domain::Secret, text)
}

/// Packs what the next program needs. The values last until what is given beside is dropped.
///
/// # Errors
/// The system has no more descriptors or memory.
pub(crate) fn pack(secrets: &Registry) -> Result<(Handover, Values)> {
    let file = rustix::fs::memfd_create("secrets", MemfdFlags::CLOEXEC).map_err(failed)?;
    let mut values = Values(file.into());
    let mut notes = Notes::default();
    for secret in secrets.all().into_iter().filter(|secret| secret.is_ephemeral()) {
        let value = match &secret.value {
            Value::Set(value) => {
                values.0.write_all(value.expose()).map_err(failed)?;
                Some(value.expose().len())
            }
            Value::Unset | Value::Unreadable(_) => None,
        };
        notes.ephemeral.push(Note {
            document: secret.document.to_xml(),
            value,
        });
    }
    values.0.rewind().map_err(failed)?;
    let handover = Handover {
        notes: serde_json::to_string(&notes).map_err(failed)?,
        descriptors: vec![values.0.try_clone().map_err(failed)?.into()],
    };
    Ok((handover, values))
}

/// What was handed over: the secrets in memory.
///
/// # Errors
/// Something is missing, or cannot be understood.
pub(crate) fn unpack(handover: Handover) -> Result<Vec<Secret>> {
    let notes: Notes = serde_json::from_str(&handover.notes).map_err(failed)?;
    let [values]: [OwnedFd; 1] = handover.descriptors.try_into().map_err(|_| {
        let text = "the program before handed over other descriptors than it should";
        Error::new(Code::InternalError, Domain::Secret, text)
    })?;
    let mut values = Values(values.into());
    let secrets = notes.ephemeral.into_iter().map(|note| {
        let document = Document::from_xml(&note.document)?;
        let uuid = document.uuid.ok_or_else(|| {
            let text = "a secret was handed over without its UUID";
            Error::new(Code::InternalError, Domain::Secret, text)
        })?;
        let value = match note.value {
            Some(length) => Value::Set(Arc::new(value(&mut values.0, length).map_err(failed)?)),
            None => Value::Unset,
        };
        Ok(Secret {
            uuid,
            document,
            value,
        })
    });
    secrets.collect()
}

fn value(file: &mut File, length: usize) -> io::Result<SecretBytes> {
    let left = file.metadata()?.len().saturating_sub(file.stream_position()?);
    if u64::try_from(length).is_ok_and(|length| length > left) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes)?;
    Ok(SecretBytes::from(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn secrets_in_memory_go_on_and_leave_no_copy_on_the_way() {
        let registry = Registry::default();
        let texts: [Option<&[u8]>; 4] = [Some(b"open\0sesame"), None, Some(b""), Some(b"second")];
        for (number, text) in texts.iter().enumerate() {
            for ephemeral in ["yes", "no"] {
                let uuid = Uuid::new_v4();
                let xml = format!(
                    "<secret ephemeral='{ephemeral}'><uuid>{uuid}</uuid><description>{number}</description></secret>"
                );
                let value = text.map(|text| Arc::new(SecretBytes::from(text.to_vec())));
                registry.put(Arc::new(Secret {
                    uuid,
                    document: Document::from_xml(&xml).unwrap(),
                    value: value.map_or(Value::Unset, Value::Set),
                }));
            }
        }
        let (handover, kept) = pack(&registry).unwrap();
        assert!(!handover.notes.contains("second"));
        let mut copy = kept.0.try_clone().unwrap();
        // As an exec does: nothing is dropped.
        std::mem::forget(kept);
        let secrets = unpack(handover).unwrap();
        let all = registry.all();
        let mut expected = all.iter().filter(|secret| secret.is_ephemeral());
        for secret in &secrets {
            let before = expected.next().unwrap();
            assert_eq!(secret.document.to_xml(), before.document.to_xml());
            match (&secret.value, &before.value) {
                (Value::Set(now), Value::Set(before)) => assert_eq!(now, before),
                (Value::Unset, Value::Unset) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(expected.next().is_none());
        let mut left = Vec::new();
        copy.rewind().unwrap();
        copy.read_to_end(&mut left).unwrap();
        assert_eq!(left, vec![0; "open\0sesame".len() + "second".len()]);
    }

    #[test]
    fn notes_that_promise_too_much_are_refused() {
        let (mut handover, _values) = pack(&Registry::default()).unwrap();
        let uuid = Uuid::new_v4();
        handover.notes = format!(
            r#"{{"ephemeral":[{{"document":"<secret ephemeral='yes'><uuid>{uuid}</uuid></secret>","value":{}}}]}}"#,
            usize::MAX
        );
        assert!(unpack(handover).is_err());
    }
}
