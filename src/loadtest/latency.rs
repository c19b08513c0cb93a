//! What the document says of a distribution of times.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::report::document::Latency;

/// Percentiles of the curve: even steps, then each further nine in parts of one.
const PERCENTILES: [f64; 29] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 97.5, 98.0, 98.5,
    99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 99.995, 99.999, 99.9995, 99.9999,
];

/// Whole microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// What the document says of it, where so many more never came to an end; nothing where none did.
pub fn latency(times: &Histogram<u64>, never: u64) -> Option<Latency> {
    if times.is_empty() {
        return None;
    }
    let all = times.len() + never;
    // As many of all are a larger share of those that came to an end.
    let more = all as f64 / times.len() as f64;
    let at = |percentile: f64| times.value_at_quantile((percentile / 100.0 * more).min(1.0));
    let last = 100.0 / more;
    // Past the percentile that one value in so many makes, the curve would only repeat the longest.
    let told = PERCENTILES.into_iter().filter(|percentile| all as f64 * (last - percentile) > 99.9);
    let curve = told.map(|percentile| (percentile, at(percentile))).chain([(last, times.max())]).collect();
    Some(Latency {
        count: times.len(),
        never,
        mean: times.mean(),
        p50: at(50.0),
        p90: at(90.0),
        p99: at(99.0),
        p99_9: at(99.9),
        max: times.max(),
        curve,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tally::histogram;
    use super::*;

    #[test]
    fn a_latency_says_what_was_recorded() {
        let mut times = histogram();
        (1..=10_000).for_each(|time| times.saturating_record(time));
        let latency = latency(&times, 0).unwrap();
        assert_eq!(latency.count, 10_000);
        let near = |value: u64, expected: f64| assert!((value as f64 / expected - 1.0).abs() < 0.001, "{value}");
        near(latency.p50, 5_000.0);
        near(latency.p90, 9_000.0);
        near(latency.p99, 9_900.0);
        near(latency.p99_9, 9_990.0);
        near(latency.max, 10_000.0);
        near(latency.mean as u64, 5_000.0);
    }

    #[test]
    fn a_curve_rises_to_the_longest_and_claims_no_more_than_its_count_can_tell() {
        let mut times = histogram();
        (1..=1_000).for_each(|time| times.saturating_record(time * 1_000));
        let curve = latency(&times, 0).unwrap().curve;
        assert_eq!(curve.first().unwrap().0, 0.0);
        assert_eq!(curve[curve.len() - 2].0, 99.9);
        assert_eq!(*curve.last().unwrap(), (100.0, times.max()));
        assert!(curve.is_sorted(), "{curve:?}");
        assert!(curve.iter().all(|(_, time)| *time >= 999));
    }

    #[test]
    fn percentiles_are_of_those_too_that_never_came_to_an_end() {
        let mut times = histogram();
        (1..=900).for_each(|time| times.saturating_record(time));
        let latency = latency(&times, 100).unwrap();
        assert_eq!((latency.count, latency.never, latency.p50), (900, 100, 500));
        assert_eq!((latency.p90, latency.p99, latency.max), (900, 900, 900));
        assert_eq!([50.0, 90.0, 90.1, 100.0].map(|percent| latency.reached(percent)), [true, true, false, false]);
        assert_eq!(*latency.curve.last().unwrap(), (90.0, 900));
        assert!(latency.curve.is_sorted(), "{:?}", latency.curve);
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(latency(&histogram(), 0), None);
        let mut one = histogram();
        one.saturating_record(70);
        assert_eq!(latency(&one, 0).unwrap().curve, [(0.0, 70), (100.0, 70)]);
    }
}
