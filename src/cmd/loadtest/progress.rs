//! How far a run is, while it goes on.

use std::time::Duration;

use tokio::sync::watch;

use crate::cmd::term::{Live, count};
use crate::loadtest::figures::Unit;
use crate::loadtest::measured::{Now, Phase};

/// Shows what is told, until nobody tells any more.
pub async fn follow(mut now: watch::Receiver<Now>, mut live: Live) {
    while now.changed().await.is_ok() {
        let now = *now.borrow_and_update();
        let (done, total) = share(&now);
        live.show(done, total, &line(&now));
    }
}

/// How much of the phase is done: streams while they are opened, then time.
fn share(now: &Now) -> (u64, u64) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match now.phase {
        Phase::Opening => (now.open, now.streams),
        Phase::Publishing | Phase::Settling => (millis(now.elapsed), millis(now.of)),
    }
}

fn line(now: &Now) -> String {
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let (open, streams) = (count(now.open), count(now.streams));
    let phase = match now.phase {
        Phase::Opening => return format!("opening: {open} of {streams} streams"),
        Phase::Publishing => format!("publishing: {} of {}", seconds(now.elapsed), seconds(now.of)),
        Phase::Settling => format!("settling: {} of {} at most", seconds(now.elapsed), seconds(now.of)),
    };
    let [sent, answered, delivered] = [now.sent, now.answered, now.delivered].map(count);
    let latency = match (now.p50_us, now.p99_us) {
        (Some(p50), Some(p99)) => {
            format!(", p50 {}, p99 {}", Unit::Time.shown(p50 as f64), Unit::Time.shown(p99 as f64))
        }
        _ => String::new(),
    };
    // A narrow terminal cuts the end, and latency is what is watched.
    format!("{phase}{latency}, {open} open, {sent} sent, {answered} answered, {delivered} delivered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_told_in_a_line() {
        let mut now = Now { open: 3_120, streams: 5_000, ..Now::default() };
        assert_eq!((line(&now).as_str(), share(&now)), ("opening: 3,120 of 5,000 streams", (3_120, 5_000)));
        now = Now {
            phase: Phase::Publishing,
            elapsed: Duration::from_millis(12_400),
            of: Duration::from_secs(30),
            sent: 6_200,
            messages: 15_000,
            answered: 6_198,
            delivered: 6_190,
            p50_us: Some(1_400),
            p99_us: Some(9_000),
            ..now
        };
        let told =
            "publishing: 12 s of 30 s, p50 1.4 ms, p99 9 ms, 3,120 open, 6,200 sent, 6,198 answered, 6,190 delivered";
        assert_eq!((line(&now).as_str(), share(&now)), (told, (12_400, 30_000)));
        now = Now { phase: Phase::Settling, of: Duration::from_secs(10), p50_us: None, ..now };
        let told = "settling: 12 s of 10 s at most, 3,120 open, 6,200 sent, 6,198 answered, 6,190 delivered";
        assert_eq!(line(&now), told);
    }
}
