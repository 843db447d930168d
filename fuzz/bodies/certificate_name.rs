//! A certificate from anybody: its name is written or refused, and compared with any pattern.

use rustls_pki_types::CertificateDer;

/// Whether all of `name` is as `pattern` says, in the plainest way.
fn plainly(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (Some((b'*', pattern)), rest) => {
            plainly(pattern, name) || rest.is_some_and(|(_, name)| plainly(&[b"*", pattern].concat(), name))
        }
        (Some((wanted, pattern)), Some((letter, name))) => wanted == letter && plainly(pattern, name),
        (pattern, name) => pattern.is_none() && name.is_none(),
    }
}

pub(crate) fn run(data: &[u8]) {
    if let Ok(name) = tls::distinguished_name(&CertificateDer::from(data)) {
        assert!(!name.contains('\0'));
        assert!(tls::name_matches("*", &name));
        if !name.contains('*') {
            assert!(tls::name_matches(&name, &name));
        }
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Short, as the plain way takes long.
    if let Some((pattern, name)) = text.split_once('\0').filter(|_| text.len() <= 24) {
        let plain = plainly(pattern.as_bytes(), name.as_bytes());
        assert_eq!(tls::name_matches(pattern, name), plain, "{pattern:?} {name:?}");
    }
}
