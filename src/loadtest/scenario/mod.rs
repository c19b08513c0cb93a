//! What happens to a server and its streams while it is under load.

use std::time::Duration;

/// What a slow reader takes in a second, in bytes.
pub const SLOW_BYTES: usize = 1024;

/// What a run does beside publishing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scenario {
    /// Nothing.
    Steady,
    /// A share of the streams is cut at one moment, and comes back at once.
    Storm { share: f64 },
    /// The server is told to end, and started again.
    Deploy,
    /// The server is killed, and started again.
    Crash,
    /// A share of the streams reads a kilobyte a second.
    Slow { share: f64 },
    /// The tokens end; each stream comes back with a fresh one.
    Expire { ttl: Duration },
}

impl Scenario {
    pub fn as_str(self) -> &'static str {
        match self {
            Scenario::Steady => "steady",
            Scenario::Storm { .. } => "storm",
            Scenario::Deploy => "deploy",
            Scenario::Crash => "crash",
            Scenario::Slow { .. } => "slow",
            Scenario::Expire { .. } => "expire",
        }
    }

    /// The share of streams that it takes.
    pub fn share(self) -> f64 {
        match self {
            Scenario::Storm { share } | Scenario::Slow { share } => share,
            _ => 0.0,
        }
    }
}
