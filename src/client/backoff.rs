//! Growing pauses between tries, jittered so that clients do not come back as one.

use std::time::Duration;

use crate::random;

/// Doubles from `first` to `most`; each pause is drawn from the upper half of its step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    step: Duration,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, step: first }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let step = u64::try_from(self.step.as_millis()).unwrap_or(u64::MAX);
        self.step = self.step.saturating_mul(2).min(self.most);
        Duration::from_millis(random::within(step / 2..=step))
    }

    /// It worked: begin again with the first pause.
    pub fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_most_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        let expect = |millis: std::ops::RangeInclusive<u64>, backoff: &mut Backoff| {
            let pause = u64::try_from(backoff.pause().as_millis()).unwrap();
            assert!(millis.contains(&pause), "{pause} is not in {millis:?}");
        };
        for millis in [50..=100, 100..=200, 175..=350, 175..=350] {
            expect(millis, &mut backoff);
        }
        backoff.reset();
        expect(50..=100, &mut backoff);
    }
}
