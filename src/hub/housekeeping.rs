//! Sweeps, paced from here since the store knows no time to rest: what has outlived itself goes step by step, and what
//! goes from an inbox is told like any other change.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::Inner;
use crate::store::{Error, Swept};

/// Least pause between two steps of a sweep. After a longer step it is as long as that step was: so a sweep never has
/// more than half of the writer, and whoever publishes the other.
const STEP_PAUSE: Duration = Duration::from_millis(10);
/// Pause after a step that the writer had no room for: long for a queue, short for what would only become more.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Sweeps after each pause until nothing is left to sweep, until the hub is gone or the store has ended.
pub(super) async fn run(hub: Weak<Inner>, pause: Duration) {
    let mut course = Course::default();
    let mut rest = pause;
    loop {
        sleep(rest).await;
        let Some(store) = hub.upgrade().map(|hub| hub.store.clone()) else { return };
        let begun = Instant::now();
        let swept = store.sweep().await;
        if swept == Err(Error::Down) {
            return;
        }
        match course.switch(&swept) {
            Some(Switch::Failed) => warn!(?swept, "what has outlived itself cannot be swept; it is tried again"),
            Some(Switch::Healed) => info!("what has outlived itself is swept again"),
            None => debug!(?swept, "swept a step"),
        }
        rest = rest_after(&swept, begun.elapsed(), pause);
    }
}

/// How long to rest after a step that took so long.
fn rest_after(swept: &Result<Swept, Error>, took: Duration, pause: Duration) -> Duration {
    match swept {
        Ok(Swept { more: true, .. }) => took.max(STEP_PAUSE),
        Err(Error::QueueFull) => pause.min(BUSY_PAUSE),
        Ok(_) | Err(_) => pause,
    }
}

/// The fault that sweeps run into, if they do: each is told once and not at every try.
#[derive(Default)]
struct Course(Option<Error>);

#[derive(Debug, PartialEq, Eq)]
enum Switch {
    Failed,
    Healed,
}

impl Course {
    fn switch(&mut self, swept: &Result<Swept, Error>) -> Option<Switch> {
        let fault = swept.as_ref().err();
        if self.0.as_ref() == fault {
            return None;
        }
        self.0 = fault.cloned();
        Some(if fault.is_some() { Switch::Failed } else { Switch::Healed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_by_how_the_step_went() {
        let pause = Duration::from_secs(30);
        let after = |swept, took| rest_after(&swept, Duration::from_millis(took), pause).as_millis();
        let more = Ok(Swept { rows: 1_000, more: true });
        assert_eq!((after(more.clone(), 1), after(more, 70)), (10, 70), "never more than half of the writer");
        assert_eq!(after(Ok(Swept::default()), 70), 30_000);
        assert_eq!(after(Err(Error::DiskFull), 70), 30_000);
        assert_eq!(after(Err(Error::QueueFull), 0), 1_000, "what a busy writer has no room for only becomes more");
        let short = rest_after(&Err(Error::QueueFull), Duration::ZERO, Duration::from_millis(300));
        assert_eq!(short.as_millis(), 300, "no longer than its pause");
    }

    #[test]
    fn a_fault_is_told_once_and_its_end_too() {
        let (well, full, locked) = (Ok(Swept::default()), Err(Error::DiskFull), Err(Error::Locked));
        let mut course = Course::default();
        let switches = [&well, &full, &full, &locked, &locked, &well, &well, &full].map(|swept| course.switch(swept));
        use Switch::{Failed, Healed};
        assert_eq!(switches, [None, Some(Failed), None, Some(Failed), None, Some(Healed), None, Some(Failed)]);
    }
}
