//! Bytes to values. Nothing is allocated on the strength of an announced length alone.

use crate::{Error, STRING_MAX, padding};

/// What is left of a message being read.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// The bytes not yet read.
    pub const fn rest(&self) -> &'a [u8] {
        self.left
    }

    fn truncated(&self, wanted: usize) -> Error {
        Error::Truncated {
            wanted,
            left: self.left.len(),
        }
    }

    /// The next `N` bytes.
    fn word<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, tail) = self
            .left
            .split_first_chunk::<N>()
            .ok_or_else(|| self.truncated(N))?;
        self.left = tail;
        Ok(*head)
    }

    /// The next `length` bytes and the padding behind them.
    fn padded(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let wanted = length.saturating_add(padding(length));
        let (head, tail) = self
            .left
            .split_at_checked(wanted)
            .ok_or_else(|| self.truncated(wanted))?;
        self.left = tail;
        Ok(head.get(..length).unwrap_or_default())
    }

    /// A length word, at most `max`.
    pub(crate) fn length(&mut self, max: usize) -> Result<usize, Error> {
        let length = u32::decode(self)? as usize;
        if length > max {
            Err(Error::TooLong { length, max })
        } else {
            Ok(length)
        }
    }

    /// How many elements of at least four bytes to make room for: never more than the input can hold.
    pub(crate) fn room_for(&self, length: usize) -> usize {
        length.min(self.left.len() / 4)
    }
}

/// A value that can be read from its XDR form.
pub trait Decode: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// Any [`Error`] but `Trailing`: the bytes are no such value.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error>;
}

/// A variable-length value whose limit its field names.
pub trait DecodeMax: Sized {
    /// Reads a value of at most `max` elements.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a longer one, before anything is allocated.
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error>;
}

/// Reads one value that takes up all of `bytes`.
///
/// # Errors
/// Any [`Error`]; [`Error::Trailing`] when bytes are left over.
pub fn from_bytes<T: Decode>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    match reader.rest().len() {
        0 => Ok(value),
        left => Err(Error::Trailing(left)),
    }
}

macro_rules! big_endian {
    ($($type:ty),*) => {$(
        impl Decode for $type {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
                reader.word().map(<$type>::from_be_bytes)
            }
        }
    )*};
}

big_endian!(i32, u32, i64, u64, f64);

impl Decode for u16 {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let value = u32::decode(reader)?;
        value.try_into().map_err(|_| Error::Invalid {
            what: "unsigned short",
            value: value.into(),
        })
    }
}

impl Decode for bool {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        match u32::decode(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(Error::Invalid {
                what: "boolean",
                value: value.into(),
            }),
        }
    }
}

impl Decode for () {
    fn decode(_: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(())
    }
}

impl Decode for String {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Self::decode_max(STRING_MAX, reader)
    }
}

impl DecodeMax for String {
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let length = reader.length(max)?;
        let text = str::from_utf8(reader.padded(length)?).map_err(|_| Error::NotText)?;
        // A peer that writes C strings would read another text than we do.
        if text.contains('\0') {
            Err(Error::NotText)
        } else {
            Ok(text.to_owned())
        }
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let bytes = reader.padded(N)?;
        bytes.try_into().map_err(|_| Error::Truncated {
            wanted: N,
            left: bytes.len(),
        })
    }
}

impl DecodeMax for Vec<u8> {
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let length = reader.length(max)?;
        reader.padded(length).map(<[u8]>::to_vec)
    }
}

impl<T: Decode> DecodeMax for Vec<T> {
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let length = reader.length(max)?;
        // An element may be far larger in memory than on the wire, so room grows with what is really there.
        let mut items = Self::with_capacity(reader.room_for(length).min(1024));
        for _ in 0..length {
            items.push(T::decode(reader)?);
        }
        Ok(items)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        bool::decode(reader)?.then(|| T::decode(reader)).transpose()
    }
}

impl<T: DecodeMax> DecodeMax for Option<T> {
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        bool::decode(reader)?
            .then(|| T::decode_max(max, reader))
            .transpose()
    }
}
