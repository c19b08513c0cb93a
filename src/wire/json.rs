//! Strict JSON: what two readers could take for two things is refused, and so is what could exhaust one.
//!
//! A doubled name, U+0000, a lone surrogate, nesting over [`JSON_DEPTH`], more than [`JSON_VALUES`] values, a number that
//! no double reaches, an integer that would be rounded: all are faults of the text.

use std::cell::{Cell, OnceCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::domain::draft::shown;
use crate::domain::limits::{JSON_DEPTH, JSON_VALUES};

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// There is none.
    Empty,
    /// It begins with a byte order mark.
    ByteOrderMark,
    /// It ends before its value does.
    Cut,
    /// Something comes after its value.
    Trailing,
    /// It is no JSON in another way.
    Syntax,
    /// It is JSON, but a name is in one object twice.
    DoubledName,
    /// It is JSON, but has U+0000.
    Nul,
    /// It is JSON, but nested over [`JSON_DEPTH`].
    Depth,
    /// It is JSON, but has more than [`JSON_VALUES`] values.
    Values,
    /// It is JSON, but has an integer of more than 64 bits: rounded to a double, two such would be taken for one.
    Integer,
}

/// Why a text is not taken, with line and column.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    pub rule: Rule,
    why: String,
}

/// Reads one JSON text, with nothing but white space around it.
///
/// # Errors
/// A text that is not JSON by the rules above; the message names line and column.
pub fn parse(text: &[u8]) -> Result<Value, Fault> {
    let start = |rule, why: &str| Err(Fault { rule, why: format!("{why} at line 1 column 1") });
    if text.starts_with("\u{feff}".as_bytes()) {
        return start(Rule::ByteOrderMark, "a byte order mark (U+FEFF)");
    }
    if text.trim_ascii().is_empty() {
        return start(Rule::Empty, "no value");
    }
    let (broken, values, long_integer) = (Cell::new(None), Cell::new(0), OnceCell::new());
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let fault = |fault: serde_json::Error, other| {
        let rule = broken.get().unwrap_or(if fault.is_eof() { Rule::Cut } else { other });
        Fault { rule, why: fault.to_string() }
    };
    let strict = Strict { depth: 0, values: &values, broken: &broken, text, long_integer: &long_integer };
    let value = strict.deserialize(&mut deserializer);
    let value = value.map_err(|found| fault(found, Rule::Syntax))?;
    deserializer.end().map_err(|found| fault(found, Rule::Trailing))?;
    Ok(value)
}

/// Why one line of several is not JSON. The line that the parser counts would always be its first.
pub fn fault_in_line(fault: &Fault) -> String {
    fault.why.replace(" at line 1 column ", " at column ")
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    /// Containers around this value.
    depth: usize,
    /// Values that were begun so far.
    values: &'a Cell<usize>,
    /// The rule of ours that the text broke, which the parser's own error cannot say.
    broken: &'a Cell<Option<Rule>>,
    /// The whole text, since the parser hands on a number's value and not its digits.
    text: &'a [u8],
    /// Whether the text has an integer of more than 64 bits, once it was looked for.
    long_integer: &'a OnceCell<bool>,
}

impl Strict<'_> {
    fn breaks<E: serde::de::Error>(self, rule: Rule, why: impl fmt::Display) -> E {
        self.broken.set(Some(rule));
        E::custom(why)
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= JSON_DEPTH {
            return Err(self.breaks(Rule::Depth, format_args!("nested deeper than {JSON_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn without_nul<E: serde::de::Error>(self, text: String) -> Result<String, E> {
        if text.contains('\0') { Err(self.breaks(Rule::Nul, "U+0000 in a string")) } else { Ok(text) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > JSON_VALUES {
            return Err(self.breaks(Rule::Values, format_args!("more than {JSON_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
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
        // A smaller integer comes as one. What is this large and no integer is rare, so the text is looked at only then.
        if value.abs() >= TWO_TO_63 && *self.long_integer.get_or_init(|| has_long_integer(self.text)) {
            return Err(self.breaks(Rule::Integer, "an integer of more than 64 bits"));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.without_nul(text.to_owned()).map(Value::String)
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
            let name = self.without_nul(name)?;
            let value = access.next_value_seed(inner)?;
            if fields.contains_key(&name) {
                let why = format_args!("the name {} twice in one object", shown(&name));
                return Err(self.breaks(Rule::DoubledName, why));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Whether a JSON text has an integer of more than 64 bits; one with a fraction or an exponent is no integer.
fn has_long_integer(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9')) {
        rest = &rest[at..];
        let end = if rest[0] == b'"' { end_of_string(rest) } else { end_of_number(rest) };
        let (token, behind) = rest.split_at(end);
        if is_long_integer(token) {
            return true;
        }
        rest = behind;
    }
    false
}

fn end_of_string(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    text.len().min(at + 1)
}

fn end_of_number(text: &[u8]) -> usize {
    let in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    text.iter().position(|byte| !in_number(byte)).unwrap_or(text.len())
}

fn is_long_integer(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let Ok(text) = str::from_utf8(token) else { return false };
    digits.iter().all(u8::is_ascii_digit) && text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_ambiguous_or_endless_is_refused() {
        let rule = |text: &str| parse(text.as_bytes()).map_err(|fault| fault.rule).expect_err(text);
        for (text, broken) in [
            (r#"{"a":1,"a":2}"#, Rule::DoubledName),
            (r#""\u0000""#, Rule::Nul),
            (r#"{"\u0000":1}"#, Rule::Nul),
            (r#""\ud800""#, Rule::Syntax),
            ("1e999", Rule::Syntax),
            ("[1", Rule::Cut),
            ("[1]]", Rule::Trailing),
            ("nul", Rule::Cut),
            ("not", Rule::Syntax),
            ("", Rule::Empty),
            (" \n", Rule::Empty),
            ("\u{feff}1", Rule::ByteOrderMark),
            // What comes first is told.
            (r#"{"a":1,"a":2"#, Rule::DoubledName),
            (r#"["\u0000""#, Rule::Nul),
            (r#"[1e20,"cut"#, Rule::Cut),
        ] {
            assert_eq!(rule(text), broken, "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(JSON_DEPTH).as_bytes()).is_ok());
        assert_eq!(rule(&nested(JSON_DEPTH + 1)), Rule::Depth);
        assert_eq!(rule(&"[".repeat(100_000)), Rule::Depth);
        let many = |inner: usize| format!("[{}1]", "1,".repeat(inner - 1));
        assert!(parse(many(JSON_VALUES - 1).as_bytes()).is_ok());
        assert_eq!(rule(&many(JSON_VALUES)), Rule::Values);
    }

    /// Ids that are longer than 64 bits would otherwise be one id.
    #[test]
    fn an_integer_is_kept_exactly_or_refused() {
        for kept in [
            "18446744073709551615",
            "-9223372036854775808",
            "0",
            "-0",
            "1e300",
            "12345678901234567890.5",
            "-123456789012345678901234567890.0",
            r#"["184467440737095516160000",1e20]"#,
            r#"{"\\\"184467440737095516160000":1E+20}"#,
        ] {
            assert!(parse(kept.as_bytes()).is_ok(), "{kept}");
        }
        for refused in [
            "18446744073709551616",
            "-9223372036854775809",
            "100000000000000000000",
            "340282366920938463463374607431768211455",
            r#"{"a":["1",1e20,{"b":18446744073709551616}],"c":"#,
        ] {
            let fault = parse(refused.as_bytes()).expect_err(refused);
            assert_eq!(fault.rule, Rule::Integer, "{refused}: {fault}");
        }
        let fault = parse(b"{\n \"a\": 100000000000000000001}").unwrap_err();
        let why = "an integer of more than 64 bits at line 2 column 27";
        assert_eq!(fault.to_string(), why);
    }

    #[test]
    fn every_sort_of_value_comes_out_as_it_went_in() {
        let text = r#"[null,true,false,-1,1,0.5,"é",[],{"a":{}}]"#;
        assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn a_fault_says_where_and_in_one_line_of_several_only_the_column() {
        let fault = parse(b"[1,]").unwrap_err();
        assert_eq!(fault.to_string(), "trailing comma at line 1 column 4");
        assert_eq!(fault_in_line(&fault), "trailing comma at column 4");
    }

    proptest! {
        #[test]
        fn every_integer_comes_out_as_it_went_in_or_is_refused(digits in "-?[1-9][0-9]{0,40}") {
            match parse(digits.as_bytes()) {
                Ok(number) => prop_assert_eq!(number.to_string(), digits),
                Err(fault) => prop_assert!(fault.rule == Rule::Integer && digits.len() > 18),
            }
        }

        #[test]
        fn doubles_come_out_as_they_went_in(value in prop_oneof![proptest::num::f64::NORMAL, -1000.0..1000.0]) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
        }

        #[test]
        fn strings_come_out_as_they_went_in(text in "[^\\x00]{0,40}") {
            let json = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(parse(&json).unwrap(), Value::String(text));
        }
    }
}
