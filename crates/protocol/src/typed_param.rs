//! Named values of a type that the sender chooses: how the API carries what grows with time.

use xdr::Xdr;

/// One named value. Field names are the public headers' `VIR_..._PARAM` and `VIR_..._STATS` constants.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct TypedParam {
    /// The name, at most 80 bytes where a C client reads it.
    pub field: String,
    /// The value.
    pub value: TypedParamValue,
}

/// The value of a [`TypedParam`], by its `virTypedParameterType`.
#[derive(Debug, Clone, PartialEq, Xdr)]
#[allow(missing_docs, reason = "the names are the header's")]
pub enum TypedParamValue {
    #[xdr(case = 1)]
    Int(i32),
    #[xdr(case = 2)]
    Uint(u32),
    #[xdr(case = 3)]
    Llong(i64),
    #[xdr(case = 4)]
    Ullong(u64),
    #[xdr(case = 5)]
    Double(f64),
    #[xdr(case = 6)]
    Boolean(i32),
    #[xdr(case = 7)]
    String(String),
}

macro_rules! from {
    ($($type:ty => $case:ident),*) => {$(
        impl From<$type> for TypedParamValue {
            fn from(value: $type) -> Self {
                Self::$case(value.into())
            }
        }
    )*};
}

from!(i32 => Int, u32 => Uint, i64 => Llong, u64 => Ullong, f64 => Double, bool => Boolean, String => String, &str => String);

impl TypedParam {
    /// A value with its name.
    pub fn new(field: impl Into<String>, value: impl Into<TypedParamValue>) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
        }
    }
}
