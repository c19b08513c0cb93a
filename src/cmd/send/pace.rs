//! Holds lines back to a rate.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::cli::rate::Rate;

/// What goes at once, at most: an even flow, not a burst a second.
const SPAN: Duration = Duration::from_millis(100);

/// The pace of a sending; without a rate as fast as it goes.
pub struct Pace {
    rate: Option<Rate>,
    /// When the next lines may go.
    next: Instant,
}

impl Pace {
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// How many lines may go in a batch, where `most` were allowed.
    pub fn batch(&self, most: usize) -> usize {
        self.rate.map_or(most, |rate| most.min(rate.count_in(SPAN)))
    }

    /// Waits until so many lines may go. What an outage kept waiting is not made up for by a burst.
    pub async fn wait(&mut self, lines: usize) {
        let Some(rate) = self.rate else { return };
        sleep_until(self.next).await;
        let now = Instant::now();
        let due = if now - self.next > SPAN { now } else { self.next };
        self.next = due + rate.time_for(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_keep_to_the_rate_and_make_up_for_no_outage() {
        let mut pace = Pace::new(Some("500/s".parse().unwrap()));
        assert_eq!((pace.batch(500), pace.batch(3)), (50, 3));
        let begun = Instant::now();
        for _ in 0..11 {
            pace.wait(50).await;
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(60)).await;
        let back = Instant::now();
        pace.wait(50).await;
        pace.wait(50).await;
        assert_eq!(back.elapsed(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let mut pace = Pace::new(None);
        let begun = Instant::now();
        pace.wait(1_000_000).await;
        assert_eq!((begun.elapsed(), pace.batch(500)), (Duration::ZERO, 500));
    }
}
