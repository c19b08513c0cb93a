//! Strict JSON: what two readers could take for two things is refused, and so is what could exhaust one.
//!
//! A doubled name, U+0000, a lone surrogate, nesting over [`JSON_DEPTH`], a number that no double holds: all are faults
//! of the text, found in one pass.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::domain::limits::JSON_DEPTH;

/// Reads one JSON text, with nothing but white space around it.
///
/// # Errors
/// A text that is not JSON by the rules above; the message names line and column.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Why one line of several is not JSON. The line that the parser counts would always be its first.
pub fn fault_in_line(fault: &serde_json::Error) -> String {
    fault.to_string().replace(" at line 1 column ", " at column ")
}

#[derive(Clone, Copy)]
struct Strict {
    /// Containers around this value.
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

fn without_nul<E: serde::de::Error>(text: String) -> Result<String, E> {
    if text.contains('\0') { Err(E::custom("U+0000 in a string")) } else { Ok(text) }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        without_nul(text.to_owned()).map(Value::String)
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        without_nul(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let name = without_nul(name)?;
            let value = access.next_value_seed(inner)?;
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the name {name:?} twice in one object")));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_ambiguous_or_endless_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#""\u0000""#,
            r#"{"\u0000":1}"#,
            r#""\ud800""#,
            "1e999",
            "[1",
            "[1]]",
            "nul",
            "",
            "\u{feff}1",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(JSON_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(JSON_DEPTH + 1).as_bytes()).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn strings_come_out_as_they_went_in(text in "[^\\x00]{0,40}") {
            let json = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(parse(&json).unwrap(), Value::String(text));
        }
    }
}
