//! The name in a certificate, written as GnuTLS does: `tls_allowed_dn_list` and access rules are compared with it.
//!
//! That is RFC 4514 with the parts in the certificate's own order, and with GnuTLS's names for a few of them.

use rustls::pki_types::CertificateDer;
use std::fmt::Write;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Encode, Tag, Tagged};

/// GnuTLS's names of the parts that it knows.
const NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "surName"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAIL"),
];

/// The name of a certificate's subject.
///
/// # Errors
/// What is malformed.
pub fn distinguished_name(certificate: &CertificateDer<'_>) -> Result<String, String> {
    let certificate = Certificate::from_der(certificate).map_err(|failure| failure.to_string())?;
    let subject = certificate.tbs_certificate().subject();
    let mut name = String::new();
    for (at, part) in subject.iter_rdn().enumerate() {
        if at > 0 {
            name.push(',');
        }
        for (at, attribute) in part.iter().enumerate() {
            if at > 0 {
                name.push('+');
            }
            write(&mut name, attribute)?;
        }
    }
    Ok(name)
}

fn write(name: &mut String, attribute: &AttributeTypeAndValue) -> Result<(), String> {
    let oid = attribute.oid.to_string();
    let known = NAMES.iter().find(|(number, _)| *number == oid);
    match known.and_then(|(_, known)| text(attribute).map(|text| (known, text))) {
        Some((known, text)) => {
            name.push_str(known);
            name.push('=');
            escape(name, &text);
        }
        None => {
            name.push_str(known.map_or(oid.as_str(), |(_, known)| known));
            name.push_str("=#");
            let bytes = attribute.value.to_der().map_err(|failure| failure.to_string())?;
            for byte in bytes {
                // Writing into a string does not fail.
                let _ = write!(name, "{byte:02x}");
            }
        }
    }
    Ok(())
}

/// The value, if it is one of the kinds of text.
fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    match value.tag() {
        Tag::Utf8String => value
            .decode_as::<Utf8StringRef<'_>>()
            .ok()
            .map(|text| text.as_str().to_owned()),
        Tag::PrintableString => value
            .decode_as::<PrintableStringRef<'_>>()
            .ok()
            .map(|text| text.as_str().to_owned()),
        Tag::Ia5String => value
            .decode_as::<Ia5StringRef<'_>>()
            .ok()
            .map(|text| text.as_str().to_owned()),
        Tag::TeletexString => value
            .decode_as::<TeletexStringRef<'_>>()
            .ok()
            .map(|text| text.as_str().to_owned()),
        Tag::BmpString => value.decode_as::<BmpString>().ok().map(|text| text.to_string()),
        _ => None,
    }
}

/// Writes a value so that nothing in it looks like a part of the name's own form.
fn escape(name: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (at, letter) in value.chars().enumerate() {
        let special = match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == last,
            '#' => at == 0,
            _ => false,
        };
        if special {
            name.push('\\');
        }
        if letter == '\0' {
            name.push_str("\\00");
        } else {
            name.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;
    use std::path::Path;

    fn check(file: &str, expected: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/names");
        let certificate = CertificateDer::from_pem_file(folder.join(file)).unwrap();
        assert_eq!(distinguished_name(&certificate).unwrap(), expected);
    }

    /// What GnuTLS 3.7.9 says of the same files.
    #[test]
    fn names_are_written_as_gnutls_writes_them() {
        check(
            "certtool.pem",
            r"C=GB,ST=London,L=Lon\, don,O=Libvirt \+ Project,OU=uu,CN=client=1,UID=joe,DC=x,title=Dr.,serialNumber=77",
        );
        check(
            "every-part.pem",
            r#"C=GB,O=Org+OU=un it,CN=\ #a\<b\>\;\"q\\,EMAIL=a@b.c,serialNumber=9,title=Dr,DC=x,UID=u,street=s,postalCode=12,description=d,surName=s,givenName=g,initials=i,pseudonym=p"#,
        );
        check("unknown.pem", r"C=GB,2.3.4.5=#0c03666f6f,CN=\ a,O=tail");
        check("unicode.pem", r"CN=Jürgen,O=\#x");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bytes in [&b""[..], b"\x30\x03\x02\x01\x01", &[0x30; 100]] {
            assert!(distinguished_name(&CertificateDer::from(bytes)).is_err());
        }
    }
}
