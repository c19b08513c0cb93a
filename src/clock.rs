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
    Tokio { base: Millis, started: tokio::time::Instant, skew: Arc<AtomicI64>, runtime: tokio::runtime::Handle },
}

impl Clock {
    /// A clock that reads `base` now and goes on with the clock of this runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn tokio(base: Millis) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Clock::Tokio { base, started: tokio::time::Instant::now(), skew: Arc::default(), runtime }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    pub fn now(&self) -> Millis {
        match self {
            Clock::System => millis(SystemTime::now()),
            Clock::Tokio { base, started, skew, runtime } => {
                // Outside its runtime, on the store's threads, tokio's clock is the system's, paused or not.
                let _within = runtime.enter();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_is_the_same_on_every_thread() {
        let clock = Clock::tokio(1_000);
        let elsewhere = || {
            let clock = clock.clone();
            std::thread::spawn(move || clock.now()).join().expect("a time")
        };
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!((clock.now(), elsewhere()), (3_601_000, 3_601_000));
        let Clock::Tokio { skew, .. } = &clock else { unreachable!("it was made so") };
        skew.store(-1_000, Ordering::Relaxed);
        assert_eq!((clock.now(), elsewhere()), (3_600_000, 3_600_000));
    }
}
