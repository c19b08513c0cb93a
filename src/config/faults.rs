//! What is wrong with a configuration: all of it at once, each with where it stands and its cure, never a secret.

use std::fmt;

use super::layers::Source;
use super::value::Value;
use crate::domain::draft::shown;

/// Characters of a value that a fault repeats.
const VALUE_CHARS: usize = 80;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it is about: a key with its value, a name that is none, a file.
    subject: String,
    source: Option<String>,
    why: String,
}

/// Everything that is wrong; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    /// A value that its key does not take.
    pub(super) fn value(key: &str, value: &Value, source: &Source, why: String) -> Self {
        let value = value.to_string();
        let cut = if value.chars().nth(VALUE_CHARS).is_some() { "…" } else { "" };
        let value: String = value.chars().take(VALUE_CHARS).collect();
        Self { subject: format!("{key} = {value}{cut}"), source: source.shown(), why }
    }

    /// A value that its key does not take and that is not shown: it may be a secret at a wrong place.
    pub(super) fn hidden(name: &str, source: Option<String>, why: String) -> Self {
        Self { subject: shown(name), source, why }
    }

    /// A file that cannot be read, or not be understood.
    pub(super) fn file(place: String, why: String) -> Self {
        Self { subject: place, source: None, why }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        write!(f, ": {}", self.why)
    }
}
