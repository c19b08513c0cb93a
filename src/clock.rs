//! The wall clock, handed in so that a test can turn it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::ids::Millis;

/// Where the time of day comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's.
    System,
    /// A fixed time plus what tokio's clock has run since, which a test may pause and advance; `skew` moves it alone.
    Tokio { base: Millis, started: tokio::time::Instant, skew: Arc<AtomicI64> },
}

impl Clock {
    /// A clock that reads `base` now and goes on with tokio's.
    pub fn tokio(base: Millis) -> Self {
        Clock::Tokio { base, started: tokio::time::Instant::now(), skew: Arc::default() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    pub fn now(&self) -> Millis {
        match self {
            Clock::System => millis(SystemTime::now()),
            Clock::Tokio { base, started, skew } => {
                let run = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                base + run + skew.load(Ordering::Relaxed)
            }
        }
    }
}

fn millis(time: SystemTime) -> Millis {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}
