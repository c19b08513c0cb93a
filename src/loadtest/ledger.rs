//! Every message on every stream: what was due, and what came of it.

use std::collections::BTreeSet;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::due::{self, Came, Due};
use super::measured::{Moment, Sent, Track};
use super::report::document::Ledger;
use super::tally::{histogram, record};
use super::{Measured, Plan};

/// The losses that are told one by one.
const EXAMPLES: usize = 20;

/// What was counted of a run.
pub struct Counted {
    pub ledger: Ledger,
    /// Of each accepted message after the warm-up that came wherever it was due: how long its last receiver waited.
    /// Streams that read slowly are not asked.
    pub last_receiver: Histogram<u64>,
    /// Deliveries within [`Measured::window`].
    pub delivered_within: u64,
}

/// Counts a run, one stream after the other. Each is sorted by itself, so that memory grows with messages, not arrivals.
pub fn count(plan: &Plan, measured: &Measured, due: &Due) -> Counted {
    let mut counting = Counting::new(plan, measured, due);
    let (never, mut came, mut firsts) = (Track::default(), Came::default(), Vec::new());
    for stream in 0..plan.streams {
        // A stream that was never tried has no track, and lost all that was due on it.
        let track = measured.tracks.get(stream as usize).unwrap_or(&never);
        came.read(&track.arrivals);
        firsts.clear();
        counting.delivered(stream, track, &came, &mut firsts);
        counting.missing(stream, &came);
        counting.told(stream, track, &came);
        counting.ledger.out_of_order += track.disordered.max(counting.overtaken(track, &mut firsts));
    }
    counting.close()
}

struct Counting<'a> {
    plan: &'a Plan,
    measured: &'a Measured,
    due: &'a Due,
    ledger: Ledger,
    /// Of each message its deliveries on streams that read as they can, and the last of them.
    received: Vec<(u32, Moment)>,
    delivered_within: u64,
    /// Message and stream of the first losses.
    losses: BTreeSet<(u32, u32)>,
}

impl<'a> Counting<'a> {
    fn new(plan: &'a Plan, measured: &'a Measured, due: &'a Due) -> Self {
        let count = |of: fn(&Sent) -> Moment| measured.sent.iter().filter(|sent| of(sent).happened()).count() as u64;
        let (sent, acknowledged) = (count(|sent| sent.begun), count(|sent| sent.answered));
        // What an interrupted run did not get to was not due.
        let messages = if measured.interrupted { sent } else { u64::from(plan.messages()).max(sent) };
        let ledger = Ledger { sent, acknowledged, unacknowledged: messages - acknowledged, ..Ledger::default() };
        let received = vec![(0, Moment::at(Duration::ZERO)); measured.sent.len()];
        Self { plan, measured, due, ledger, received, delivered_within: 0, losses: BTreeSet::new() }
    }

    /// Counts what came on a stream, and notes where each of its messages came first.
    fn delivered(&mut self, stream: u32, track: &Track, came: &Came, firsts: &mut Vec<usize>) {
        let mine = self.due.to(self.plan.user_of(stream));
        let within = self.measured.window(self.plan);
        for (message, first, times) in came.messages() {
            if mine.binary_search(&message).is_err() {
                self.ledger.unknown += times;
                continue;
            }
            let at = track.arrivals[first].at;
            firsts.push(first);
            self.ledger.delivered += 1;
            self.ledger.duplicated += times - 1;
            self.ledger.late += u64::from(waited(self.plan, message, at) > self.plan.late);
            self.ledger.delivered_unacknowledged += u64::from(!due::accepted(self.measured, message));
            self.delivered_within += u64::from(within.contains(&at.since_start()));
            if !track.slow {
                let (count, last) = &mut self.received[message as usize];
                *count += 1;
                *last = at.max(*last);
            }
        }
    }

    /// Counts what was due on a stream, and what of it did not come.
    fn missing(&mut self, stream: u32, came: &Came) {
        let mut lost = 0;
        for &message in self.due.to(self.plan.user_of(stream)) {
            if !due::accepted(self.measured, message) {
                continue;
            }
            self.ledger.due += 1;
            if came.first(message).is_none() {
                lost += 1;
                self.note(message, stream);
            }
        }
        self.ledger.lost += lost;
        self.ledger.streams_with_losses += u64::from(lost > 0);
    }

    fn note(&mut self, message: u32, stream: u32) {
        let later = self.losses.last().is_some_and(|last| *last < (message, stream));
        if self.losses.len() == EXAMPLES && later {
            return;
        }
        self.losses.insert((message, stream));
        if self.losses.len() > EXAMPLES {
            self.losses.pop_last();
        }
    }

    /// Takes over what the stream itself saw to be wrong, and holds its last unread count against what was accepted.
    fn told(&mut self, stream: u32, track: &Track, came: &Came) {
        self.ledger.unknown += track.unknown;
        self.ledger.counts_wrong += track.counts_wrong;
        self.ledger.resyncs += track.resyncs;
        let mine = self.due.to(self.plan.user_of(stream));
        let first = mine.iter().map(|message| due::sent(self.measured, *message).begun).min();
        // The count of a stream that opened amid the messages began somewhere between them.
        let from_the_start = first.is_none_or(|first| track.opened.first().is_some_and(|opened| *opened <= first));
        if let (Some(unread), None, true) = (track.unread, &track.fault, from_the_start) {
            let right = self.counted(mine, came)..=mine.len() as u64;
            self.ledger.counts_wrong += u64::from(!right.contains(&unread));
        }
    }

    /// How many of a user's messages are surely in the last count that came: the accepted that came, and those that were
    /// accepted before one that came was begun. One that was lost after them is a loss, and no wrong count.
    fn counted(&self, mine: &[u32], came: &Came) -> u64 {
        let there = |message: u32| came.first(message).is_some();
        let begun = |message: u32| due::sent(self.measured, message).begun;
        let latest = mine.iter().filter(|message| there(**message)).map(|message| begun(*message)).max();
        let accepted = mine.iter().filter(|message| due::accepted(self.measured, **message));
        let before = |message: u32| latest.is_some_and(|latest| due::sent(self.measured, message).answered < latest);
        accepted.filter(|message| there(**message) || before(**message)).count() as u64
    }

    /// How many messages came after one whose request was begun only when they had been accepted.
    fn overtaken(&self, track: &Track, firsts: &mut [usize]) -> u64 {
        firsts.sort_unstable();
        let (mut overtaken, mut latest) = (0, Moment::at(Duration::ZERO));
        for arrival in firsts.iter().map(|first| track.arrivals[*first]) {
            let sent = due::sent(self.measured, arrival.message);
            overtaken += u64::from(latest > sent.answered);
            latest = latest.max(sent.begun);
        }
        overtaken
    }

    fn close(mut self) -> Counted {
        let example = |(message, stream): &(u32, u32)| {
            format!("message {message} to user {}, stream {stream}", self.plan.user_of(*stream))
        };
        self.ledger.examples = self.losses.iter().map(example).collect();
        let last_receiver = self.last_receiver();
        Counted { ledger: self.ledger, last_receiver, delivered_within: self.delivered_within }
    }

    fn last_receiver(&self) -> Histogram<u64> {
        let mut quick = vec![0u32; self.plan.users as usize];
        let is_slow = |stream: u32| self.measured.tracks.get(stream as usize).is_some_and(|track| track.slow);
        let streams = (0..self.plan.streams).filter(|stream| !is_slow(*stream));
        streams.for_each(|stream| quick[self.plan.user_of(stream) as usize] += 1);
        let mut waits = histogram();
        for ((count, last), message) in self.received.iter().zip(0..) {
            if *count == 0 || !due::accepted(self.measured, message) || self.plan.is_warmup(message) {
                continue;
            }
            let due: u32 = self.plan.recipients(message).map(|user| quick[user as usize]).sum();
            if *count == due {
                record(&mut waits, waited(self.plan, message, *last));
            }
        }
        waits
    }
}

/// How long after it was to be sent a message came.
fn waited(plan: &Plan, message: u32, at: Moment) -> Duration {
    at.since_start().saturating_sub(plan.due(message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_hand::{after, all_came, all_went_well, ms, plan};
    use super::super::measured::Arrival;
    use super::super::plan::Mode;
    use super::*;

    fn counted(plan: &Plan, measured: &Measured) -> Counted {
        count(plan, measured, &Due::of(plan, measured))
    }

    fn ledger(plan: &Plan, measured: &Measured) -> Ledger {
        counted(plan, measured).ledger
    }

    fn good(plan: &Plan, measured: &Measured) -> Ledger {
        let messages = u64::from(plan.messages());
        let due = measured.tracks.iter().map(|track| track.arrivals.len() as u64).sum();
        Ledger { sent: messages, acknowledged: messages, due, delivered: due, ..Ledger::default() }
    }

    #[test]
    fn what_came_as_it_should_is_all_there_is() {
        for plan in [plan(7, 3, 60), plan(3, 7, 60), plan(1, 1, 60)] {
            let measured = all_went_well(&plan);
            assert_eq!(ledger(&plan, &measured), good(&plan, &measured));
        }
    }

    #[test]
    fn an_accepted_message_that_did_not_come_is_lost_and_told() {
        let plan = plan(6, 3, 60);
        let mut measured = all_went_well(&plan);
        let message = measured.tracks[4].arrivals.remove(2).message;
        let right = good(&plan, &measured);
        let expected = Ledger {
            due: right.due + 1,
            lost: 1,
            streams_with_losses: 1,
            examples: vec![format!("message {message} to user 1, stream 4")],
            ..right
        };
        assert_eq!(ledger(&plan, &measured), expected);
    }

    #[test]
    fn a_stream_that_was_never_tried_loses_all_that_is_due_on_it() {
        let plan = plan(2, 2, 60);
        let mut measured = all_went_well(&plan);
        let due = measured.tracks.pop().unwrap().arrivals.len() as u64;
        let ledger = ledger(&plan, &measured);
        assert_eq!((ledger.lost, ledger.due, ledger.delivered), (due, 60, 60 - due));
    }

    #[test]
    fn only_the_first_losses_are_told() {
        let plan = plan(5, 1, 60);
        let mut measured = all_went_well(&plan);
        measured.tracks.iter_mut().for_each(|track| track.arrivals.clear());
        let ledger = ledger(&plan, &measured);
        assert_eq!((ledger.lost, ledger.streams_with_losses), (300, 5));
        let first: Vec<String> = (0..20).map(|n| format!("message {} to user 0, stream {}", n / 5, n % 5)).collect();
        assert_eq!(ledger.examples, first);
    }

    #[test]
    fn what_was_not_accepted_is_not_due_and_may_come() {
        let plan = plan(1, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.sent[0].answered = Moment::NEVER;
        measured.sent[1].answered = Moment::NEVER;
        measured.tracks[0].arrivals.remove(1);
        measured.tracks[0].unread = Some(2);
        let expected = Ledger {
            sent: 3,
            acknowledged: 1,
            unacknowledged: 2,
            due: 1,
            delivered: 2,
            delivered_unacknowledged: 1,
            ..Ledger::default()
        };
        assert_eq!(ledger(&plan, &measured), expected);
    }

    #[test]
    fn a_message_that_was_never_begun_is_unacknowledged_and_unknown_where_it_comes() {
        let plan = plan(1, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.sent.truncate(2);
        measured.tracks[0].unread = None;
        let ledger = ledger(&plan, &measured);
        assert_eq!((ledger.sent, ledger.unacknowledged, ledger.unknown, ledger.delivered), (2, 1, 1, 2));
    }

    #[test]
    fn what_an_interrupted_run_did_not_get_to_is_not_unacknowledged() {
        let plan = plan(1, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.sent[1].answered = Moment::NEVER;
        measured.sent[2] = Sent::NOT;
        measured.interrupted = true;
        assert_eq!(ledger(&plan, &measured).unacknowledged, 1);
        measured.interrupted = false;
        assert_eq!(ledger(&plan, &measured).unacknowledged, 2);
    }

    #[test]
    fn a_delivery_is_late_only_past_its_time() {
        let plan = plan(1, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.tracks[0].arrivals[1].at = after(&plan, 1, 1_000);
        measured.tracks[0].arrivals[2].at = after(&plan, 2, 1_001);
        assert_eq!(ledger(&plan, &measured).late, 1);
    }

    #[test]
    fn order_is_held_only_where_it_was_certain() {
        let plan = plan(1, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.tracks[0].arrivals.swap(0, 1);
        assert_eq!(ledger(&plan, &measured).out_of_order, 1);
        // The second was begun before the first was accepted: either may come first.
        measured.sent[0].answered = measured.sent[1].begun;
        assert_eq!(ledger(&plan, &measured).out_of_order, 0);
    }

    #[test]
    fn what_the_stream_saw_itself_and_what_the_order_shows_is_not_counted_twice() {
        let plan = plan(2, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.tracks[0].arrivals.swap(0, 1);
        measured.tracks[0].disordered = 1;
        measured.tracks[1].disordered = 2;
        assert_eq!(ledger(&plan, &measured).out_of_order, 3);
    }

    #[test]
    fn what_a_stream_saw_itself_is_taken_over() {
        let plan = plan(2, 1, 3);
        let mut measured = all_went_well(&plan);
        measured.tracks[0] = Track { unknown: 3, counts_wrong: 4, resyncs: 5, ..measured.tracks[0].clone() };
        let ledger = ledger(&plan, &measured);
        assert_eq!((ledger.unknown, ledger.counts_wrong, ledger.resyncs), (3, 4, 5));
    }

    #[test]
    fn the_last_unread_count_is_that_of_the_accepted_and_maybe_of_the_others() {
        let plan = plan(1, 1, 5);
        let mut measured = all_went_well(&plan);
        measured.sent[4].answered = Moment::NEVER;
        let mut wrong = |unread, change: fn(&mut Track)| {
            measured.tracks[0].unread = Some(unread);
            change(&mut measured.tracks[0]);
            ledger(&plan, &measured).counts_wrong
        };
        assert_eq!([3, 4, 5, 6].map(|unread| wrong(unread, |_| {})), [1, 0, 0, 1]);
        assert_eq!(wrong(3, |track| track.opened = vec![ms(15)]), 0, "opened amid the messages");
        assert_eq!(wrong(3, |track| track.opened = vec![ms(0), ms(15)]), 1, "opened again");
        assert_eq!(wrong(3, |track| track.fault = Some("gone".to_owned())), 0, "not open at the end");
    }

    #[test]
    fn a_message_that_was_lost_is_no_wrong_count_too() {
        let plan = plan(1, 1, 5);
        let mut measured = all_went_well(&plan);
        let mut wrong = |unread, lost: usize| {
            measured.tracks[0] = Track { unread: Some(unread), ..all_came(&plan, 0) };
            measured.tracks[0].arrivals.remove(lost);
            ledger(&plan, &measured).counts_wrong
        };
        // The count that came with the fourth of five is four, whatever came before it.
        assert_eq!([3, 4, 5].map(|unread| wrong(unread, 4)), [1, 0, 0], "the last");
        assert_eq!([4, 5].map(|unread| wrong(unread, 3)), [1, 0], "the one before it");
    }

    #[test]
    fn the_last_receiver_is_asked_where_all_got_it() {
        let mut plan = plan(3, 1, 4);
        plan.warmup = Duration::from_millis(5);
        let mut measured = all_went_well(&plan);
        // The warm-up's counts nowhere, the lost one's neither; of the others the slowest, but for a slow reader.
        measured.tracks[0].arrivals[0].at = after(&plan, 0, 500);
        measured.tracks[1].arrivals[1].at = after(&plan, 1, 30);
        measured.tracks[2].slow = true;
        measured.tracks[2].arrivals[2].at = after(&plan, 2, 700);
        measured.tracks[0].arrivals.truncate(3);
        let times = counted(&plan, &measured).last_receiver;
        assert_eq!(times.len(), 2);
        assert_eq!((times.max() / 100, times.min() / 100), (300, 20));
    }

    #[test]
    fn what_came_while_it_was_published_is_counted_by_itself() {
        let mut plan = plan(1, 1, 10);
        plan.warmup = Duration::from_millis(15);
        let measured = all_went_well(&plan);
        // Of 2, 12, 22 … 92 ms.
        assert_eq!(counted(&plan, &measured).delivered_within, 8);
    }

    /// What is done to one arrival of a true history.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Harm {
        None,
        Drop,
        /// It comes again, at once.
        Double,
        /// It comes again, at the end.
        Again,
        /// It changes places with the next.
        Swap,
        /// A message for somebody else comes after it.
        Foreign,
    }

    fn harm() -> impl Strategy<Value = Harm> {
        prop_oneof![
            6 => Just(Harm::None),
            1 => Just(Harm::Drop),
            1 => Just(Harm::Double),
            1 => Just(Harm::Again),
            1 => Just(Harm::Swap),
            1 => Just(Harm::Foreign),
        ]
    }

    /// Does harm to a stream's arrivals, and counts it.
    fn spoil(plan: &Plan, track: &mut Track, harms: &[Harm], accepted: &[bool], ledger: &mut Ledger) {
        let (mut spoiled, mut again, mut swapped) = (Vec::new(), Vec::new(), None::<Arrival>);
        let stranger = (0..plan.messages()).find(|message| !plan.is_for(*message, track.user));
        let (arrivals, mut lost) = (std::mem::take(&mut track.arrivals), 0);
        for (arrival, harm) in arrivals.into_iter().zip(harms.iter().cycle()) {
            ledger.due += u64::from(accepted[arrival.message as usize]);
            if *harm == Harm::Drop {
                lost += u64::from(accepted[arrival.message as usize]);
                continue;
            }
            ledger.delivered += 1;
            ledger.delivered_unacknowledged += u64::from(!accepted[arrival.message as usize]);
            let before = swapped.take();
            if *harm == Harm::Swap && before.is_none() {
                swapped = Some(arrival);
                continue;
            }
            spoiled.push(arrival);
            if let Some(before) = before {
                ledger.out_of_order += u64::from(accepted[before.message as usize]);
                spoiled.push(before);
            }
            match harm {
                Harm::Double => spoiled.push(arrival),
                Harm::Again => again.push(arrival),
                Harm::Foreign => spoiled.push(Arrival { message: stranger.unwrap_or(plan.messages()), ..arrival }),
                _ => {}
            }
            ledger.duplicated += u64::from(matches!(harm, Harm::Double | Harm::Again));
            ledger.unknown += u64::from(*harm == Harm::Foreign);
        }
        spoiled.extend(swapped);
        spoiled.extend(again);
        // Told with the last that came: what was dropped before it is in it, what was dropped after it is not.
        let (mine, last) = (|message: &u32| plan.is_for(*message, track.user), ours(&spoiled, plan, track.user));
        track.unread = last.map(|last| (0..=last).filter(mine).count() as u64);
        track.arrivals = spoiled;
        ledger.lost += lost;
        ledger.streams_with_losses += u64::from(lost > 0);
    }

    /// The latest of a user's own messages that came.
    fn ours(arrivals: &[Arrival], plan: &Plan, user: u32) -> Option<u32> {
        let mine = arrivals.iter().map(|arrival| arrival.message).filter(|message| plan.is_for(*message, user));
        mine.max()
    }

    fn mode() -> impl Strategy<Value = Mode> {
        prop_oneof![Just(Mode::Unicast), Just(Mode::Fanout), (1u32..12).prop_map(Mode::Audience)]
    }

    proptest! {
        #[test]
        fn it_counts_exactly_what_was_done_to_a_true_history(
            (streams, users, messages, seed) in (1u32..12, 1u32..8, 1u32..60, any::<u64>()),
            mode in mode(),
            harms in prop::collection::vec(harm(), 1..80),
            accepted in prop::collection::vec(prop::bool::weighted(0.9), 60),
        ) {
            let mut plan = plan(streams, users, messages);
            (plan.seed, plan.mode) = (seed, mode);
            let mut measured = all_went_well(&plan);
            for (sent, accepted) in measured.sent.iter_mut().zip(&accepted) {
                sent.answered = if *accepted { sent.answered } else { Moment::NEVER };
            }
            let acknowledged = accepted[..messages as usize].iter().filter(|accepted| **accepted).count() as u64;
            let mut expected = Ledger {
                sent: u64::from(messages),
                acknowledged,
                unacknowledged: u64::from(messages) - acknowledged,
                ..Ledger::default()
            };
            for (track, from) in measured.tracks.iter_mut().zip(0..) {
                let harms: Vec<Harm> = harms.iter().cycle().skip(from * 7).take(80).copied().collect();
                spoil(&plan, track, &harms, &accepted, &mut expected);
            }
            let mut counted = ledger(&plan, &measured);
            prop_assert_eq!(counted.examples.len() as u64, expected.lost.min(20));
            counted.examples.clear();
            prop_assert_eq!(counted, expected);
        }
    }
}
