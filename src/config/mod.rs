//! What can be set: read in layers, checked as a whole, handed to each room as its own.
//!
//! The shipped `lumen.toml` has every key with its default and what it is for; `rooms` says of what kind each is.

mod descriptors;
mod faults;
mod file;
mod kinds;
mod layers;
mod print;
mod rooms;
mod settings;
#[cfg(test)]
mod tests;
mod value;

use std::ffi::OsString;
use std::path::Path;

pub use self::descriptors::streams as streams_that_fit;
pub use self::faults::{Fault, Faults};

use self::layers::{Layers, Source};
use self::settings::{Setting, Settings};
use crate::cli::global::Global;
use crate::cli::serve::Options;
use crate::telemetry::Format;
use crate::{auth, http, hub, store};

/// Every room's own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, at least one address.
    pub listen: Vec<http::Address>,
    pub http: http::Config,
    pub store: store::Config,
    pub auth: auth::Config,
    pub hub: hub::Config,
    /// Bytes of all buffers together.
    pub buffer_bytes: usize,
    pub log: Log,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// `error` to `trace`.
    pub level: &'static str,
    pub format: Format,
}

/// A configuration with where it came from.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    settings: Vec<Setting>,
}

impl Config {
    /// What holds where nothing is set, for a process that may open 20,000 files.
    pub fn defaults() -> Self {
        let loaded = Loaded::of(Layers::shipped(), 20_000);
        loaded.expect("the shipped file is right").config
    }
}

impl Loaded {
    /// Reads all layers. `open_files` is the process's limit.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn read(
        options: &Options,
        global: &Global,
        variables: impl Iterator<Item = (OsString, OsString)>,
        open_files: u64,
    ) -> Result<Self, Faults> {
        Self::of(Layers::stack(options, global, variables), open_files)
    }

    fn of(layers: Layers, open_files: u64) -> Result<Self, Faults> {
        let mut settings = Settings::of(layers);
        let config = rooms::configure(&mut settings, open_files);
        settings.finish().map(|settings| Self { config, settings })
    }

    /// The keys that are set otherwise than in `other`.
    pub fn changed_from(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.settings.iter().zip(&other.settings);
        pairs.filter(|(new, old)| new.value != old.value).map(|(new, _)| new.key).collect()
    }

    /// The file that it was read from, if any value came from one.
    pub fn file(&self) -> Option<&Path> {
        self.settings.iter().find_map(|setting| match &setting.source {
            Source::File { path, .. } => Some(path.as_path()),
            _ => None,
        })
    }

    /// As a file that says the same.
    pub fn toml(&self) -> String {
        print::toml(&self.settings)
    }

    /// As a JSON object of tables.
    pub fn json(&self) -> serde_json::Value {
        print::json(&self.settings)
    }
}
