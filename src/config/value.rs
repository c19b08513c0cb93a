//! A value as somebody gave it, before it is known what it is to be.

use std::fmt;

use serde_json::json;

/// A value of a file, a variable or a flag.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A variable's or a flag's, which have no types: it is what its key wants.
    Word(String),
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
    /// What no key takes, with its name: a float, a date, a number out of all bounds.
    Other(&'static str),
}

impl Value {
    /// # Errors
    /// It is no text.
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Self::Word(text) | Self::Text(text) => Ok(text),
            _ => Err(format!("{} where a text in quotes is needed", self.kind())),
        }
    }

    /// # Errors
    /// It is no whole number.
    pub fn number(&self) -> Result<i64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Word(word) => word.parse().map_err(|_| "a whole number is needed".to_owned()),
            _ => Err(format!("{} where a whole number is needed", self.kind())),
        }
    }

    /// # Errors
    /// It is neither true nor false.
    pub fn switch(&self) -> Result<bool, String> {
        match self {
            Self::Switch(on) => Ok(*on),
            Self::Word(word) => word.parse().map_err(|_| "true or false is needed".to_owned()),
            _ => Err(format!("{} where true or false is needed", self.kind())),
        }
    }

    /// The entries of a list; a word's are parted by commas.
    ///
    /// # Errors
    /// It is no list.
    pub fn list(&self) -> Result<Vec<Value>, String> {
        match self {
            Self::List(entries) => Ok(entries.clone()),
            Self::Word(word) => {
                let entries = word.split(',').map(str::trim).filter(|entry| !entry.is_empty());
                Ok(entries.map(|entry| Self::Word(entry.to_owned())).collect())
            }
            _ => Err(format!("{} where a list is needed: put it in [ ]", self.kind())),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Word(_) => "a word",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Switch(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }

    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Word(text) | Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Switch(on) => json!(on),
            Self::List(entries) => entries.iter().map(Self::json).collect(),
            Self::Table(fields) => fields.iter().map(|(name, value)| (name.clone(), value.json())).collect(),
            Self::Other(kind) => json!(kind),
        }
    }
}

impl fmt::Display for Value {
    /// As it stands in a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What JSON escapes, TOML escapes in the same way; it also escapes the one control that JSON does not.
            Self::Word(text) | Self::Text(text) => f.write_str(&json!(text).to_string().replace('\u{7f}', "\\u007f")),
            Self::Number(number) => number.fmt(f),
            Self::Switch(on) => on.fmt(f),
            Self::List(entries) => {
                let entries: Vec<_> = entries.iter().map(Self::to_string).collect();
                write!(f, "[{}]", entries.join(", "))
            }
            Self::Table(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                write!(f, "{{ {} }}", fields.join(", "))
            }
            Self::Other(kind) => f.write_str(kind),
        }
    }
}
