//! What several drivers hand over, in one.

use crate::Handover;
use error::{Code, Domain, Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What one driver has in a handover. Its descriptors come after those of the drivers before it.
#[derive(Debug, Serialize, Deserialize)]
struct Share {
    driver: String,
    notes: String,
    descriptors: usize,
}

/// Joins what drivers hand over.
///
/// # Errors
/// [`Code::InternalError`] when it cannot be written.
pub(super) fn join(drivers: Vec<(&'static str, Handover)>) -> Result<Handover> {
    let mut joined = Handover::default();
    let mut shares = Vec::new();
    for (driver, handover) in drivers {
        shares.push(Share {
            driver: driver.to_owned(),
            notes: handover.notes,
            descriptors: handover.descriptors.len(),
        });
        joined.descriptors.extend(handover.descriptors);
    }
    joined.notes = serde_json::to_string(&shares).map_err(|failure| {
        let text = format!("what drivers hand over cannot be written: {failure}");
        Error::new(Code::InternalError, Domain::None, text)
    })?;
    Ok(joined)
}

/// What each driver handed over. What cannot be read is told in the log: no driver can do without a process that serves.
pub(super) fn split(handover: Option<Handover>) -> HashMap<String, Handover> {
    let Some(Handover { notes, descriptors }) = handover else {
        return HashMap::new();
    };
    let shares: Vec<Share> = serde_json::from_str(&notes).unwrap_or_else(|failure| {
        tracing::error!(%failure, "what drivers handed over cannot be read, and is lost");
        Vec::new()
    });
    let mut descriptors = descriptors.into_iter();
    let shares = shares.into_iter().map(|share| {
        let handover = Handover {
            notes: share.notes,
            descriptors: descriptors.by_ref().take(share.descriptors).collect(),
        };
        (share.driver, handover)
    });
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::OwnedFd;

    fn file(text: &str) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        file.into()
    }

    fn of(notes: &str, files: &[&str]) -> Handover {
        Handover {
            notes: notes.to_owned(),
            descriptors: files.iter().map(|text| file(text)).collect(),
        }
    }

    fn read(handover: Handover) -> (String, Vec<String>) {
        let texts = handover.descriptors.into_iter().map(|descriptor| {
            let mut text = String::new();
            File::from(descriptor).read_to_string(&mut text).unwrap();
            text
        });
        (handover.notes, texts.collect())
    }

    #[test]
    fn each_has_its_own_again() {
        let joined = join(vec![
            ("a", of("of a", &["1", "2"])),
            ("b", of("", &[])),
            ("c", of("of \"c\"", &["3"])),
        ]);
        let mut split = split(Some(joined.unwrap()));
        let mut own = |driver| read(split.remove(driver).unwrap());
        assert_eq!(own("c"), ("of \"c\"".to_owned(), vec!["3".to_owned()]));
        assert_eq!(own("b"), (String::new(), vec![]));
        assert_eq!(
            own("a"),
            ("of a".to_owned(), vec!["1".to_owned(), "2".to_owned()])
        );
        assert!(split.is_empty());
    }

    #[test]
    fn what_is_unreadable_or_absent_is_nobodys() {
        assert!(split(None).is_empty());
        assert!(split(Some(of("{}", &["1"]))).is_empty());
    }
}
