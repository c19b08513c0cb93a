//! Logging: one line where a thing was handled, on stderr, never a token.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    /// An object a line.
    Json,
}

/// The log's level, to be turned while it runs.
#[derive(Debug, Clone)]
pub struct Level(Handle<EnvFilter, Registry>);

/// Starts logging to stderr at `level` (`error` to `trace`), or as `RUST_LOG` says.
///
/// A second call in one process changes nothing.
pub fn init(level: &str, format: Format) -> Level {
    let (filter, handle) = reload::Layer::new(filter(level));
    // Colours are for terminals, and not where NO_COLOR is set to anything.
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(colour);
    let log = tracing_subscriber::registry().with(filter);
    let _ = match format {
        Format::Json => log.with(lines.json()).try_init(),
        Format::Text => log.with(lines.with_target(false)).try_init(),
    };
    Level(handle)
}

impl Level {
    /// From now on the log is at this level, unless `RUST_LOG` says otherwise.
    pub fn set(&self, level: &str) {
        // It fails only where the log itself is gone.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("lumen_inbox={level}")))
}
