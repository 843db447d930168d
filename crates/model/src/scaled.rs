//! Sizes with units: `<memory unit='GiB'>2</memory>`.
//!
//! A document may use any unit; what is kept is the number of KiB or bytes, and that is what is written.

use xml::{Error, Fields, Node, Result, Value, Writer};

/// Bytes in one `unit`, by the names that libvirt takes: `b`, `bytes`, `KB` (1000), `K` and `KiB` (1024), up to `E`.
pub fn unit_bytes(unit: &str) -> Option<u64> {
    if unit.eq_ignore_ascii_case("b")
        || unit.eq_ignore_ascii_case("byte")
        || unit.eq_ignore_ascii_case("bytes")
    {
        return Some(1);
    }
    let (prefix, rest) = unit.split_at_checked(1)?;
    let exponent = match prefix.to_ascii_lowercase().as_str() {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    if rest.is_empty() || rest.eq_ignore_ascii_case("ib") {
        1024_u64.checked_pow(exponent)
    } else if rest.eq_ignore_ascii_case("b") {
        1000_u64.checked_pow(exponent)
    } else {
        None
    }
}

/// `value` of `unit`, or of `default` bytes each, in bytes.
///
/// # Errors
/// An unknown unit, or more bytes than there are numbers.
pub fn bytes(element: &str, value: u64, unit: Option<&str>, default: u64) -> Result<u64> {
    let each = match unit {
        Some(unit) => unit_bytes(unit)
            .ok_or_else(|| Error::attribute(element, "unit", unit, "unit such as 'KiB' or 'GiB'"))?,
        None => default,
    };
    let total = value.checked_mul(each).filter(|total| *total <= i64::MAX as u64);
    total.ok_or_else(|| Error::Overflow(format!("Value too large for element '{element}': {value}")))
}

/// A size in KiB, rounded up when read; the unit is KiB where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kibibytes(pub u64);

impl Kibibytes {
    /// The size in bytes, as far as it can be told.
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(1024)
    }

    /// The size in MiB, rounded up.
    pub const fn mebibytes(self) -> u64 {
        self.0.div_ceil(1024)
    }

    /// Reads the size from an attribute with its unit in the attribute `unit`.
    ///
    /// # Errors
    /// No number, an unknown unit, too large.
    pub fn from_attribute(node: Node<'_>, attribute: &'static str) -> Result<Option<Self>> {
        match node.optional(attribute)? {
            Some(value) => bytes(node.name(), value, node.attribute("unit"), 1024)
                .map(|bytes| Some(Self(bytes.div_ceil(1024)))),
            None => Ok(None),
        }
    }
}

impl Fields for Kibibytes {
    fn read(node: Node<'_>) -> Result<Self> {
        let value = node.own_text()?;
        bytes(node.name(), value, node.attribute("unit"), 1024).map(|bytes| Self(bytes.div_ceil(1024)))
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("unit", "KiB");
    }

    fn write_children(&self, writer: &mut Writer) {
        writer.text(&self.0.format());
    }
}

/// A size in bytes, which is the unit where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Fields for Bytes {
    fn read(node: Node<'_>) -> Result<Self> {
        let value = node.own_text()?;
        bytes(node.name(), value, node.attribute("unit"), 1).map(Self)
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("unit", "bytes");
    }

    fn write_children(&self, writer: &mut Writer) {
        writer.text(&self.0.format());
    }
}

/// A size that is written in the largest unit in which it is a whole number. Without a unit it is read as `UNIT` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WholeUnits<const UNIT: u64> {
    /// How many.
    pub bytes: u64,
}

impl<const UNIT: u64> WholeUnits<UNIT> {
    /// Number and unit.
    fn pretty(self) -> (u64, &'static str) {
        let (mut value, mut unit) = (self.bytes, "B");
        for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
            if value == 0 || !value.is_multiple_of(1024) {
                break;
            }
            (value, unit) = (value / 1024, larger);
        }
        (value, unit)
    }
}

impl<const UNIT: u64> Fields for WholeUnits<UNIT> {
    fn read(node: Node<'_>) -> Result<Self> {
        let value = node.own_text()?;
        bytes(node.name(), value, node.attribute("unit"), UNIT).map(|bytes| Self { bytes })
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("unit", self.pretty().1);
    }

    fn write_children(&self, writer: &mut Writer) {
        writer.text(&self.pretty().0.format());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024_or_1000() {
        let cases = [
            ("KiB", 1024),
            ("k", 1024),
            ("KB", 1000),
            ("GiB", 1 << 30),
            ("b", 1),
            ("bytes", 1),
            ("E", 1 << 60),
        ];
        for (unit, bytes) in cases {
            assert_eq!(unit_bytes(unit), Some(bytes), "{unit}");
        }
        for unit in ["", "x", "Kx", "KiBs", "é"] {
            assert_eq!(unit_bytes(unit), None, "{unit}");
        }
    }

    #[test]
    fn sizes_are_rounded_up_and_never_wrap() {
        let read = |text: &str| {
            xml::with_root(text, Kibibytes::read)
                .map(|size| size.0)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("<m unit='b'>1025</m>"), Ok(2));
        assert_eq!(read("<m>7</m>"), Ok(7));
        assert_eq!(read("<m unit='GiB'>2</m>"), Ok(2 << 20));
        assert!(read("<m unit='EiB'>16</m>").is_err());
        assert!(
            read("<m unit='x'>1</m>")
                .unwrap_err()
                .contains("'unit' in element 'm'")
        );
        assert!(read("<m>-1</m>").is_err() && read("<m/>").is_err());
    }

    #[test]
    fn whole_units_are_the_largest() {
        let write = |bytes| xml::to_string_named(&WholeUnits::<1024> { bytes }, "s");
        assert_eq!(write(48 << 20), "<s unit='MiB'>48</s>\n");
        assert_eq!(write(1025), "<s unit='B'>1025</s>\n");
        assert_eq!(write(0), "<s unit='B'>0</s>\n");
    }
}
