//! XDR (RFC 4506) with every length checked before it is believed.
//!
//! A type that travels derives [`Xdr`]; that gives it [`Encode`], [`Decode`] and [`Describe`]. Lengths come from the
//! peer, so a variable-length value states its maximum at the field (`#[xdr(max = N)]`) and a longer announcement is
//! refused before anything is allocated; what is allocated never exceeds what the input could still hold. A whole
//! message is read with [`from_bytes`], which also refuses trailing bytes.
//!
//! The project has its own codec because the protocol needs what no published crate offers together: limits at each
//! field enforced on both sides, `char` arrays of four-byte elements, and a description of every type that tests
//! compare with the protocol's definition.

extern crate self as xdr;

mod chars;
mod decode;
mod describe;
mod encode;
mod secret;

pub use chars::{CharArray, Chars, UChar};
pub use decode::{Decode, DecodeMax, Reader, from_bytes};
pub use describe::{Describe, DescribeMax, Schema};
pub use encode::{Encode, EncodeMax, put_count, put_text, to_bytes};
pub use secret::SecretBytes;
pub use xdr_derive::Xdr;

/// The longest string the protocol's programs allow where a field names no other limit, in bytes.
pub const STRING_MAX: usize = 4_194_304;

/// Why bytes are not a value, or a value cannot become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ends inside a value.
    #[error("{wanted} more bytes expected, {left} left")]
    Truncated {
        /// How many bytes the value still needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A length is above the limit its field allows.
    #[error("length {length} exceeds the limit of {max}")]
    TooLong {
        /// The announced or actual length.
        length: usize,
        /// What the field allows.
        max: usize,
    },
    /// A number that its type does not have: a boolean of 2, an unknown enum value or union arm.
    #[error("{value} is not a valid {what}")]
    Invalid {
        /// The type in words.
        what: &'static str,
        /// The number found.
        value: i64,
    },
    /// A string that is not UTF-8 or holds a NUL.
    #[error("a string is not valid text")]
    NotText,
    /// Bytes are left after the value.
    #[error("{0} bytes left over after the message")]
    Trailing(usize),
}

/// How many bytes pad a value of `length` bytes to the next multiple of four.
const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

#[cfg(test)]
mod tests;
