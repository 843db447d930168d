//! Flags of calls, as this driver judges them.

use error::{Code, Domain, Error, Result};

/// Refuses flags outside `known`.
///
/// # Errors
/// [`Code::InvalidArg`] that tells the unknown bits.
pub(crate) fn check(call: &str, flags: u32, known: u32) -> Result<()> {
    daemon::call_flags::check(Domain::Qemu, call, flags, known)
}

/// Refuses two flags that contradict each other.
///
/// # Errors
/// [`Code::InvalidArg`].
pub(crate) fn exclusive(call: &str, flags: u32, one: (u32, &str), other: (u32, &str)) -> Result<()> {
    if flags & one.0 != 0 && flags & other.0 != 0 {
        let text = format!("flags '{}' and '{}' in {call} exclude each other", one.1, other.1);
        return Err(Error::new(Code::InvalidArg, Domain::Qemu, text));
    }
    Ok(())
}

/// Which of a domain's two configurations a call means (`virDomainModificationImpact`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Impact {
    /// The running guest.
    pub live: bool,
    /// The definition that the next start uses.
    pub config: bool,
}

/// `VIR_DOMAIN_AFFECT_LIVE`.
pub(crate) const AFFECT_LIVE: u32 = 1;
/// `VIR_DOMAIN_AFFECT_CONFIG`.
pub(crate) const AFFECT_CONFIG: u32 = 2;
/// Both bits; none of them means the present state, whatever it is.
pub(crate) const AFFECT: u32 = AFFECT_LIVE | AFFECT_CONFIG;
/// `VIR_TYPED_PARAM_STRING_OKAY`: the client understands string parameters, as every client of today does.
pub(crate) const STRING_OKAY: u32 = 4;

impl Impact {
    /// Reads the bits for a domain that is or is not active and persistent.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when the configuration meant is not there.
    pub(crate) fn of(flags: u32, active: bool, persistent: bool) -> Result<Self> {
        let invalid = |text: &str| Err(Error::new(Code::OperationInvalid, Domain::Qemu, text));
        let impact = match flags & AFFECT {
            0 => Self {
                live: active,
                config: !active,
            },
            bits => Self {
                live: bits & AFFECT_LIVE != 0,
                config: bits & AFFECT_CONFIG != 0,
            },
        };
        if impact.live && !active {
            return invalid("domain is not running");
        }
        if impact.config && !persistent {
            return invalid("transient domains do not have any persistent config");
        }
        Ok(impact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bits_mean_the_present() {
        assert_eq!(
            Impact::of(0, true, true).unwrap(),
            Impact {
                live: true,
                config: false
            }
        );
        assert_eq!(
            Impact::of(0, false, true).unwrap(),
            Impact {
                live: false,
                config: true
            }
        );
        assert_eq!(
            Impact::of(AFFECT, true, true).unwrap(),
            Impact {
                live: true,
                config: true
            }
        );
        assert!(Impact::of(AFFECT_LIVE, false, true).is_err());
        assert!(Impact::of(AFFECT_CONFIG, true, false).is_err());
    }
}
