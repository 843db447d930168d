//! Addresses of network interfaces.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// An Ethernet address, printed as `52:54:00:12:34:56`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The first three octets of addresses that are made up for guests of QEMU.
    pub const QEMU_PREFIX: [u8; 3] = [0x52, 0x54, 0x00];

    /// The octets.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether it names a group, and so cannot be an interface's own address.
    pub const fn is_multicast(self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 1
    }

    /// An address of a QEMU guest that ends in three octets of the caller's.
    pub const fn qemu([a, b, c]: [u8; 3]) -> Self {
        let [x, y, z] = Self::QEMU_PREFIX;
        Self([x, y, z, a, b, c])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is no Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAMac;

impl fmt::Display for NotAMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ethernet address")
    }
}

impl std::error::Error for NotAMac {}

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().ok_or(NotAMac)?;
            if part.is_empty() || part.len() > 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(NotAMac);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| NotAMac)?;
        }
        if parts.next().is_some() {
            Err(NotAMac)
        } else {
            Ok(Self(octets))
        }
    }
}

impl xml::Value for Mac {
    const EXPECTED: &'static str = "Ethernet address";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_six_octets() {
        let mac: Mac = "52:54:0:AB:cd:01".parse().unwrap();
        assert_eq!(mac.to_string(), "52:54:00:ab:cd:01");
        assert!(!mac.is_multicast() && "01:00:5e:00:00:01".parse::<Mac>().unwrap().is_multicast());
        for bad in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:01:02",
            "52:54:00:ab:cd:+1",
            "52:54:00:ab:cd:001",
            "é:0:0:0:0:0",
        ] {
            assert_eq!(bad.parse::<Mac>(), Err(NotAMac), "{bad}");
        }
    }
}
