//! Bytes that nobody but their reader shall see.

use crate::{DecodeMax, DescribeMax, EncodeMax, Error, Reader, Schema};
use zeroize::Zeroizing;

/// Opaque data that is secret: on the wire like any other, in memory overwritten when it is dropped, and in logs no more
/// than its length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} secret bytes]", self.0.len())
    }
}

impl EncodeMax for SecretBytes {
    fn encode_max(&self, max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        /// Room for what may follow in the message.
        const REST: usize = 64;
        // A buffer that grows later would leave a copy behind.
        out.reserve(self.0.len().min(max) + REST);
        self.0.encode_max(max, out)
    }
}

impl DecodeMax for SecretBytes {
    fn decode_max(max: usize, reader: &mut Reader<'_>) -> Result<Self, Error> {
        Vec::decode_max(max, reader).map(Self::from)
    }
}

impl DescribeMax for SecretBytes {
    fn schema_max(max: usize) -> Schema {
        Vec::<u8>::schema_max(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_travels_like_other_bytes_and_is_not_logged() {
        let secret = SecretBytes::from(b"sesame".to_vec());
        let mut bytes = Vec::new();
        secret.encode_max(8, &mut bytes).unwrap();
        assert_eq!(bytes, b"\0\0\0\x06sesame\0\0");
        assert_eq!(
            SecretBytes::decode_max(8, &mut Reader::new(&bytes)).unwrap(),
            secret
        );
        assert_eq!(format!("{secret:?}"), "[6 secret bytes]");
    }
}
