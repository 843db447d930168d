//! Notes of session guests' ports on disk, each before its port: the next daemon finds by them what has to be looked after.

use crate::failure::refused;
use daemon::durable;
use error::{Code, Result};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use uuid::Uuid;

/// The ending of their files' names.
const ENDING: &str = "json";

/// A tap as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TapNote {
    pub name: String,
    pub index: u32,
    /// Its address on the host's side.
    pub address: Vec<u8>,
}

/// A port of a session guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub port: Uuid,
    pub network: String,
    /// Whose guest it is.
    pub uid: u32,
    /// The card's address.
    pub mac: String,
    /// The filter that guards it.
    pub filter: Option<String>,
    /// `None` until it is connected.
    pub tap: Option<TapNote>,
}

fn failed(err: io::Error) -> error::Error {
    refused(Code::OperationFailed, err.to_string()).caused_by(err)
}

impl Note {
    /// Puts it on disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        durable::create_folder(folder, 0o700).map_err(failed)?;
        let text = serde_json::to_vec(self).map_err(|err| failed(err.into()))?;
        durable::replace(&folder.join(format!("{}.{ENDING}", self.port)), &text).map_err(failed)
    }

    /// Removes it.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn remove(&self, folder: &Path) -> Result<()> {
        durable::remove(&folder.join(format!("{}.{ENDING}", self.port))).map_err(failed)
    }
}

/// All of them.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn all(folder: &Path) -> Result<Vec<Note>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut notes = Vec::new();
    for (name, text) in durable::documents(folder, ENDING).map_err(failed)? {
        let note = text
            .map_err(failed)
            .and_then(|text| serde_json::from_str(&text).map_err(|err| failed(err.into())));
        match note {
            Ok(note) => notes.push(note),
            Err(err) => tracing::error!(%err, file = name, "a note of a session guest's port was left out"),
        }
    }
    Ok(notes)
}
