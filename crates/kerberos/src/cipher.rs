//! AES in CBC mode with ciphertext stealing (RFC 3962, 5): nothing is padded, and the last two blocks change places.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, InnerIvInit, Iv, IvSizeUser, KeyInit};
use aes::{Aes128, Aes256};
use cts::{CbcCs1, CbcCs3, Decrypt, Encrypt};

/// The length of a block in bytes.
pub(crate) const BLOCK: usize = 16;

/// A cipher with its key. There is no first vector; what is encrypted begins with random bytes.
pub(crate) enum Cipher {
    Aes128(Aes128),
    Aes256(Aes256),
}

impl Cipher {
    /// `None` for a key of another length.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::Aes128),
            32 => Aes256::new_from_slice(key).ok().map(Self::Aes256),
            _ => None,
        }
    }

    /// Encrypts in place; `None` for less than a block.
    pub(crate) fn encrypt(&self, bytes: &mut [u8]) -> Option<()> {
        match self {
            Self::Aes128(cipher) => encrypt(cipher, bytes),
            Self::Aes256(cipher) => encrypt(cipher, bytes),
        }
    }

    /// Decrypts in place; `None` for less than a block.
    pub(crate) fn decrypt(&self, bytes: &mut [u8]) -> Option<()> {
        match self {
            Self::Aes128(cipher) => decrypt(cipher, bytes),
            Self::Aes256(cipher) => decrypt(cipher, bytes),
        }
    }
}

// A single block has nobody to change places with, which only the first variant of stealing knows.

fn encrypt<C: BlockCipherEncrypt>(cipher: &C, bytes: &mut [u8]) -> Option<()> {
    let done = if bytes.len() == BLOCK {
        CbcCs1::inner_iv_init(cipher, &nothing::<CbcCs1<&C>>()).encrypt(bytes)
    } else {
        CbcCs3::inner_iv_init(cipher, &nothing::<CbcCs3<&C>>()).encrypt(bytes)
    };
    done.ok()
}

fn decrypt<C: BlockCipherDecrypt>(cipher: &C, bytes: &mut [u8]) -> Option<()> {
    let done = if bytes.len() == BLOCK {
        CbcCs1::inner_iv_init(cipher, &nothing::<CbcCs1<&C>>()).decrypt(bytes)
    } else {
        CbcCs3::inner_iv_init(cipher, &nothing::<CbcCs3<&C>>()).decrypt(bytes)
    };
    done.ok()
}

fn nothing<M: IvSizeUser>() -> Iv<M> {
    Iv::<M>::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::hex;

    /// RFC 3962, appendix B.
    #[test]
    fn the_last_blocks_change_places() {
        let text = b"I would like the General Gau's Chicken, please, and wonton soup.";
        let cipher = Cipher::new(b"chicken teriyaki").unwrap();
        for (length, expected) in [
            (17, "c6353568f2bf8cb4d8a580362da7ff7f97"),
            (
                31,
                "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
            ),
            (
                32,
                "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
            ),
            (
                47,
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
            ),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8\
                 4807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ] {
            let mut bytes = text[..length].to_vec();
            cipher.encrypt(&mut bytes).unwrap();
            assert_eq!(bytes, hex(expected), "{length}");
            cipher.decrypt(&mut bytes).unwrap();
            assert_eq!(bytes, text[..length], "{length}");
        }
    }

    #[test]
    fn what_is_no_block_and_no_key_is_refused() {
        assert!(Cipher::new(&[0; 24]).is_none());
        let cipher = Cipher::new(&[0; 32]).unwrap();
        assert!(cipher.encrypt(&mut [0; 15]).is_none() && cipher.decrypt(&mut []).is_none());
        let mut block = [7; BLOCK];
        cipher.encrypt(&mut block).unwrap();
        cipher.decrypt(&mut block).unwrap();
        assert_eq!(block, [7; BLOCK]);
    }
}
