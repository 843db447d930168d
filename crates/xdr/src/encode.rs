//! Values to bytes.

use crate::{Error, STRING_MAX, padding};

/// A value that has an XDR form.
pub trait Encode {
    /// Appends the value to `out`.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the value is longer than its field allows: the peer would refuse it.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// A variable-length value whose limit its field names.
pub trait EncodeMax {
    /// Appends the value if it has at most `max` elements.
    ///
    /// # Errors
    /// [`Error::TooLong`] when it has more.
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// The bytes of one whole value.
///
/// # Errors
/// As [`Encode::encode`].
pub fn to_bytes(value: &impl Encode) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    value.encode(&mut out)?;
    Ok(out)
}

pub(crate) fn put_length(length: usize, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let word = u32::try_from(length)
        .ok()
        .filter(|_| length <= max)
        .ok_or(Error::TooLong { length, max })?;
    out.extend_from_slice(&word.to_be_bytes());
    Ok(())
}

fn put_padded(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    out.resize(out.len() + padding(bytes.len()), 0);
}

macro_rules! big_endian {
    ($($type:ty as $wire:ty),*) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
                out.extend_from_slice(&<$wire>::from(*self).to_be_bytes());
                Ok(())
            }
        }
    )*};
}

big_endian!(
    i32 as i32,
    u32 as u32,
    i64 as i64,
    u64 as u64,
    f64 as f64,
    u16 as u32,
    bool as u32
);

impl Encode for () {
    fn encode(&self, _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.encode_max(STRING_MAX, out)
    }
}

impl EncodeMax for String {
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        put_length(self.len(), max, out)?;
        put_padded(self.as_bytes(), out);
        Ok(())
    }
}

/// Appends a text that is told in pieces as one string, without putting it together first.
///
/// # Errors
/// [`Error::TooLong`] when it is longer than a string may be.
pub fn put_text(pieces: &[&str], out: &mut Vec<u8>) -> Result<(), Error> {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    put_length(length, STRING_MAX, out)?;
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
    out.resize(out.len() + padding(length), 0);
    Ok(())
}

/// Appends the length of a list, whose elements have to follow.
///
/// # Errors
/// [`Error::TooLong`] when there are more than `max`.
pub fn put_count(count: usize, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    put_length(count, max, out)
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        put_padded(self, out);
        Ok(())
    }
}

impl EncodeMax for Vec<u8> {
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        put_length(self.len(), max, out)?;
        put_padded(self, out);
        Ok(())
    }
}

impl<T: Encode> EncodeMax for Vec<T> {
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        put_length(self.len(), max, out)?;
        self.iter().try_for_each(|item| item.encode(out))
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.is_some().encode(out)?;
        self.as_ref().map_or(Ok(()), |value| value.encode(out))
    }
}

impl<T: EncodeMax> EncodeMax for Option<T> {
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        self.is_some().encode(out)?;
        self.as_ref().map_or(Ok(()), |value| value.encode_max(max, out))
    }
}
