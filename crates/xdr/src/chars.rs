//! `char` as XDR has it: a four-byte integer each, unlike `opaque`.

use crate::decode::Reader;
use crate::encode::put_length;
use crate::{Decode, DecodeMax, Encode, EncodeMax, Error};

/// One `unsigned char`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UChar(pub u8);

/// `char x<max>`: bytes that travel as four-byte integers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chars(pub Vec<u8>);

/// `char x[N]`: a C string in a fixed field, padded with NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharArray<const N: usize>(pub [u8; N]);

impl<const N: usize> CharArray<N> {
    /// The start of `text`, as much as fits before the closing NUL.
    pub fn from_text(text: &str) -> Self {
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().take(N.saturating_sub(1)).zip(text.bytes()) {
            *to = from;
        }
        Self(bytes)
    }

    /// The text before the first NUL.
    pub fn to_text(&self) -> String {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

impl<const N: usize> Default for CharArray<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl Chars {
    /// The bytes of `text` and a closing NUL, as the peer's C arrays hold it.
    pub fn from_text(text: &str) -> Self {
        Self(text.bytes().chain([0]).collect())
    }
}

impl Encode for UChar {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        u32::from(self.0).encode(out)
    }
}

impl Decode for UChar {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let value = i32::decode(reader)?;
        // The sender's `char` may be signed.
        match value {
            -128..=255 => Ok(Self((value & 0xff) as u8)),
            _ => Err(Error::Invalid {
                what: "char",
                value: value.into(),
            }),
        }
    }
}

impl EncodeMax for Chars {
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        put_length(self.0.len(), max, out)?;
        self.0.iter().try_for_each(|byte| UChar(*byte).encode(out))
    }
}

impl DecodeMax for Chars {
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let length = reader.length(max)?;
        let mut bytes = Vec::with_capacity(reader.room_for(length));
        for _ in 0..length {
            bytes.push(UChar::decode(reader)?.0);
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> Encode for CharArray<N> {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.0.iter().try_for_each(|byte| UChar(*byte).encode(out))
    }
}

impl<const N: usize> Decode for CharArray<N> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = UChar::decode(reader)?.0;
        }
        Ok(Self(bytes))
    }
}
