//! Logging: one line where a thing was handled, on stderr, never a token.

use tracing_subscriber::EnvFilter;

/// Starts logging to stderr at `level` (`error` to `trace`), or as `RUST_LOG` says, as text or as JSON lines.
///
/// A second call in one process changes nothing.
pub fn init(level: &str, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("lumen_inbox={level}")));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if json { subscriber.json().try_init() } else { subscriber.with_target(false).try_init() };
}
