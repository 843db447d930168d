//! Values as they travel, looked into with nothing but their schema.

use uuid::Uuid;
use xdr::Schema;

/// A value on the wire and what it is. Everything here gives nothing for bytes that are not of the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// A whole message.
    pub(super) fn new(schema: &'a Schema, bytes: &'a [u8]) -> Option<Self> {
        (length(schema, bytes)? == bytes.len()).then_some(Self { schema, bytes })
    }

    pub(super) fn schema(&self) -> &'a Schema {
        self.schema
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The fields of a struct, with their names.
    pub(super) fn fields(&self) -> Vec<(&'static str, Self)> {
        let Schema::Struct(fields) = self.schema else {
            return Vec::new();
        };
        let mut rest = self.bytes;
        let parts = fields
            .iter()
            .map_while(|(name, schema)| Some((*name, take(schema, &mut rest)?)));
        parts.collect()
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        let found = self.fields().into_iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    /// The elements of an array.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let Schema::Array { item, .. } = self.schema else {
            return None;
        };
        let (count, mut rest) = split_count(self.bytes)?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(take(item, &mut rest)?);
        }
        Some(items)
    }

    /// A number of one word.
    pub(super) fn word(&self) -> Option<u32> {
        let is_word = matches!(self.schema, Schema::Int | Schema::UnsignedInt);
        is_word.then(|| number(self.bytes)).flatten()
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&'a str> {
        let Schema::String { .. } = self.schema else {
            return None;
        };
        let (length, rest) = split_count(self.bytes)?;
        std::str::from_utf8(rest.get(..length)?).ok()
    }

    /// A UUID.
    pub(super) fn uuid(&self) -> Option<Uuid> {
        let Schema::FixedOpaque { len: 16 } = self.schema else {
            return None;
        };
        Uuid::from_slice(self.bytes).ok()
    }

    /// A value that may be missing, where it is there; and one that may not.
    pub(super) fn present(&self) -> Option<Self> {
        let Schema::Optional(schema) = self.schema else {
            return Some(*self);
        };
        let (there, bytes) = split_count(self.bytes)?;
        (there == 1).then_some(Self { schema, bytes })
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn split_count(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (count, rest) = bytes.split_at_checked(4)?;
    Some((usize::try_from(number(count)?).ok()?, rest))
}

/// The value of that schema at the head of `rest`.
fn take<'a>(schema: &'a Schema, rest: &mut &'a [u8]) -> Option<Encoded<'a>> {
    let (bytes, behind) = rest.split_at_checked(length(schema, rest)?)?;
    *rest = behind;
    Some(Encoded { schema, bytes })
}

/// How many bytes a value takes.
fn length(schema: &Schema, bytes: &[u8]) -> Option<usize> {
    let padded = |length: usize| length.checked_next_multiple_of(4);
    let length = match schema {
        Schema::Void => 0,
        Schema::Int | Schema::UnsignedInt | Schema::UnsignedShort | Schema::Char | Schema::Enum(_) => 4,
        Schema::Hyper | Schema::UnsignedHyper | Schema::Double => 8,
        Schema::FixedOpaque { len } => padded(*len)?,
        Schema::String { .. } | Schema::Opaque { .. } => 4 + padded(split_count(bytes)?.0)?,
        Schema::FixedArray { len, item } => many(item, *len, bytes)?,
        Schema::Array { item, .. } => {
            let (count, rest) = split_count(bytes)?;
            4 + many(item, count, rest)?
        }
        Schema::Optional(schema) => match split_count(bytes)? {
            (0, _) => 4,
            (1, rest) => 4 + length(schema, rest)?,
            _ => return None,
        },
        Schema::Struct(fields) => {
            let mut rest = bytes;
            for (_, schema) in fields {
                rest = rest.get(length(schema, rest)?..)?;
            }
            bytes.len() - rest.len()
        }
        Schema::Union(arms) => {
            let (arm, rest) = split_count(bytes)?;
            let (_, schema) = arms
                .iter()
                .find(|(number, _)| usize::try_from(*number) == Ok(arm))?;
            4 + length(schema, rest)?
        }
    };
    (length <= bytes.len()).then_some(length)
}

fn many(item: &Schema, count: usize, bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for _ in 0..count {
        let length = length(item, rest)?;
        if length == 0 {
            // Nothing that travels is made of nothing; a count of such would be believed without end.
            return None;
        }
        rest = rest.get(length..)?;
    }
    Some(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::remote;
    use xdr::Describe;

    #[test]
    fn values_are_found_in_what_travels() {
        let secret = remote::Secret {
            uuid: [5; 16],
            usage_type: 2,
            usage_id: "abcde".to_owned(),
        };
        let list = remote::ConnectListAllSecretsRet {
            secrets: vec![secret.clone(), secret],
            ret: 2,
        };
        let bytes = xdr::to_bytes(&list).unwrap();
        let schema = remote::ConnectListAllSecretsRet::schema();
        let whole = Encoded::new(&schema, &bytes).unwrap();
        assert_eq!(whole.field("ret").unwrap().word(), Some(2));
        let items = whole.field("secrets").unwrap().items().unwrap();
        assert_eq!(items.len(), 2);
        assert_eq!(items[1].field("usage_id").unwrap().text(), Some("abcde"));
        assert_eq!(
            items[1].field("uuid").unwrap().uuid(),
            Some(Uuid::from_bytes([5; 16]))
        );
        assert!(whole.field("nothing").is_none());
        assert!(Encoded::new(&schema, &bytes[..bytes.len() - 1]).is_none());
        assert!(Encoded::new(&schema, &[bytes.as_slice(), &[0; 4]].concat()).is_none());
    }

    #[test]
    fn a_count_of_more_than_is_there_is_nothing() {
        let schema = remote::ConnectListSecretsRet::schema();
        assert!(Encoded::new(&schema, &[0xff; 8]).is_none());
        assert!(Encoded::new(&schema, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).is_none());
    }
}
