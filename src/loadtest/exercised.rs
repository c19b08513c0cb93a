//! Whether the scenario took place: on how many streams, and whether those could feel it.

use super::due::Due;
use super::figures::Unit;
use super::measured::{Moment, Track};
use super::scenario::{SLOW_BYTES, Scenario};
use super::{Measured, Plan};

/// What stands around a message's content in its event, at most.
const AROUND_BYTES: usize = 512;

/// How many streams the scenario was done to: those that were lost once it had been, or that read slowly. `None` where it
/// does nothing to any.
pub fn streams(plan: &Plan, measured: &Measured) -> Option<u64> {
    let lost_from =
        |from: Moment| count(measured, |track| track.lost.iter().any(|lost| *lost >= from && lost.started()));
    match plan.scenario {
        Scenario::Steady => None,
        Scenario::Slow { .. } => Some(count(measured, |track| track.slow)),
        Scenario::Expire { .. } => Some(lost_from(Moment::START)),
        Scenario::Storm { .. } | Scenario::Deploy | Scenario::Crash => {
            Some(measured.acts.first().map_or(0, |act| lost_from(act.at)))
        }
    }
}

/// What a reader should know where the scenario was done to few of those that it was meant for, or could not be felt.
pub fn note(plan: &Plan, measured: &Measured, due: &Due) -> Option<String> {
    let done_to = streams(plan, measured).filter(|streams| *streams > 0)?;
    match plan.scenario {
        Scenario::Expire { .. } if done_to < u64::from(plan.streams) => {
            Some(format!("{done_to} of {} streams were ended in the midst of the run", plan.streams))
        }
        Scenario::Slow { .. } => not_behind(plan, measured, due),
        _ => None,
    }
}

/// Slow readers on which less was due than they read were never behind.
fn not_behind(plan: &Plan, measured: &Measured, due: &Due) -> Option<String> {
    let slow = (0..plan.streams).zip(&measured.tracks).filter(|(_, track)| track.slow);
    let most = slow.map(|(stream, _)| due.to(plan.user_of(stream)).len()).max()?;
    let bytes = most * (plan.payload_bytes + AROUND_BYTES);
    let a_second = bytes as f64 / measured.window(plan).end().as_secs_f64().max(1.0);
    (a_second <= SLOW_BYTES as f64).then(|| {
        format!(
            "slow readers were hardly behind: at most {} a second was due on one of them, and each reads {}: take a \
             higher --rate, a larger --payload-bytes or fewer --users",
            Unit::Bytes.shown(a_second),
            Unit::Bytes.shown(SLOW_BYTES as f64)
        )
    })
}

fn count(measured: &Measured, is: impl Fn(&Track) -> bool) -> u64 {
    measured.tracks.iter().filter(|track| is(track)).count() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::by_hand::{all_went_well, ms, plan};
    use super::super::measured::Act;
    use super::*;

    const TTL: Duration = Duration::from_secs(2);

    fn of(scenario: Scenario, spoil: impl Fn(&mut Measured)) -> (Option<u64>, Option<String>) {
        let plan = Plan { scenario, ..plan(4, 2, 200) };
        let mut measured = all_went_well(&plan);
        spoil(&mut measured);
        (streams(&plan, &measured), note(&plan, &measured, &Due::of(&plan, &measured)))
    }

    fn lose(at: u64) -> impl Fn(&mut Measured) {
        move |measured| {
            measured.acts = vec![Act { at: ms(500), what: "done".to_owned() }];
            measured.tracks[1].lost = vec![ms(0), ms(at), ms(at)];
        }
    }

    #[test]
    fn a_scenario_took_place_on_those_that_were_lost_once_it_was_done() {
        assert_eq!(of(Scenario::Steady, lose(500)), (None, None));
        for scenario in [Scenario::Storm { share: 0.3 }, Scenario::Deploy, Scenario::Crash] {
            assert_eq!(of(scenario, lose(500)), (Some(1), None));
            assert_eq!(of(scenario, lose(499)), (Some(0), None));
            assert_eq!(of(scenario, |_| {}), (Some(0), None), "it was not done");
        }
    }

    #[test]
    fn tokens_end_at_any_time_and_it_is_told_for_how_many() {
        let expire = Scenario::Expire { ttl: TTL };
        let note = "1 of 4 streams were ended in the midst of the run".to_owned();
        assert_eq!(of(expire, lose(70)), (Some(1), Some(note)));
        assert_eq!(of(expire, lose(0)), (Some(0), None), "before the first message");
        let all = |measured: &mut Measured| measured.tracks.iter_mut().for_each(|track| track.lost = vec![ms(70)]);
        assert_eq!(of(expire, all), (Some(4), None));
    }

    #[test]
    fn slow_readers_that_have_little_to_read_are_no_slow_ones() {
        let slow = Scenario::Slow { share: 0.3 };
        let one = |measured: &mut Measured| measured.tracks[0].slow = true;
        assert_eq!(of(slow, |_| {}), (Some(0), None));
        // A hundred messages in two seconds, of 64 bytes each and what stands around them.
        assert_eq!(of(slow, one), (Some(1), None));
        let few = |measured: &mut Measured| {
            one(measured);
            measured.sent.truncate(7);
        };
        let (streams, note) = of(slow, few);
        let note = note.unwrap();
        assert!(
            streams == Some(1) && note.starts_with("slow readers were hardly behind: at most 864 B a second"),
            "{note}"
        );
    }
}
