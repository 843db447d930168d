//! Values of the rules by which USB redirection is filtered.
//!
//! In all of them `-1` stands for "any", which is the same as leaving the attribute out.

use std::borrow::Cow;

use xml::{Hex, Value};

/// Device class; `None` fits any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbFilterClass(pub Option<u8>);

impl Value for UsbFilterClass {
    const EXPECTED: &'static str = "USB class or '-1'";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "-1" => Some(Self(None)),
            _ => Hex::<u8, 2>::parse(text).map(|class| Self(Some(class.0))),
        }
    }

    fn format(&self) -> Cow<'_, str> {
        self.0
            .map_or(Cow::Borrowed("-1"), |class| Cow::Owned(format!("0x{class:02X}")))
    }
}

/// Vendor or product; `None` fits any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbFilterId(pub Option<u16>);

impl Value for UsbFilterId {
    const EXPECTED: &'static str = "USB id or '-1'";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "-1" => Some(Self(None)),
            _ => Hex::<u16, 4>::parse(text).map(|id| Self(Some(id.0))),
        }
    }

    fn format(&self) -> Cow<'_, str> {
        self.0
            .map_or(Cow::Borrowed("-1"), |id| Cow::Owned(format!("0x{id:04X}")))
    }
}

/// Version of a device in binary-coded decimal (`0x0110` is 1.10); `None` fits any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbFilterVersion(pub Option<u16>);

impl Value for UsbFilterVersion {
    const EXPECTED: &'static str = "USB version such as '1.10', or '-1'";

    /// The part behind the dot is a fraction: `1.1` is `1.10`.
    fn parse(text: &str) -> Option<Self> {
        if text == "-1" {
            return Some(Self(None));
        }
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let well_formed =
            |part: &str| matches!(part.len(), 1 | 2) && part.bytes().all(|c| c.is_ascii_digit());
        if !well_formed(major) || !well_formed(minor) {
            return None;
        }
        let major = u16::from_str_radix(major, 16).ok()?;
        let digits = u16::from_str_radix(minor, 16).ok()?;
        let minor = if minor.len() == 1 { digits << 4 } else { digits };
        Some(Self(Some(major << 8 | minor)))
    }

    fn format(&self) -> Cow<'_, str> {
        self.0.map_or(Cow::Borrowed("-1"), |version| {
            Cow::Owned(format!("{:x}.{:02x}", version >> 8, version & 0xff))
        })
    }
}
