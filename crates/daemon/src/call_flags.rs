//! Flags of calls: each call names those it knows, any other is refused.

use error::{Code, Domain, Error, Result};

/// Refuses flags outside `known`.
///
/// # Errors
/// [`Code::InvalidArg`] that tells the unknown bits.
pub fn check(domain: Domain, call: &str, flags: u32, known: u32) -> Result<()> {
    match flags & !known {
        0 => Ok(()),
        unknown => Err(Error::new(
            Code::InvalidArg,
            domain,
            format!("unsupported flags (0x{unknown:x}) in {call}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_flag_is_named() {
        assert!(check(Domain::Qemu, "virDomainX", 3, 7).is_ok());
        let error = check(Domain::Qemu, "virDomainX", 9, 1).unwrap_err();
        assert_eq!((error.code(), error.domain()), (Code::InvalidArg, Domain::Qemu));
        assert!(error.to_string().contains("0x8"), "{error}");
    }
}
