//! What a type looks like on the wire, as a value: tests compare it with the protocol's definition and make inputs
//! of it.

use crate::{CharArray, Chars, STRING_MAX, UChar};

/// The wire form of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are RFC 4506's")]
pub enum Schema {
    Void,
    Int,
    UnsignedInt,
    Hyper,
    UnsignedHyper,
    Double,
    UnsignedShort,
    Char,
    String { max: usize },
    Opaque { max: usize },
    FixedOpaque { len: usize },
    FixedArray { len: usize, item: Box<Schema> },
    Array { max: usize, item: Box<Schema> },
    Optional(Box<Schema>),
    Enum(Vec<i32>),
    Struct(Vec<(&'static str, Schema)>),
    Union(Vec<(i32, Schema)>),
}

/// A type that can tell its wire form.
pub trait Describe {
    /// The wire form.
    fn schema() -> Schema;
}

/// A variable-length type that can tell its wire form for a given limit.
pub trait DescribeMax {
    /// The wire form with at most `max` elements.
    fn schema_max(max: usize) -> Schema;
}

macro_rules! scalars {
    ($($type:ty => $schema:ident),*) => {$(
        impl Describe for $type {
            fn schema() -> Schema {
                Schema::$schema
            }
        }
    )*};
}

scalars!(() => Void, i32 => Int, u32 => UnsignedInt, i64 => Hyper, u64 => UnsignedHyper, f64 => Double,
    u16 => UnsignedShort, UChar => Char);

impl Describe for String {
    fn schema() -> Schema {
        Schema::String { max: STRING_MAX }
    }
}

impl DescribeMax for String {
    fn schema_max(max: usize) -> Schema {
        Schema::String { max }
    }
}

impl<const N: usize> Describe for [u8; N] {
    fn schema() -> Schema {
        Schema::FixedOpaque { len: N }
    }
}

impl<const N: usize> Describe for CharArray<N> {
    fn schema() -> Schema {
        Schema::FixedArray {
            len: N,
            item: Box::new(Schema::Char),
        }
    }
}

impl DescribeMax for Chars {
    fn schema_max(max: usize) -> Schema {
        Schema::Array {
            max,
            item: Box::new(Schema::Char),
        }
    }
}

impl DescribeMax for Vec<u8> {
    fn schema_max(max: usize) -> Schema {
        Schema::Opaque { max }
    }
}

impl<T: Describe> DescribeMax for Vec<T> {
    fn schema_max(max: usize) -> Schema {
        Schema::Array {
            max,
            item: Box::new(T::schema()),
        }
    }
}

impl<T: Describe> Describe for Option<T> {
    fn schema() -> Schema {
        Schema::Optional(Box::new(T::schema()))
    }
}

impl<T: DescribeMax> DescribeMax for Option<T> {
    fn schema_max(max: usize) -> Schema {
        Schema::Optional(Box::new(T::schema_max(max)))
    }
}
