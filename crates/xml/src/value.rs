//! What fits into an attribute or a text.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Text form of a value.
///
/// Derived for enums that are a closed vocabulary: `#[xml("word")]` on each variant.
pub trait Value: Sized {
    /// What a good value would be, for the error; empty where the vocabulary is too long to tell.
    const EXPECTED: &'static str = "";

    /// The value that `text` stands for.
    fn parse(text: &str) -> Option<Self>;

    /// The value as text, not escaped.
    fn format(&self) -> Cow<'_, str>;
}

impl Value for String {
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl Value for Box<str> {
    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

macro_rules! integers {
    ($expected:literal: $($kind:ty),+) => {
        $(impl Value for $kind {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }

            fn format(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        })+
    };
}

integers!("non-negative integer value": u8, u16, u32, u64, usize);
integers!("integer value": i8, i16, i32, i64, isize);
integers!("number": f64);

macro_rules! addresses {
    ($($kind:ty: $expected:literal),+) => {
        $(impl Value for $kind {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn format(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        })+
    };
}

addresses!(IpAddr: "IP address", Ipv4Addr: "IPv4 address", Ipv6Addr: "IPv6 address");

/// Thirty-two hexadecimal digits, with dashes wherever the writer put them, as libvirt takes them.
impl Value for uuid::Uuid {
    const EXPECTED: &'static str = "UUID";

    fn parse(text: &str) -> Option<Self> {
        let mut digits = [0_u8; 32];
        let mut taken = 0;
        for byte in text.trim().bytes().filter(|byte| *byte != b'-') {
            *digits.get_mut(taken)? = byte;
            taken += 1;
        }
        (taken == digits.len()).then(|| Self::try_parse_ascii(&digits).ok())?
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

/// `yes` or `no`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum YesNo {
    /// `yes`
    Yes,
    /// `no`
    No,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnOff {
    /// `on`
    On,
    /// `off`
    Off,
}

macro_rules! switches {
    ($kind:ident, $yes:ident $yes_text:literal, $no:ident $no_text:literal, $test:ident, $expected:literal) => {
        impl $kind {
            /// Both values.
            pub const ALL: &'static [Self] = &[Self::$yes, Self::$no];

            /// Whether the switch is set.
            pub const fn $test(self) -> bool {
                matches!(self, Self::$yes)
            }

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$yes => $yes_text,
                    Self::$no => $no_text,
                }
            }
        }

        impl Value for $kind {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $yes_text => Some(Self::$yes),
                    $no_text => Some(Self::$no),
                    _ => None,
                }
            }

            fn format(&self) -> Cow<'_, str> {
                Cow::Borrowed(self.as_str())
            }
        }

        impl From<bool> for $kind {
            fn from(value: bool) -> Self {
                if value { Self::$yes } else { Self::$no }
            }
        }

        impl From<$kind> for bool {
            fn from(value: $kind) -> Self {
                value.$test()
            }
        }

        impl Default for $kind {
            /// The switch that is not set.
            fn default() -> Self {
                Self::$no
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

switches!(YesNo, Yes "yes", No "no", is_yes, "'yes' or 'no'");
switches!(OnOff, On "on", Off "off", is_on, "'on' or 'off'");

/// A number that is written in hexadecimal with at least `WIDTH` digits: `0x001f`. Read, it may be decimal or octal
/// as well, as in C.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hex<T, const WIDTH: usize>(pub T);

/// Integers that [`Hex`] takes.
pub trait HexInteger: Copy + fmt::LowerHex {
    /// The number in base `radix`.
    fn from_radix(digits: &str, radix: u32) -> Option<Self>;
}

macro_rules! hex_integers {
    ($($kind:ty),+) => {
        $(impl HexInteger for $kind {
            fn from_radix(digits: &str, radix: u32) -> Option<Self> {
                Self::from_str_radix(digits, radix).ok()
            }
        })+
    };
}

hex_integers!(u8, u16, u32, u64);

impl<T: HexInteger, const WIDTH: usize> Value for Hex<T, WIDTH> {
    const EXPECTED: &'static str = "non-negative integer value";

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => match text.strip_prefix('0') {
                Some(digits) if !digits.is_empty() => (digits, 8),
                _ => (text, 10),
            },
        };
        // A sign would be accepted by from_str_radix.
        if digits.starts_with(['+', '-']) {
            return None;
        }
        T::from_radix(digits, radix).map(Self)
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(format!("0x{:0WIDTH$x}", self.0))
    }
}

impl<T: HexInteger, const WIDTH: usize> fmt::Display for Hex<T, WIDTH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:0WIDTH$x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_whole_or_not_at_all() {
        assert_eq!(u32::parse(" 12\n"), Some(12));
        assert_eq!(u32::parse("12k"), None);
        assert_eq!(u32::parse("-1"), None);
        assert_eq!(u32::parse("4294967296"), None);
        assert_eq!(i32::parse("-1"), Some(-1));
        assert_eq!(u64::parse(""), None);
    }

    #[test]
    fn hexadecimal_is_written_but_c_notation_is_read() {
        type Slot = Hex<u8, 2>;
        assert_eq!(Slot::parse("0x1f"), Some(Hex(31)));
        assert_eq!(Slot::parse("31"), Some(Hex(31)));
        assert_eq!(Slot::parse("037"), Some(Hex(31)));
        assert_eq!(Slot::parse("0"), Some(Hex(0)));
        assert_eq!(Slot::parse("0x100"), None);
        assert_eq!(Slot::parse("0x-1"), None);
        assert_eq!(Slot::parse("+1"), None);
        assert_eq!(Hex::<u8, 2>(3).format(), "0x03");
        assert_eq!(Hex::<u64, 16>(3).format(), "0x0000000000000003");
    }
}
