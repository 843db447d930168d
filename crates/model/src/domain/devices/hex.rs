//! Numbers that the device elements write in hexadecimal or octal.

use std::borrow::Cow;

use xml::{Hex, Value};

/// `0x1234`, with at least `WIDTH` digits.
pub type Hex32<const WIDTH: usize> = Hex<u32, WIDTH>;

/// `0x100000000`
pub type Hex64 = Hex<u64, 1>;

/// A file mode, printed as `0644`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OctalMode(pub u16);

impl Value for OctalMode {
    const EXPECTED: &'static str = "octal mode up to 0777";

    fn parse(text: &str) -> Option<Self> {
        if text.starts_with('+') {
            return None;
        }
        u16::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o777)
            .map(Self)
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{:04o}", self.0))
    }
}
