//! Where values come from: flags over variables over a file over the defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::faults::Fault;
use super::file;
use super::value::Value;
use crate::cli::global::Global;
use crate::cli::serve::Options;

/// The file that is shipped: the defaults, and the reference of all keys.
pub const SHIPPED: &str = include_str!("../../lumen.toml");
/// Where a file is looked for that nobody named.
const PLACES: [&str; 2] = ["lumen.toml", "/etc/lumen/lumen.toml"];

const PREFIX: &str = "LUMEN_";
/// Variables that are no keys: every command takes them.
const OTHER_VARIABLES: [&str; 3] = ["LUMEN_DATA_DIR", "LUMEN_URL", "LUMEN_TOKEN"];
/// What Kubernetes sets in every container beside a service named `lumen`.
const SERVICE_LINKS: [&str; 2] = ["LUMEN_SERVICE_", "LUMEN_PORT"];

/// A value, and who gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// `table.key`, or the variable's name.
    pub name: String,
    pub value: Value,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
    Flag(&'static str),
}

impl Given {
    pub fn is_of(&self, key: &str) -> bool {
        match &self.source {
            Source::Variable(name) => *name == variable(key),
            _ => self.name == key,
        }
    }
}

impl Source {
    /// For people; nothing of a default.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::File { path, line } => Some(format!("{}:{line}", path.display())),
            Self::Variable(name) => Some(name.clone()),
            Self::Flag(flag) => Some((*flag).to_owned()),
        }
    }

    /// The directory that a relative path is seen from: a file's own, else the working directory.
    pub fn directory(&self) -> &Path {
        match self {
            Self::File { path, .. } => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        }
    }
}

/// Everything that was given, the lowest layer first, and what could not be read of it.
#[derive(Debug, Default)]
pub struct Layers {
    pub given: Vec<Given>,
    pub faults: Vec<Fault>,
}

impl Layers {
    /// Nothing but what is shipped.
    pub fn shipped() -> Self {
        let mut layers = Self::default();
        layers.add(file::parse(SHIPPED, |_| Source::Default));
        layers
    }

    /// All of them.
    pub fn stack(options: &Options, global: &Global, variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut layers = Self::shipped();
        match file::find(options.config.as_deref(), &PLACES) {
            Ok(Some((path, text))) => {
                layers.add(file::parse(&text, |line| Source::File { path: path.clone(), line }));
            }
            Ok(None) => {}
            Err(fault) => layers.faults.push(fault),
        }
        layers.add_variables(variables);
        layers.add_flags(options, global);
        layers
    }

    fn add(&mut self, (given, faults): (Vec<Given>, Vec<Fault>)) {
        self.given.extend(given);
        self.faults.extend(faults);
    }

    fn add_variables(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        let mut ours: Vec<_> = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        ours.retain(|(name, value)| {
            let other = OTHER_VARIABLES.contains(&name.as_str());
            let linked = SERVICE_LINKS.iter().any(|link| name.starts_with(link));
            name.starts_with(PREFIX) && !value.is_empty() && !other && !linked
        });
        // The environment has no order of its own.
        ours.sort();
        for (name, value) in ours {
            let source = Source::Variable(name.clone());
            match value.into_string() {
                Ok(value) => self.given.push(Given { name, value: Value::Word(value), source }),
                Err(_) => self.faults.push(Fault::hidden(&name, None, "its value is not UTF-8".to_owned())),
            }
        }
    }

    fn add_flags(&mut self, options: &Options, global: &Global) {
        if !options.listen.is_empty() {
            let listen = options.listen.iter().map(|address| Value::Word(address.to_string())).collect();
            let source = Source::Flag("--listen");
            self.given.push(Given { name: "http.listen".to_owned(), value: Value::List(listen), source });
        }
        if let Some((flag, level)) = global.level() {
            let source = Source::Flag(flag);
            self.given.push(Given { name: "log.level".to_owned(), value: Value::Word(level.to_owned()), source });
        }
    }
}

/// The variable of a key.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}
