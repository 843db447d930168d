//! From a written value to the type that a key has.

use super::Value;

/// A type that a key may have.
pub trait FromValue: Sized {
    /// The value.
    ///
    /// # Errors
    /// What the key wants instead, in words.
    fn from_value(value: Value) -> Result<Self, String>;

    /// The value as a file writes it, for files that show defaults; `None` where there is nothing to write.
    fn written(&self) -> Option<String> {
        None
    }
}

/// A string as a file writes it.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn list(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    match quoted.as_slice() {
        [] => "[]".to_owned(),
        some => format!("[ {} ]", some.join(", ")),
    }
}

/// Permission bits, written as a string of octal digits: `"0770"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octal(pub u32);

/// A list of strings, or one string that stands for a list of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneOrMore(pub Vec<String>);

fn wanted<T>(what: &str, value: &Value) -> Result<T, String> {
    Err(format!("{what} is wanted, not {}", value.kind()))
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self, String> {
                let number = match value {
                    Value::Integer(number) => number.try_into().ok(),
                    Value::LargeInteger(number) => number.try_into().ok(),
                    other => return wanted("an integer", &other),
                };
                number.ok_or_else(|| {
                    format!("an integer from {} to {} is wanted", <$type>::MIN, <$type>::MAX)
                })
            }

            fn written(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

integers!(u16, u32, u64, i32, i64);

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            Value::Integer(_) | Value::LargeInteger(_) => Err("0 or 1 is wanted".to_owned()),
            other => wanted("0 or 1", &other),
        }
    }

    fn written(&self) -> Option<String> {
        Some(u8::from(*self).to_string())
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text),
            other => wanted("a string", &other),
        }
    }

    fn written(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::List(values) => values.into_iter().map(String::from_value).collect(),
            other => wanted("a list of strings", &other),
        }
    }

    fn written(&self) -> Option<String> {
        Some(list(self))
    }
}

impl FromValue for OneOrMore {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(Self(vec![text])),
            Value::List(_) => Vec::from_value(value).map(Self),
            other => wanted("a string or a list of strings", &other),
        }
    }

    fn written(&self) -> Option<String> {
        Some(list(&self.0))
    }
}

/// A key without a default: `None` unless it is set.
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, String> {
        T::from_value(value).map(Some)
    }

    fn written(&self) -> Option<String> {
        self.as_ref().and_then(T::written)
    }
}

impl FromValue for Octal {
    fn from_value(value: Value) -> Result<Self, String> {
        let text = String::from_value(value)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|mode| digits && *mode <= 0o777)
            .map(Self)
            .ok_or_else(|| format!("'{text}' are no permission bits; \"0770\" would be"))
    }

    fn written(&self) -> Option<String> {
        Some(format!("\"{:04o}\"", self.0))
    }
}
