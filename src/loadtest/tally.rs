//! What a thread counts while it works, for all to look at once a second. Its lock is the thread's own but for that look.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::measured::Latencies;
use super::reason;

/// A microsecond to an hour: nothing of a run takes longer that ends.
const HIGHEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// Counters and histograms of one thread.
#[derive(Debug)]
pub struct Tally {
    /// Streams open now.
    pub open: AtomicU64,
    /// Streams that were given up.
    pub failed: AtomicU64,
    /// Attempts at a stream that did not last, for any reason but ours.
    pub lost: AtomicU64,
    pub delivered: AtomicU64,
    /// Messages whose request was begun, was accepted, and those on which nothing more is tried.
    pub sent: AtomicU64,
    pub answered: AtomicU64,
    pub done: AtomicU64,
    histograms: Mutex<Histograms>,
}

#[derive(Debug)]
pub struct Histograms {
    pub all: Latencies,
    /// Deliveries since the last look on streams that read as they can, those of the warm-up too.
    pub lately: Histogram<u64>,
    /// Why attempts at a stream got no event stream for an answer, and how often.
    pub in_vain: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let histograms = Histograms { all: latencies(), lately: histogram(), in_vain: BTreeMap::new() };
        let [open, failed, lost, delivered, sent, answered, done] = Default::default();
        Self { open, failed, lost, delivered, sent, answered, done, histograms: Mutex::new(histograms) }
    }
}

impl Tally {
    pub fn histograms(&self) -> MutexGuard<'_, Histograms> {
        self.histograms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Histograms {
    /// Counts an attempt at a stream that was in vain.
    pub fn in_vain(&mut self, why: String) {
        reason::note(&mut self.in_vain, why, 1);
    }
}

pub fn histogram() -> Histogram<u64> {
    // The bounds are constants, and good ones.
    Histogram::new_with_bounds(1, HIGHEST_US, DIGITS).unwrap_or_else(|fault| unreachable!("{fault}"))
}

/// Nothing measured yet.
pub fn latencies() -> Latencies {
    Latencies {
        connect: histogram(),
        first_event: histogram(),
        answer: histogram(),
        delivery: histogram(),
        slow_delivery: histogram(),
        send_lag: histogram(),
    }
}

/// Notes a time; what is over an hour counts as an hour.
pub fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
}

/// A sum over threads.
pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Tally>, of: impl Fn(&Tally) -> &AtomicU64) -> u64 {
    tallies.into_iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum()
}

/// All latencies of all threads in one. Histograms are merged, never averaged.
pub fn merged<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> Latencies {
    let mut all = latencies();
    for tally in tallies {
        let one = &tally.histograms().all;
        let pairs = [
            (&mut all.connect, &one.connect),
            (&mut all.first_event, &one.first_event),
            (&mut all.answer, &one.answer),
            (&mut all.delivery, &one.delivery),
            (&mut all.slow_delivery, &one.slow_delivery),
            (&mut all.send_lag, &one.send_lag),
        ];
        for (to, from) in pairs {
            // All have the same bounds, so that nothing is out of them.
            let _ = to.add(from);
        }
    }
    all
}

/// Why attempts at a stream were in vain, on all threads.
pub fn in_vain<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for tally in tallies {
        for (why, times) in &tally.histograms().in_vain {
            reason::note(&mut all, why.clone(), *times);
        }
    }
    all
}

/// The deliveries of all threads since the last look.
pub fn lately<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> Histogram<u64> {
    let mut all = histogram();
    for tally in tallies {
        let mut histograms = tally.histograms();
        let _ = all.add(&histograms.lately);
        histograms.lately.reset();
    }
    all
}
