//! What one stream notes of what it saw. Sums and verdicts are made of it later, by others.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Shared;
use crate::loadtest::measured::{Arrival, Track};
use crate::loadtest::profile::{Counts, Message};
use crate::loadtest::tally::record;

pub struct Witness {
    track: Track,
    open: bool,
    /// Whether it was ever told counts.
    met: bool,
    /// The highest number that came: what is over it came for the first time.
    highest: Option<u32>,
    /// All numbers that came, kept from when one was not the highest: most streams never need it.
    seen: Option<HashSet<u32>>,
    /// The highest rev of a message on any of its connections.
    rev: u64,
    /// Counts that were right: as many more unread as revs are the next ones.
    base: Option<Counted>,
    /// The unread count of the first `ready`.
    began: Option<u64>,
}

#[derive(Clone, Copy)]
struct Counted {
    unread: u64,
    rev: u64,
}

impl Witness {
    pub fn new(stream: u32, shared: &Shared) -> Self {
        let track = Track {
            user: shared.plan.user_of(stream),
            slow: shared.plan.is_slow(stream),
            fault: Some("it was never opened".to_owned()),
            ..Track::default()
        };
        Self { track, open: false, met: false, highest: None, seen: None, rev: 0, base: None, began: None }
    }

    pub fn user(&self) -> u32 {
        self.track.user
    }

    pub fn was_open(&self) -> bool {
        !self.track.opened.is_empty()
    }

    pub fn opened(&mut self, shared: &Shared, now: Instant) {
        if !std::mem::replace(&mut self.open, true) {
            self.track.opened.push(shared.timeline.moment(now));
            self.track.fault = None;
            shared.tally.open.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn closed(&mut self, shared: &Shared, now: Instant) {
        if std::mem::take(&mut self.open) {
            self.track.lost.push(shared.timeline.moment(now));
            shared.tally.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub fn fault(&mut self, why: String) {
        self.track.fault = Some(why);
    }

    /// Counts of the inbox as it is at a rev. All that changes it is this run, by one message a rev.
    pub fn counts(&mut self, unread: u64, rev: u64) {
        if !self.met {
            (self.met, self.began) = (true, Some(unread));
        }
        match self.base {
            Some(base) if rev < base.rev || unread != base.unread.saturating_add(rev - base.rev) => {
                self.track.counts_wrong += 1
            }
            _ => {}
        }
        self.base = Some(Counted { unread, rev });
        self.track.unread = self.began.map(|began| unread.saturating_sub(began));
    }

    /// Counts after a change that was none of the run's, such as a sweep: what was counted before says nothing now.
    pub fn changed(&mut self, unread: u64, rev: u64) {
        self.base = Some(Counted { unread, rev });
        self.began = None;
        self.track.unread = None;
    }

    /// After a hole nothing is known of the counts.
    pub fn resync(&mut self) {
        self.track.resyncs += 1;
        self.base = None;
    }

    pub fn message(&mut self, message: Message, shared: &Shared, now: Instant) {
        let (plan, stamp) = (&shared.plan, message.stamp);
        if stamp.run != plan.run {
            // Somebody else's load.
            return;
        }
        let known = plan.is_for(stamp.number, self.track.user)
            && plan.due(stamp.number).as_micros() == u128::from(stamp.due_us);
        if !known {
            self.track.unknown += 1;
            return;
        }
        self.track.arrivals.push(Arrival { message: stamp.number, at: shared.timeline.moment(now) });
        if !self.is_new(stamp.number) {
            return;
        }
        if let Some(counts) = message.counts {
            self.rev_of(counts);
        }
        shared.tally.delivered.fetch_add(1, Ordering::Relaxed);
        shared.awaited.came(stamp.number);
        let took = shared.timeline.since(now).saturating_sub(plan.due(stamp.number));
        let mut histograms = shared.tally.histograms();
        if !self.track.slow {
            record(&mut histograms.lately, took);
        }
        if plan.is_warmup(stamp.number) {
            return;
        }
        let of = if self.track.slow { &mut histograms.all.slow_delivery } else { &mut histograms.all.delivery };
        record(of, took);
    }

    fn rev_of(&mut self, counts: Counts) {
        if counts.rev <= self.rev {
            self.track.disordered += 1;
        }
        self.rev = self.rev.max(counts.rev);
        // What was missed comes with the counts of its page; older ones than those that are shown are dropped.
        if self.base.is_none_or(|base| counts.counts_rev >= base.rev) {
            self.counts(counts.unread, counts.counts_rev);
        }
    }

    /// Whether the message that came last had not come before.
    fn is_new(&mut self, number: u32) -> bool {
        let over = self.highest.is_none_or(|highest| number > highest);
        if over {
            self.highest = Some(number);
        }
        match &mut self.seen {
            Some(seen) => seen.insert(number),
            None if over => true,
            none => {
                let (_, before) = self.track.arrivals.split_last().unwrap_or((&NOTHING, &[]));
                none.insert(before.iter().map(|arrival| arrival.message).collect()).insert(number)
            }
        }
    }

    pub fn into_track(self) -> Track {
        self.track
    }
}

const NOTHING: Arrival = Arrival { message: 0, at: crate::loadtest::measured::Moment::NEVER };

#[cfg(test)]
mod tests {
    use super::super::by_hand::{of, shared};
    use super::*;
    use crate::loadtest::scenario::Scenario;
    use crate::loadtest::stamp::{RunId, Stamp};

    fn message(shared: &Shared, number: u32, counts: (u64, u64, u64)) -> Message {
        let stamp = Stamp { run: shared.plan.run, number, due_us: u64::from(number) * 1_000_000 };
        let (unread, counts_rev, rev) = counts;
        Message { stamp, counts: Some(Counts { unread, counts_rev, rev }) }
    }

    /// What a stream notes that began with nothing unread and was told these.
    fn noted(messages: &[(u32, (u64, u64, u64))]) -> (Track, Shared) {
        noted_by(shared(), messages)
    }

    fn noted_by(shared: Shared, messages: &[(u32, (u64, u64, u64))]) -> (Track, Shared) {
        let mut witness = Witness::new(0, &shared);
        witness.opened(&shared, Instant::now());
        witness.counts(0, 0);
        for (number, counts) in messages {
            witness.message(message(&shared, *number, *counts), &shared, Instant::now());
        }
        (witness.into_track(), shared)
    }

    #[test]
    fn what_comes_as_it_should_is_no_fault() {
        // The second and the third were missed, and come with the counts of their page.
        let (track, shared) = noted(&[(0, (1, 1, 1)), (1, (3, 3, 2)), (2, (3, 3, 3)), (3, (4, 4, 4))]);
        assert_eq!((track.counts_wrong, track.disordered, track.unknown, track.unread), (0, 0, 0, Some(4)));
        assert_eq!((track.arrivals.len(), track.fault), (4, None));
        let histograms = shared.tally.histograms();
        assert_eq!((histograms.all.delivery.len(), histograms.lately.len()), (2, 4));
    }

    #[test]
    fn what_slow_readers_take_is_not_what_deliveries_took_lately() {
        let shared = of(|plan| plan.scenario = Scenario::Slow { share: 1.0 });
        let (_, shared) = noted_by(shared, &[(2, (1, 1, 1))]);
        let histograms = shared.tally.histograms();
        assert_eq!((histograms.all.slow_delivery.len(), histograms.lately.len()), (1, 0));
    }

    #[test]
    fn counts_that_cannot_be_are_wrong_and_no_more() {
        let far = (u64::MAX, u64::MAX - 1, u64::MAX - 1);
        assert_eq!(noted(&[(0, far), (1, (0, u64::MAX, u64::MAX))]).0.counts_wrong, 2);
    }

    #[test]
    fn a_count_that_is_not_the_inboxs_is_wrong() {
        assert_eq!(noted(&[(0, (2, 1, 1))]).0.counts_wrong, 1);
        assert_eq!(noted(&[(0, (1, 1, 1)), (1, (1, 2, 2))]).0.counts_wrong, 1);
    }

    #[test]
    fn a_rev_that_does_not_rise_is_out_of_order() {
        assert_eq!(noted(&[(0, (1, 1, 1)), (1, (2, 2, 1))]).0.disordered, 1);
        // One that comes twice is that, and nothing else.
        let (track, shared) = noted(&[(0, (1, 1, 1)), (0, (1, 1, 1))]);
        assert_eq!((track.disordered, track.counts_wrong, track.arrivals.len()), (0, 0, 2));
        assert_eq!(shared.tally.delivered.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_double_is_known_however_late_it_comes() {
        let told = [(3, (1, 1, 1)), (1, (2, 2, 2)), (0, (3, 3, 3)), (1, (3, 3, 3)), (4, (4, 4, 4)), (4, (4, 4, 4))];
        assert_eq!(noted(&told).1.tally.delivered.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn what_nobody_sent_is_unknown_and_anothers_load_is_passed_over() {
        let (track, shared) = noted(&[(10, (1, 1, 1))]);
        assert_eq!((track.unknown, track.arrivals.len()), (1, 0));
        let mut witness = Witness::new(0, &shared);
        let mut false_time = message(&shared, 1, (1, 1, 1));
        false_time.stamp.due_us += 1;
        witness.message(false_time, &shared, Instant::now());
        let mut anothers = message(&shared, 1, (1, 1, 1));
        anothers.stamp.run = RunId::new([8; 8]);
        witness.message(anothers, &shared, Instant::now());
        assert_eq!(witness.into_track().unknown, 1);
    }

    #[test]
    fn counts_begin_anew_where_somebody_else_changed_the_inbox() {
        let shared = shared();
        let mut witness = Witness::new(0, &shared);
        witness.counts(5, 9);
        witness.changed(2, 10);
        witness.message(message(&shared, 0, (3, 11, 11)), &shared, Instant::now());
        let track = witness.into_track();
        assert_eq!((track.counts_wrong, track.unread), (0, None));
    }
}
