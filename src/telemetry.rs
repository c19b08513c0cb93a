//! Logging: one line where a thing was handled, on stderr, never a token.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr at `level` (`error` to `trace`), or as `RUST_LOG` says, as text or as JSON lines.
///
/// A second call in one process changes nothing.
pub fn init(level: &str, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("lumen_inbox={level}")));
    // Colours are for terminals, and not where NO_COLOR is set to anything.
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    let _ = if json { subscriber.json().try_init() } else { subscriber.with_target(false).try_init() };
}
