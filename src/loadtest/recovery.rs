//! How streams that were lost came back: when each was open again, and when it had all that it missed.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::due::{self, Came, Due};
use super::latency::micros;
use super::measured::{Act, Moment, Track};
use super::report::document::Recovery;
use super::scenario::Scenario;
use super::tally::{histogram, record};
use super::{Measured, Plan, facts};

/// Points of the curve, about: more than a picture is wide make no better picture.
const POINTS: usize = 200;

/// One loss of one stream: when it was, when the stream was open again, and when it had all that it missed by it.
#[derive(Clone, Copy)]
struct Comeback {
    lost: Moment,
    back: Option<Moment>,
    caught_up: Option<Moment>,
}

/// What came of the losses after the first message was due.
pub struct Recovered {
    /// `None` where no loss counts.
    pub recovery: Option<Recovery>,
    /// Of each loss that was made up for, how long that took from the loss.
    pub catch_up: Histogram<u64>,
    /// Losses that were not.
    pub never: u64,
}

pub fn recovery(plan: &Plan, measured: &Measured, due: &Due) -> Recovered {
    let act = act(plan, measured);
    let (mut catch_up, mut never, mut counted) = (histogram(), 0, Vec::new());
    let mut came = Came::default();
    for (stream, track) in (0..plan.streams).zip(&measured.tracks).filter(|(_, track)| !track.lost.is_empty()) {
        let all = comebacks(measured, due.to(plan.user_of(stream)), track, &mut came);
        for comeback in &all {
            match comeback.caught_up {
                Some(caught_up) => record(&mut catch_up, between(comeback.lost, caught_up)),
                None => never += 1,
            }
        }
        match act {
            // A later loss is no part of what was done to it.
            Some(act) => {
                counted.extend(all.into_iter().find(|comeback| comeback.lost >= act.at).map(|one| (act.at, one)))
            }
            None => counted.extend(all.into_iter().map(|one| (one.lost, one))),
        }
    }
    let recovery = (!counted.is_empty()).then(|| told(act, &counted));
    Recovered { recovery, catch_up, never }
}

/// What was done to the streams or the server, where that is done at one moment.
fn act<'a>(plan: &Plan, measured: &'a Measured) -> Option<&'a Act> {
    let once = matches!(plan.scenario, Scenario::Storm { .. } | Scenario::Deploy | Scenario::Crash);
    measured.acts.first().filter(|_| once)
}

/// A stream's losses after the first message was due, each with the opening that came after it.
fn comebacks(measured: &Measured, mine: &[u32], track: &Track, came: &mut Came) -> Vec<Comeback> {
    came.read(&track.arrivals);
    let back = track.opened.get(1..).unwrap_or_default();
    let mut caught_up = back.to_vec();
    for message in mine {
        // What was accepted before it was back from one loss, and not before it was back from the one before that.
        let answered = due::sent(measured, *message).answered;
        if let Some(caught_up) = caught_up.get_mut(back.partition_point(|back| *back <= answered)) {
            let came_at = came.first(*message).map_or(Moment::NEVER, |place| track.arrivals[place].at);
            // What came before the loss is no later than that, and so changes nothing.
            *caught_up = came_at.max(*caught_up);
        }
    }
    let each = track.lost.iter().enumerate().map(|(n, lost)| Comeback {
        lost: *lost,
        back: back.get(n).copied(),
        caught_up: caught_up.get(n).copied().filter(|at| at.happened()),
    });
    // While streams are opened, nothing can be missed.
    each.filter(|comeback| comeback.lost.started()).collect()
}

fn told(act: Option<&Act>, comebacks: &[(Moment, Comeback)]) -> Recovery {
    let sorted = |of: fn(&Comeback) -> Option<Moment>| {
        let times = comebacks.iter().filter_map(|(from, comeback)| Some(micros(between(*from, of(comeback)?))));
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        times
    };
    let back = sorted(|comeback| comeback.back);
    let caught_up = sorted(|comeback| comeback.caught_up);
    // The time at which so many per cent of all had caught up, if that many did.
    let when = |percent: usize| caught_up.get((comebacks.len() * percent).div_ceil(100) - 1).copied();
    Recovery {
        after: act.map(facts::act),
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
    use super::super::report::document::ActFact;
    use super::*;

    fn of(plan: &Plan, measured: &Measured) -> Recovered {
        recovery(plan, measured, &Due::of(plan, measured))
    }

    fn told(plan: &Plan, measured: &Measured) -> Recovery {
        of(plan, measured).recovery.unwrap()
    }

    fn nearly(times: &Histogram<u64>) -> (u64, u64, u64) {
        // Three digits are kept.
        (times.len(), times.min().div_ceil(1_000), times.max() / 1_000)
    }

    /// Messages each 10 ms to one user; both its streams are cut at 25 ms.
    fn lost() -> (Plan, Measured) {
        let mut plan = plan(2, 1, 10);
        plan.scenario = Scenario::Storm { share: 1.0 };
        let mut measured = all_went_well(&plan);
        measured.tracks.iter_mut().for_each(|track| track.lost = vec![ms(25)]);
        measured.acts = vec![Act { at: ms(25), what: "a storm over 2 of 2 streams".to_owned() }];
        (plan, measured)
    }

    #[test]
    fn nothing_recovers_where_nothing_was_lost() {
        let plan = plan(2, 1, 10);
        let Recovered { recovery, catch_up, never } = of(&plan, &all_went_well(&plan));
        assert_eq!((recovery, catch_up.len(), never), (None, 0, 0));
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
        let Recovered { recovery, catch_up, never } = of(&plan, &measured);
        let expected = Recovery {
            after: Some(ActFact { at_s: 0.025, what: "a storm over 2 of 2 streams".to_owned() }),
            streams: 2,
            back: 2,
            caught_up: 2,
            p50: Some(5_000),
            p99: Some(23_000),
            all: Some(23_000),
            curve: vec![(0, 0, 0), (5_000, 1, 1), (20_000, 2, 1), (23_000, 2, 2)],
        };
        assert_eq!(recovery, Some(expected));
        assert_eq!((nearly(&catch_up), never), ((2, 5, 23), 0));
    }

    #[test]
    fn a_stream_that_misses_one_for_ever_never_catches_up() {
        let (plan, mut measured) = lost();
        measured.tracks.iter_mut().for_each(|track| track.opened.push(ms(45)));
        measured.tracks[0].arrivals.remove(4);
        let recovery = told(&plan, &measured);
        assert_eq!((recovery.back, recovery.caught_up), (2, 1));
        assert_eq!((recovery.p50, recovery.p99, recovery.all), (Some(20_000), None, None));
        let Recovered { catch_up, never, .. } = of(&plan, &measured);
        assert_eq!((catch_up.len(), never), (1, 1));
    }

    #[test]
    fn what_was_not_accepted_before_it_was_back_is_not_waited_for() {
        let (plan, mut measured) = lost();
        measured.tracks.iter_mut().for_each(|track| track.opened.push(ms(45)));
        measured.sent[4].answered = Moment::NEVER;
        measured.tracks[0].arrivals.remove(4);
        measured.tracks[1].arrivals.remove(5);
        assert_eq!(told(&plan, &measured).caught_up, 2);
    }

    #[test]
    fn a_stream_that_did_not_come_back_is_not_back() {
        let (plan, mut measured) = lost();
        measured.tracks[0].opened.push(ms(30));
        let recovery = told(&plan, &measured);
        assert_eq!((recovery.streams, recovery.back, recovery.caught_up), (2, 1, 1));
        assert_eq!((recovery.p50, recovery.all), (Some(5_000), None));
        assert_eq!(recovery.curve, [(0, 0, 0), (5_000, 1, 1)]);
        // One that was lost again came back once, and once it did not.
        measured.tracks[0].lost.push(ms(40));
        assert_eq!(told(&plan, &measured), recovery);
        let Recovered { catch_up, never, .. } = of(&plan, &measured);
        assert_eq!((catch_up.len(), never), (1, 2));
    }

    #[test]
    fn times_are_from_what_was_done_and_an_earlier_loss_is_no_part_of_it() {
        let (plan, mut measured) = lost();
        measured.tracks[0] = Track { lost: vec![ms(0), ms(5), ms(25)], ..measured.tracks[0].clone() };
        measured.tracks[0].opened.extend([ms(0), ms(15), ms(27)]);
        // Each sees it a little later, and is then slow to come back.
        measured.tracks[1].lost = vec![ms(26)];
        measured.tracks[1].opened.push(ms(34));
        let Recovered { recovery, catch_up, .. } = of(&plan, &measured);
        let recovery = recovery.unwrap();
        assert_eq!((recovery.streams, recovery.p50, recovery.all), (2, Some(2_000), Some(9_000)));
        // From each one's own loss; what was lost before the first message is nobody's.
        assert_eq!(nearly(&catch_up), (3, 2, 10));
        measured.tracks.iter_mut().for_each(|track| track.lost.retain(|lost| *lost < ms(25)));
        assert_eq!(of(&plan, &measured).recovery, None);
    }

    #[test]
    fn where_nothing_was_done_at_one_moment_each_loss_counts_from_itself() {
        let (mut plan, mut measured) = lost();
        plan.scenario = Scenario::Steady;
        measured.tracks[0].opened.push(ms(27));
        measured.tracks[1].lost = vec![ms(65), ms(85)];
        measured.tracks[1].opened.extend([ms(68), ms(89)]);
        let Recovered { recovery, catch_up, .. } = of(&plan, &measured);
        let recovery = recovery.unwrap();
        assert_eq!((recovery.after, recovery.streams, recovery.caught_up), (None, 3, 3));
        assert_eq!((recovery.p50, recovery.all), (Some(3_000), Some(4_000)));
        assert_eq!(nearly(&catch_up), (3, 2, 4));
    }

    #[test]
    fn what_a_stream_missed_is_missed_by_one_loss_and_not_by_the_next() {
        let (mut plan, mut measured) = lost();
        plan.scenario = Scenario::Steady;
        measured.tracks[1].lost.clear();
        // 3 was accepted while it was away for the first time, and came only after the second; 7 never came.
        let track = &mut measured.tracks[0];
        track.lost = vec![ms(25), ms(45), ms(65), ms(85)];
        track.opened.extend([ms(35), ms(55), ms(75), ms(87)]);
        track.arrivals[3].at = ms(56);
        track.arrivals.remove(7);
        let Recovered { recovery, catch_up, never } = of(&plan, &measured);
        assert_eq!(recovery.map(|recovery| (recovery.streams, recovery.back, recovery.caught_up)), Some((4, 4, 3)));
        assert_eq!((nearly(&catch_up), never), ((3, 2, 31), 1));
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
