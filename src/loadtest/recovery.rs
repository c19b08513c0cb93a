//! How streams that were lost came back: when each was open again, and when it had all that it missed.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::due::{self, Came, Due};
use super::latency::micros;
use super::measured::{Moment, Track};
use super::report::document::Recovery;
use super::tally::{histogram, record};
use super::{Measured, Plan};

/// Points of the curve, about: more than a picture is wide make no better picture.
const POINTS: usize = 200;

/// When one stream was lost, open again for the last time, and had caught up.
struct Comeback {
    lost: Moment,
    back: Option<Moment>,
    caught_up: Option<Moment>,
}

/// The recovery and, of each stream that caught up, how long it took from its own first loss. `None` where no stream
/// was lost.
pub fn recovery(plan: &Plan, measured: &Measured, due: &Due) -> Option<(Recovery, Histogram<u64>)> {
    let mut came = Came::default();
    let comebacks: Vec<Comeback> = (0..plan.streams)
        .zip(&measured.tracks)
        .filter_map(|(stream, track)| comeback(measured, due.to(plan.user_of(stream)), track, &mut came))
        .collect();
    let began = comebacks.iter().map(|comeback| comeback.lost).min()?;
    let mut catch_up = histogram();
    for (lost, caught_up) in comebacks.iter().filter_map(|comeback| Some((comeback.lost, comeback.caught_up?))) {
        record(&mut catch_up, between(lost, caught_up));
    }
    Some((told(&comebacks, began), catch_up))
}

fn comeback(measured: &Measured, mine: &[u32], track: &Track, came: &mut Came) -> Option<Comeback> {
    let lost = *track.lost.first()?;
    let last_lost = track.lost.last().copied().unwrap_or(lost);
    let Some(back) = track.opened.last().copied().filter(|back| *back >= last_lost) else {
        return Some(Comeback { lost, back: None, caught_up: None });
    };
    came.read(&track.arrivals);
    let missed = mine.iter().filter(|message| due::sent(measured, **message).answered < back);
    let came_at = missed.map(|message| came.first(*message).map_or(Moment::NEVER, |place| track.arrivals[place].at));
    // What came before the loss is no later than that, and so changes nothing.
    let caught_up = came_at.max().map_or(back, |last| last.max(back));
    Some(Comeback { lost, back: Some(back), caught_up: caught_up.happened().then_some(caught_up) })
}

fn told(comebacks: &[Comeback], began: Moment) -> Recovery {
    let sorted = |of: fn(&Comeback) -> Option<Moment>| {
        let mut times: Vec<u64> = comebacks.iter().filter_map(of).map(|at| micros(between(began, at))).collect();
        times.sort_unstable();
        times
    };
    let back = sorted(|comeback| comeback.back);
    let caught_up = sorted(|comeback| comeback.caught_up);
    // The time at which so many per cent of all had caught up, if that many did.
    let when = |percent: usize| caught_up.get((comebacks.len() * percent).div_ceil(100) - 1).copied();
    Recovery {
        streams: comebacks.len() as u64,
        back: back.len() as u64,
        caught_up: caught_up.len() as u64,
        p50: when(50),
        p99: when(99),
        all: when(100),
        curve: curve(&back, &caught_up),
    }
}

/// Points at even steps of what happened, so that a straggler does not flatten the rest.
fn curve(back: &[u64], caught_up: &[u64]) -> Vec<(u64, u64, u64)> {
    let mut times: Vec<u64> = back.iter().chain(caught_up).copied().collect();
    times.sort_unstable();
    let step = times.len().div_ceil(POINTS).max(1);
    let last = times.last().copied();
    let mut times: Vec<u64> = std::iter::once(0).chain(times.into_iter().step_by(step)).chain(last).collect();
    times.dedup();
    let until = |all: &[u64], time: u64| all.partition_point(|at| *at <= time) as u64;
    times.into_iter().map(|time| (time, until(back, time), until(caught_up, time))).collect()
}

fn between(from: Moment, to: Moment) -> Duration {
    to.since_start().saturating_sub(from.since_start())
}

#[cfg(test)]
mod tests {
    use super::super::by_hand::{all_went_well, ms, plan};
    use super::*;

    fn of(plan: &Plan, measured: &Measured) -> Option<(Recovery, Histogram<u64>)> {
        recovery(plan, measured, &Due::of(plan, measured))
    }

    fn nearly(times: &Histogram<u64>) -> (u64, u64, u64) {
        // Three digits are kept.
        (times.len(), times.min().div_ceil(1_000), times.max() / 1_000)
    }

    /// Messages each 10 ms to one user; both its streams are lost at 25 ms.
    fn lost() -> (Plan, Measured) {
        let plan = plan(2, 1, 10);
        let mut measured = all_went_well(&plan);
        measured.tracks.iter_mut().for_each(|track| track.lost = vec![ms(25)]);
        (plan, measured)
    }

    #[test]
    fn nothing_recovers_where_nothing_was_lost() {
        let plan = plan(2, 1, 10);
        assert_eq!(of(&plan, &all_went_well(&plan)).map(|(recovery, _)| recovery), None);
    }

    #[test]
    fn a_stream_has_caught_up_with_the_last_that_it_missed() {
        let (plan, mut measured) = lost();
        // The first missed 3 and 4, which were accepted by then, the second nothing.
        measured.tracks[0].opened.push(ms(45));
        measured.tracks[0].arrivals[3].at = ms(46);
        measured.tracks[0].arrivals[4].at = ms(48);
        measured.tracks[0].arrivals[5].at = ms(95);
        measured.tracks[1].opened.push(ms(30));
        let (recovery, catch_up) = of(&plan, &measured).unwrap();
        let expected = Recovery {
            streams: 2,
            back: 2,
            caught_up: 2,
            p50: Some(5_000),
            p99: Some(23_000),
            all: Some(23_000),
            curve: vec![(0, 0, 0), (5_000, 1, 1), (20_000, 2, 1), (23_000, 2, 2)],
        };
        assert_eq!(recovery, expected);
        assert_eq!(nearly(&catch_up), (2, 5, 23));
    }

    #[test]
    fn a_stream_that_misses_one_for_ever_never_catches_up() {
        let (plan, mut measured) = lost();
        measured.tracks.iter_mut().for_each(|track| track.opened.push(ms(45)));
        measured.tracks[0].arrivals.remove(4);
        let (recovery, catch_up) = of(&plan, &measured).unwrap();
        assert_eq!((recovery.back, recovery.caught_up), (2, 1));
        assert_eq!((recovery.p50, recovery.p99, recovery.all), (Some(20_000), None, None));
        assert_eq!(catch_up.len(), 1);
    }

    #[test]
    fn what_was_not_accepted_before_it_was_back_is_not_waited_for() {
        let (plan, mut measured) = lost();
        measured.tracks.iter_mut().for_each(|track| track.opened.push(ms(45)));
        measured.sent[4].answered = Moment::NEVER;
        measured.tracks[0].arrivals.remove(4);
        measured.tracks[1].arrivals.remove(5);
        assert_eq!(of(&plan, &measured).unwrap().0.caught_up, 2);
    }

    #[test]
    fn a_stream_that_did_not_come_back_is_not_back() {
        let (plan, mut measured) = lost();
        measured.tracks[0].opened.push(ms(30));
        measured.tracks[0].lost.push(ms(40));
        let (recovery, catch_up) = of(&plan, &measured).unwrap();
        assert_eq!((recovery.streams, recovery.back, recovery.caught_up, recovery.p50), (2, 0, 0, None));
        assert_eq!(recovery.curve, [(0, 0, 0)]);
        assert_eq!(catch_up.len(), 0);
    }

    #[test]
    fn times_are_from_the_first_loss_of_all_and_catch_up_from_each_ones_own() {
        let (plan, mut measured) = lost();
        measured.tracks[0].opened.push(ms(27));
        measured.tracks[1].lost = vec![ms(65), ms(75)];
        measured.tracks[1].opened.extend([ms(68), ms(79)]);
        let (recovery, catch_up) = of(&plan, &measured).unwrap();
        assert_eq!((recovery.p50, recovery.all), (Some(2_000), Some(54_000)));
        assert_eq!(nearly(&catch_up), (2, 2, 14));
    }

    #[test]
    fn a_curve_has_few_points_and_ends_at_the_end() {
        let back: Vec<u64> = (0..5_000).map(|n| n * 10).collect();
        let caught_up: Vec<u64> = (0..4_000).map(|n| n * 20 + 7).collect();
        let curve = curve(&back, &caught_up);
        assert!((100..=POINTS + 2).contains(&curve.len()), "{}", curve.len());
        assert!(curve.is_sorted());
        assert_eq!(*curve.last().unwrap(), (79_987, 5_000, 4_000));
    }
}
