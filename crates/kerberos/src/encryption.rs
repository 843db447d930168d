//! Encryption types, and what they make of a key: for each use of it two others, one that encrypts and one that proves
//! that nothing was changed.
//!
//! | type | name | derivation and order |
//! |---|---|---|
//! | 17, 18 | aes128-, aes256-cts-hmac-sha1-96 | RFC 3961 and 3962: the proof is of what was encrypted |
//! | 19, 20 | aes128-cts-hmac-sha256-128, aes256-cts-hmac-sha384-192 | RFC 8009: the proof is of the encrypted |

use crate::Refused;
use crate::cipher::{BLOCK, Cipher};
use hmac::{Hmac, KeyInit};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// How a key encrypts, and its number in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// `aes128-cts-hmac-sha1-96`
    Aes128Sha1 = 17,
    /// `aes256-cts-hmac-sha1-96`
    Aes256Sha1 = 18,
    /// `aes128-cts-hmac-sha256-128`
    Aes128Sha256 = 19,
    /// `aes256-cts-hmac-sha384-192`
    Aes256Sha384 = 20,
}

/// The longest proof of any type, in bytes.
pub(crate) const PROOF_MAX: usize = 24;

impl Encryption {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Aes128Sha1,
        Self::Aes256Sha1,
        Self::Aes128Sha256,
        Self::Aes256Sha384,
    ];

    /// The type with that number.
    ///
    /// # Errors
    /// [`Refused::Encryption`]: there is none, or it is not taken.
    pub fn from_number(number: i32) -> Result<Self, Refused> {
        let found = Self::ALL.into_iter().find(|kind| kind.number() == number);
        found.ok_or(Refused::Encryption(number))
    }

    /// Its number in the protocol.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha256 => "aes128-cts-hmac-sha256-128",
            Self::Aes256Sha384 => "aes256-cts-hmac-sha384-192",
        }
    }

    /// How strongly it encrypts, in bits of a key.
    pub fn strength(self) -> u32 {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 => 128,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 256,
        }
    }

    fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 32,
        }
    }

    /// How long its proofs are, in bytes.
    pub(crate) fn proof_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => 12,
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha384 => 24,
        }
    }

    /// How long the keys are that it proves with.
    fn proving_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Sha1 => 32,
            Self::Aes256Sha384 => 24,
        }
    }

    /// Whether the proof is of the encrypted.
    fn proves_encrypted(self) -> bool {
        matches!(self, Self::Aes128Sha256 | Self::Aes256Sha384)
    }
}

/// A key of an encryption type. It goes from memory with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    kind: Encryption,
    bytes: Zeroizing<Vec<u8>>,
}

/// What a derived key is for.
#[derive(Clone, Copy)]
enum Purpose {
    Checksum = 0x99,
    Encryption = 0xaa,
    Integrity = 0x55,
}

impl Key {
    /// A key of the type with that number.
    ///
    /// # Errors
    /// The type is not taken, or its keys have another length.
    pub fn new(number: i32, bytes: &[u8]) -> Result<Self, Refused> {
        let kind = Encryption::from_number(number)?;
        let length = bytes.len();
        if length != kind.key_length() {
            return Err(Refused::Length { kind, length });
        }
        let bytes = Zeroizing::new(bytes.to_vec());
        Ok(Self { kind, bytes })
    }

    /// A new key.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn random(kind: Encryption) -> Result<Self, Refused> {
        let mut bytes = Zeroizing::new(vec![0; kind.key_length()]);
        getrandom::fill(&mut bytes).map_err(Refused::Random)?;
        Ok(Self { kind, bytes })
    }

    /// How it encrypts.
    pub fn kind(&self) -> Encryption {
        self.kind
    }

    /// The key itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn derived(&self, usage: u32, purpose: Purpose) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let [a, b, c, d] = usage.to_be_bytes();
        let constant = [a, b, c, d, purpose as u8];
        let length = match purpose {
            Purpose::Encryption => self.kind.key_length(),
            Purpose::Checksum | Purpose::Integrity => self.kind.proving_length(),
        };
        if !self.kind.proves_encrypted() {
            return derive_by_cipher(&self.cipher(&self.bytes)?, &constant, length);
        }
        // RFC 8009, 3: one turn of a key derivation of SP 800-108, which is as long as any of these keys.
        let bits = u32::try_from(8 * length).unwrap_or_default();
        let mut derived = Zeroizing::new(vec![0; length]);
        let parts: [&[u8]; 4] = [&1u32.to_be_bytes(), &constant, &[0], &bits.to_be_bytes()];
        Prover::new(self.kind, &self.bytes)?.prove(&parts, &mut derived);
        Ok(derived)
    }

    fn cipher(&self, key: &[u8]) -> Result<Cipher, Refused> {
        let (kind, length) = (self.kind, key.len());
        Cipher::new(key).ok_or(Refused::Length { kind, length })
    }

    /// What encrypts for one use of the key.
    ///
    /// # Errors
    /// None that an intact key leads to.
    pub(crate) fn encryptor(&self, usage: u32) -> Result<Encryptor, Refused> {
        Ok(Encryptor {
            kind: self.kind,
            cipher: self.cipher(&self.derived(usage, Purpose::Encryption)?)?,
            prover: Prover::new(self.kind, &self.derived(usage, Purpose::Integrity)?)?,
        })
    }

    /// What proves without encrypting, for one use of the key.
    ///
    /// # Errors
    /// None that an intact key leads to.
    pub(crate) fn checksum(&self, usage: u32) -> Result<Checksum, Refused> {
        Ok(Checksum {
            kind: self.kind,
            prover: Prover::new(self.kind, &self.derived(usage, Purpose::Checksum)?)?,
        })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// RFC 3961, 5.1: the folded constant is encrypted, and again, until there are bytes enough.
fn derive_by_cipher(cipher: &Cipher, constant: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let mut block = fold(constant, BLOCK);
    let mut derived = Zeroizing::new(Vec::with_capacity(length + BLOCK));
    while derived.len() < length {
        cipher.encrypt(&mut block).ok_or(Refused::Message)?;
        derived.extend_from_slice(&block);
    }
    block.zeroize();
    derived.truncate(length);
    Ok(derived)
}

/// The n-fold of RFC 3961, 5.1: copies of `input`, each turned right by 13 bits more than the one before, are laid end to end
/// until their length is a multiple of `length`, and its parts of that length are added with the carry brought around.
fn fold(input: &[u8], length: usize) -> Vec<u8> {
    let mut sum = vec![0; length];
    if input.is_empty() || length == 0 {
        return sum;
    }
    let bits = 8 * input.len();
    let byte_at = |place: usize| {
        let turned = 13 * (place / input.len()) % bits;
        let first = (8 * (place % input.len()) + bits - turned) % bits;
        let byte = |place: usize| u16::from(input.get(place % input.len()).copied().unwrap_or_default());
        let two = byte(first / 8) << 8 | byte(first / 8 + 1);
        two >> (8 - first % 8) & 0xff
    };
    let mut carry = 0;
    let mut add = |place: usize, what: u16| {
        if let Some(byte) = sum.get_mut(place % length) {
            carry += u16::from(*byte) + what;
            let [above, below] = carry.to_be_bytes();
            *byte = below;
            carry = u16::from(above);
        }
    };
    for place in (0..least_common_multiple(input.len(), length)).rev() {
        add(place, byte_at(place));
    }
    for place in (0..length).rev() {
        add(place, 0);
    }
    sum
}

fn least_common_multiple(one: usize, other: usize) -> usize {
    let (mut a, mut b) = (one, other);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    one / a * other
}

/// A hash with a key.
enum Prover {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
}

impl Prover {
    fn new(kind: Encryption, key: &[u8]) -> Result<Self, Refused> {
        let made = match kind {
            Encryption::Aes128Sha1 | Encryption::Aes256Sha1 => Hmac::new_from_slice(key).map(Self::Sha1),
            Encryption::Aes128Sha256 => Hmac::new_from_slice(key).map(Self::Sha256),
            Encryption::Aes256Sha384 => Hmac::new_from_slice(key).map(Self::Sha384),
        };
        let length = key.len();
        made.map_err(|_| Refused::Length { kind, length })
    }

    /// Fills `proof` with the beginning of the hash of the parts.
    fn prove(&self, parts: &[&[u8]], proof: &mut [u8]) {
        match self {
            Self::Sha1(prover) => prove(prover.clone(), parts, proof),
            Self::Sha256(prover) => prove(prover.clone(), parts, proof),
            Self::Sha384(prover) => prove(prover.clone(), parts, proof),
        }
    }
}

fn prove(mut prover: impl hmac::Mac, parts: &[&[u8]], proof: &mut [u8]) {
    for part in parts {
        prover.update(part);
    }
    for (byte, hashed) in proof.iter_mut().zip(prover.finalize().into_bytes()) {
        *byte = hashed;
    }
}

/// Encrypts for one use of a key.
pub(crate) struct Encryptor {
    kind: Encryption,
    cipher: Cipher,
    prover: Prover,
}

impl Encryptor {
    pub(crate) fn kind(&self) -> Encryption {
        self.kind
    }

    /// Encrypts what `bytes` has from `start` on, and appends the proof. A random block has to stand first.
    ///
    /// # Errors
    /// There is less than that block.
    pub(crate) fn encrypt(&self, bytes: &mut Vec<u8>, start: usize) -> Result<(), Refused> {
        let clear = bytes.get_mut(start..).unwrap_or_default();
        let mut proof = [0; PROOF_MAX];
        let proof = proof.get_mut(..self.kind.proof_length()).unwrap_or_default();
        if self.kind.proves_encrypted() {
            self.cipher.encrypt(clear).ok_or(Refused::Message)?;
            self.prover.prove(&[&[0; BLOCK], clear], proof);
        } else {
            self.prover.prove(&[clear], proof);
            self.cipher.encrypt(clear).ok_or(Refused::Message)?;
        }
        bytes.extend_from_slice(proof);
        Ok(())
    }

    /// What `text` becomes.
    pub(crate) fn encrypted(&self, text: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut bytes = vec![0; BLOCK];
        getrandom::fill(&mut bytes).map_err(Refused::Random)?;
        bytes.extend_from_slice(text);
        self.encrypt(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Decrypts in place; gives what stood behind the random block. Whatever does not fit stays a secret between the cipher and
    /// the bytes, which hold nothing of use then.
    ///
    /// # Errors
    /// [`Refused::Message`]
    pub(crate) fn decrypt<'a>(&self, bytes: &'a mut [u8]) -> Result<&'a mut [u8], Refused> {
        let length = bytes.len().checked_sub(self.kind.proof_length());
        let (encrypted, came) = length
            .and_then(|length| bytes.split_at_mut_checked(length))
            .ok_or(Refused::Message)?;
        let mut proof = [0; PROOF_MAX];
        let proof = proof.get_mut(..self.kind.proof_length()).unwrap_or_default();
        if self.kind.proves_encrypted() {
            self.prover.prove(&[&[0; BLOCK], encrypted], proof);
            fits(proof, came)?;
            self.cipher.decrypt(encrypted).ok_or(Refused::Message)?;
        } else {
            self.cipher.decrypt(encrypted).ok_or(Refused::Message)?;
            self.prover.prove(&[encrypted], proof);
            if let Err(refused) = fits(proof, came) {
                encrypted.zeroize();
                return Err(refused);
            }
        }
        encrypted.get_mut(BLOCK..).ok_or(Refused::Message)
    }
}

/// Proves for one use of a key, without encrypting.
pub(crate) struct Checksum {
    kind: Encryption,
    prover: Prover,
}

impl Checksum {
    /// The proof of the parts.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut proof = vec![0; self.kind.proof_length()];
        self.prover.prove(parts, &mut proof);
        proof
    }

    /// Whether that is their proof.
    ///
    /// # Errors
    /// [`Refused::Message`]: it is not.
    pub(crate) fn check(&self, parts: &[&[u8]], proof: &[u8]) -> Result<(), Refused> {
        fits(&self.of(parts), proof)
    }
}

/// In a time that tells nothing.
fn fits(proof: &[u8], came: &[u8]) -> Result<(), Refused> {
    if bool::from(proof.ct_eq(came)) {
        Ok(())
    } else {
        Err(Refused::Message)
    }
}

/// Bytes from their digits.
#[cfg(test)]
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encryption::{Aes128Sha256, Aes256Sha384};

    /// RFC 3961, A.1.
    #[test]
    fn constants_are_folded() {
        for (input, length, expected) in [
            ("012345", 8, "be072631276b1955"),
            ("password", 7, "78a07b6caf85fa"),
            ("Rough Consensus, and Running Code", 8, "bb6ed30870b7f0e0"),
            ("password", 21, "59e4a8ca7c0385c3c37b3f6d2000247cb6e6bd5b3e"),
            (
                "MASSACHVSETTS INSTITVTE OF TECHNOLOGY",
                24,
                "db3b0d8f0b061e603282b308a50841229ad798fab9540c1b",
            ),
            ("Q", 21, "518a54a2 15a8452a 518a54a2 15a8452a 518a54a2 15"),
            ("ba", 21, "fb25d531 ae897449 9f52fd92 ea9857c4 ba24cf29 7e"),
            ("kerberos", 16, "6b65726265726f737b9b5b2b93132b93"),
        ] {
            assert_eq!(fold(input.as_bytes(), length), hex(expected), "{input}");
        }
        assert_eq!(fold(b"", 3), [0; 3]);
    }

    const KEY_128: &str = "3705D960 80C17728 A0E800EA B6E0D23C";
    const KEY_256: &str = "6D404D37 FAF79F9D F0D33568 D3206698 00EB4836 472EA8A0 26D16B71 82460C52";

    /// RFC 8009, appendix A.
    #[test]
    fn keys_are_derived() {
        for (kind, key, checksum, encryption, integrity) in [
            (
                Aes128Sha256,
                KEY_128,
                "B31A018A 48F54776 F403E9A3 96325DC3",
                "9B197DD1 E8C5609D 6E67C3E3 7C62C72E",
                "9FDA0E56 AB2D85E1 569A6886 96C26A6C",
            ),
            (
                Aes256Sha384,
                KEY_256,
                "EF5718BE 86CC8496 3D8BBB50 31E9F5C4 BA41F28F AF69E73D",
                "56AB22BE E63D82D7 BC5227F6 773F8EA7 A5EB1C82 5160C383 12980C44 2E5C7E49",
                "69B16514 E3CD8E56 B82010D5 C73012B6 22C4D00F FC23ED1F",
            ),
        ] {
            let key = Key::new(kind.number(), &hex(key)).unwrap();
            for (purpose, expected) in [
                (Purpose::Checksum, checksum),
                (Purpose::Encryption, encryption),
                (Purpose::Integrity, integrity),
            ] {
                assert_eq!(*key.derived(2, purpose).unwrap(), hex(expected));
            }
        }
    }

    /// RFC 8009, appendix A: what is encrypted is the random block and the first bytes of 0, 1, 2, ...
    #[test]
    fn messages_are_encrypted() {
        for (kind, key, random, length, expected) in [
            (
                Aes128Sha256,
                KEY_128,
                "7E5895EA F2672435 BAD817F5 45A37148",
                0,
                "EF85FB89 0BB8472F 4DAB2039 4DCA781D AD877EDA 39D50C87 0C0D5A0A 8E48C718",
            ),
            (
                Aes128Sha256,
                KEY_128,
                "7BCA285E 2FD4130F B55B1A5C 83BC5B24",
                6,
                "84D7F307 54ED987B AB0BF350 6BEB09CF B55402CE F7E6877C E99E247E 52D16ED4 421DFDF8 976C",
            ),
            (
                Aes128Sha256,
                KEY_128,
                "A7A4E29A 4728CE10 664FB64E 49AD3FAC",
                21,
                "720F73B1 8D9859CD 6CCB4346 115CD336 C70F58ED C0C4437C 5573544C 31C813BC E1E6D072 C186B39A 413C2F92 \
                 CA9B8334 A287FFCB FC",
            ),
            (
                Aes256Sha384,
                KEY_256,
                "F764E9FA 15C27647 8B2C7D0C 4E5F58E4",
                0,
                "41F53FA5 BFE7026D 91FAF9BE 959195A0 58707273 A96A40F0 A0196062 1AC61274 8B9BBFBE 7EB4CE3C",
            ),
            (
                Aes256Sha384,
                KEY_256,
                "53BF8A0D 105265D4 E2764286 24CE5E63",
                16,
                "BC47FFEC 7998EB91 E8115CF8 D19DAC4B BBE2E163 E87DD37F 49BECA92 027764F6 8CF51F14 D798C227 3F35DF57 \
                 4D1F932E 40C4FF25 5B36A266",
            ),
        ] {
            let encryptor = Key::new(kind.number(), &hex(key)).unwrap().encryptor(2).unwrap();
            let text: Vec<u8> = (0..length).collect();
            let mut bytes = [vec![1, 2, 3], hex(random), text.clone()].concat();
            encryptor.encrypt(&mut bytes, 3).unwrap();
            assert_eq!(bytes[3..], hex(expected));
            assert_eq!(encryptor.decrypt(&mut bytes[3..]).unwrap(), text);
        }
    }

    #[test]
    fn what_was_changed_is_not_decrypted() {
        for kind in Encryption::ALL {
            let key = Key::random(kind).unwrap();
            let encryptor = key.encryptor(24).unwrap();
            for length in [0, 1, 15, 16, 17, 100] {
                let text = vec![9; length];
                let mut bytes = [[5; BLOCK].as_slice(), &text].concat();
                encryptor.encrypt(&mut bytes, 0).unwrap();
                for place in 0..bytes.len() {
                    let mut changed = bytes.clone();
                    changed[place] ^= 1;
                    assert!(
                        encryptor.decrypt(&mut changed).is_err(),
                        "{kind:?} {length} {place}"
                    );
                    assert!(encryptor.decrypt(&mut bytes.clone()[..place]).is_err());
                }
                assert!(key.encryptor(22).unwrap().decrypt(&mut bytes.clone()).is_err());
                assert_eq!(encryptor.decrypt(&mut bytes).unwrap(), text);
            }
            let checksum = key.checksum(22).unwrap();
            let proof = checksum.of(&[b"ab", b"c"]);
            checksum.check(&[b"abc"], &proof).unwrap();
            assert!(
                checksum.check(&[b"abd"], &proof).is_err() && checksum.check(&[b"abc"], &proof[1..]).is_err()
            );
        }
    }

    #[test]
    fn other_types_and_lengths_are_no_keys() {
        assert_eq!(
            Key::new(23, &[0; 16]).unwrap_err().to_string().split(':').next(),
            Some("a key of the encryption type 23")
        );
        assert!(Key::new(18, &[0; 16]).is_err() && Key::new(17, &[]).is_err());
    }
}
