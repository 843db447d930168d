//! `tls_priority`: GnuTLS's words for what may be negotiated, as far as they say something about protocol versions.

use crate::TlsError;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// Words that begin a priority. The suites here are those of all of them that are still thought safe.
const BASES: &[&str] = &[
    "NORMAL",
    "SECURE128",
    "SECURE192",
    "SECURE256",
    "PFS",
    "@SYSTEM",
    "@LIBVIRT",
];

/// Versions too old to be spoken here.
const OLD: &[&str] = &["VERS-SSL3.0", "VERS-TLS1.0", "VERS-TLS1.1"];

/// The versions that may be spoken.
pub(crate) fn versions(priority: Option<&str>) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let mut versions = vec![&TLS13, &TLS12];
    for (at, word) in priority.unwrap_or("NORMAL").split(':').enumerate() {
        if at == 0 && BASES.contains(&word) {
            continue;
        }
        let refused = || TlsError::Priority(format!("'{word}' is not known; {BASES:?} and -VERS-... are"));
        let (add, what) = match word.split_at_checked(1) {
            Some(("+", what)) => (true, what),
            Some(("-" | "!", what)) => (false, what),
            _ => return Err(refused()),
        };
        let meant: &[&'static SupportedProtocolVersion] = match what {
            "VERS-ALL" | "VERS-TLS-ALL" => &[&TLS13, &TLS12],
            "VERS-TLS1.3" => &[&TLS13],
            "VERS-TLS1.2" => &[&TLS12],
            old if OLD.contains(&old) && !add => &[],
            _ => return Err(refused()),
        };
        versions.retain(|version| !meant.contains(version));
        if add {
            versions.extend(meant);
        }
    }
    if versions.is_empty() {
        return Err(TlsError::Priority(
            "it leaves no version that could be spoken".to_owned(),
        ));
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused() {
        let count = |text| versions(Some(text)).map(|versions| versions.len()).ok();
        for (text, expected) in [
            ("NORMAL", Some(2)),
            ("SECURE256:-VERS-TLS1.0:-VERS-TLS1.1", Some(2)),
            ("NORMAL:-VERS-TLS1.2", Some(1)),
            ("NORMAL:-VERS-ALL:+VERS-TLS1.3", Some(1)),
            ("NORMAL:-VERS-ALL", None),
            ("NORMAL:+VERS-TLS1.0", None),
            ("NORMAL:-CIPHER-ALL", None),
            ("NONE", None),
            ("", None),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
        assert_eq!(versions(None).unwrap().len(), 2);
    }
}
