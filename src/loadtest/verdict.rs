//! Whether a run was good enough, and if not, why.

use std::collections::BTreeMap;

use super::compare::Comparison;
use super::figures::shown;
use super::report::document::{Document, Judged, Verdict};
use super::threshold::{Threshold, reason, with_defaults};

/// A send lag under this says nothing of a generator: the kernel's own timers are as late.
const LAG_US: f64 = 1_000.0;

/// The share of a delivery's time from which its send lag distorts it.
const LAG_SHARE: f64 = 0.2;

/// A thread that has a CPU for so much of the time keeps work waiting.
const BUSY: f64 = 0.9;

/// A thread that has a CPU for less is not what keeps work waiting.
const IDLE: f64 = 0.5;

/// The share of the messages from which a server counts as one that leaves them without an answer.
const UNANSWERED: f64 = 0.1;

/// Of fewer messages than this fewer than ten make the 99th percentile.
const FEW: u64 = 1_000;

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    thresholds: Vec<Threshold>,
    comparison: Option<Comparison>,
}

impl Rules {
    /// The given thresholds, the defaults that they do not replace, and a comparison.
    pub fn new(given: Vec<Threshold>, comparison: Option<Comparison>) -> Self {
        Self { thresholds: with_defaults(given), comparison }
    }

    pub fn judge(&self, figures: &BTreeMap<String, f64>) -> Vec<Judged> {
        let asked = self.thresholds.iter().filter(|threshold| threshold.is_asked_of(figures));
        let thresholds = asked.map(|threshold| threshold.judge(figures));
        let compared = self.comparison.iter().flat_map(|comparison| comparison.judge(figures));
        thresholds.chain(compared).collect()
    }

    /// What a reader should know of the comparison.
    pub fn notes(&self, document: &Document) -> Vec<String> {
        self.comparison.iter().flat_map(|comparison| comparison.notes(document)).collect()
    }
}

/// The verdict on a document that has all but this, and why it is not `passed`.
pub fn verdict(document: &Document, interrupted: bool) -> (Verdict, Vec<String>) {
    let early = interrupted.then(|| {
        let (sent, planned) = (document.ledger.sent, document.plan.messages);
        format!("it was interrupted when {sent} of {planned} messages were sent: what had not come soon after counts as lost")
    });
    // What was interrupted may not have come to it.
    let undone = not_exercised(document).filter(|_| !interrupted);
    let mut missed: Vec<String> = nothing_delivered(document).into_iter().chain(undone).collect();
    missed.extend(document.thresholds.iter().filter(|judged| !judged.held).map(reason));
    // It never keeps a run from being void, but explains no missed one.
    let lagged = lagged(document).filter(|_| missed.is_empty() || !leaves_unanswered(document));
    let void: Vec<String> = lagged.into_iter().chain(busy(document)).collect();
    let verdict = match (&early, missed.is_empty(), void.is_empty()) {
        (Some(_), _, _) => Verdict::Interrupted,
        (None, false, _) => Verdict::Missed,
        (None, true, false) => Verdict::Void,
        (None, true, true) => Verdict::Passed,
    };
    (verdict, early.into_iter().chain(missed).chain(void).collect())
}

/// A run that delivered nothing proves nothing, whatever its thresholds say.
fn nothing_delivered(document: &Document) -> Option<String> {
    let Document { ledger, plan, .. } = document;
    if ledger.delivered > 0 || plan.streams == 0 {
        return None;
    }
    let why = match (ledger.sent, ledger.acknowledged, ledger.due) {
        (0, ..) => "no message was sent".to_owned(),
        (sent, 0, _) => format!("none of {sent} messages was accepted{}", most_refused(document)),
        (_, accepted, 0) => {
            let (users, streams) = (plan.users, plan.streams);
            format!(
                "all of {accepted} messages went to users without a stream ({users} users, {streams} streams): take \
                 fewer --users"
            )
        }
        (.., due) => format!("all of {due} deliveries that were due are missing"),
    };
    Some(format!("nothing was delivered: {why}"))
}

/// Why most of them were not, and what helps where that is known.
fn most_refused(document: &Document) -> String {
    let most = document.refusals.iter().max_by_key(|(_, times)| **times);
    most.map_or_else(String::new, |(why, times)| {
        let cure = match why.get(..3) {
            Some("401" | "403") => "; what publishes is let in by --token-file or LUMEN_TOKEN, and by lumen's key",
            Some("413") => "; take fewer --payload-bytes, or a smaller --audience",
            _ => "",
        };
        format!(" ({times} × {why}{cure})")
    })
}

/// A scenario that was done to no stream proves nothing either.
fn not_exercised(document: &Document) -> Option<String> {
    let undone = document.figures.get("streams.disturbed").is_some_and(|streams| *streams == 0.0);
    let why = match document.plan.scenario.as_str() {
        "storm" => "no stream was cut, since none of those that were to be was open then",
        "slow" => "no stream read slowly",
        "expire" => "no stream was ended when its token was to end: the server takes no notice of that",
        _ => "no stream was lost when the server ended",
    };
    undone.then(|| format!("the scenario '{}' did not take place: {why}", document.plan.scenario))
}

/// Whether the server left so many messages without an answer that a lag, held against those that it answered, explains
/// nothing.
fn leaves_unanswered(document: &Document) -> bool {
    document.ledger.unacknowledged as f64 > document.ledger.sent as f64 * UNANSWERED
}

fn lagged(document: &Document) -> Option<String> {
    let figure = |name: &str| document.figures.get(name).copied();
    let (lag, delivery) = (figure("send_lag.p99")?, figure("delivery.p99")?);
    (lag > LAG_US && lag > delivery * LAG_SHARE).then(|| {
        let (lag, delivery) = (shown("send_lag.p99", lag), shown("delivery.p99", delivery));
        format!(
            "requests began late: send_lag.p99 is {lag}, over 1 ms and over a fifth of delivery.p99, {delivery}; {}",
            why_late(document)
        )
    })
}

/// A generator that had little to do was late because the machine gave it no time.
fn why_late(document: &Document) -> String {
    let busiest = document.generator.busy.values().copied().max_by(f64::total_cmp);
    match (busiest, document.latencies.get("send_lag")) {
        (Some(busiest), Some(lags)) if busiest < IDLE => {
            let (busiest, few) = (shown("generator.busy", (busiest * 100.0).round()), lags.count < FEW);
            let of_few =
                if few { format!(", or longer: of {} messages a few decide", lags.count) } else { String::new() };
            let bursts = document.plan.replay.as_ref().map_or("", |_| ", or messages came in bursts");
            format!(
                "the generator had little to do (its busiest thread {busiest} of the time), so something else kept this \
                 machine from it{bursts}: run it again, with the machine to itself{of_few}"
            )
        }
        _ => {
            "the figures are the generator's as much as the server's: take a lower --rate, fewer --streams or another \
              machine"
                .to_owned()
        }
    }
}

fn busy(document: &Document) -> Option<String> {
    let (name, share) = document.generator.busy.iter().max_by(|one, other| one.1.total_cmp(other.1))?;
    (*share > BUSY).then(|| {
        let share = shown("generator.busy", share * 100.0);
        format!(
            "the generator had no time left: its thread '{name}' was busy for {share} of the time, over 90 %; the \
             figures are the generator's as much as the server's: take more --threads where there are cores, fewer \
             --streams, a lower --rate or another machine"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::document::Source;
    use super::super::report::sample::sample;
    use super::*;

    /// Everything held, and the generator had time.
    fn good() -> Document {
        let mut document = sample();
        document.thresholds.retain(|judged| judged.held);
        document
    }

    fn missed() -> Judged {
        "lost=0".parse::<Threshold>().unwrap().judge(&BTreeMap::from([("lost".to_owned(), 3.0)]))
    }

    fn with(change: impl Fn(&mut Document)) -> (Verdict, Vec<String>) {
        let mut document = good();
        change(&mut document);
        verdict(&document, false)
    }

    fn void(document: &mut Document) {
        document.generator.busy.insert("reader 1".to_owned(), 0.97);
    }

    #[test]
    fn it_passed_where_every_threshold_held() {
        assert_eq!(with(|_| ()), (Verdict::Passed, Vec::new()));
    }

    #[test]
    fn interrupted_goes_before_missed_and_missed_before_void() {
        let mut document = good();
        void(&mut document);
        assert_eq!(verdict(&document, false).0, Verdict::Void);
        document.thresholds.push(missed());
        assert_eq!(verdict(&document, false).0, Verdict::Missed);
        let (verdict, reasons) = verdict(&document, true);
        assert_eq!(verdict, Verdict::Interrupted);
        assert!(reasons[0].starts_with("it was interrupted when 15000 of 15000 messages were sent"), "{reasons:?}");
        assert_eq!(reasons[1], "lost is 3, and was to be 0 (--threshold 'lost=0')");
        assert!(reasons[2].starts_with("the generator had no time left"), "{reasons:?}");
    }

    #[test]
    fn a_thread_without_time_voids() {
        let (verdict, reasons) = with(void);
        assert_eq!(verdict, Verdict::Void);
        let begins = "the generator had no time left: its thread 'reader 1' was busy for 97 % of the time, over 90 %";
        assert!(reasons[0].starts_with(begins), "{reasons:?}");
        let edge = with(|document| document.generator.busy = [("reader".to_owned(), 0.9)].into());
        assert_eq!(edge.0, Verdict::Passed);
    }

    #[test]
    fn a_lag_voids_where_it_is_long_and_a_part_of_what_is_measured() {
        let lag = |lag: f64, delivery: f64| {
            let figures = [("send_lag.p99".to_owned(), lag), ("delivery.p99".to_owned(), delivery)];
            with(|document| document.figures.extend(figures.clone()))
        };
        assert_eq!(lag(1_000.0, 2_000.0).0, Verdict::Passed, "no longer than a timer is late");
        assert_eq!(lag(1_001.0, 5_005.0).0, Verdict::Passed, "a fifth of it");
        let (verdict, reasons) = lag(3_100.0, 9_000.0);
        assert_eq!(verdict, Verdict::Void);
        let begins = "requests began late: send_lag.p99 is 3.1 ms, over 1 ms and over a fifth of delivery.p99, 9 ms";
        assert!(reasons[0].starts_with(begins), "{reasons:?}");
    }

    #[test]
    fn messages_that_nobody_took_are_told_with_what_helps() {
        let told = |why: &str| {
            with(|document| {
                (document.ledger.sent, document.ledger.acknowledged, document.ledger.delivered) = (5, 0, 0);
                document.refusals = [(why.to_owned(), 5)].into();
            })
            .1
            .concat()
        };
        assert!(told("401 Unauthorized").contains("(5 × 401 Unauthorized; what publishes is let in by --token-file"));
        assert!(told("413 Too Large").contains("take fewer --payload-bytes"));
        assert!(told("ö").ends_with("(5 × ö)"));
    }

    #[test]
    fn a_lag_beside_a_server_that_does_not_answer_explains_no_missed_run_and_voids_one_that_is_not() {
        let lagged = |document: &mut Document| {
            document.figures.extend([("send_lag.p99".to_owned(), 3_100.0), ("delivery.p99".to_owned(), 9_000.0)]);
            (document.ledger.sent, document.ledger.unacknowledged) = (1_000, 101);
        };
        assert_eq!(with(lagged).0, Verdict::Void);
        let (verdict, reasons) = with(|document| {
            lagged(document);
            document.thresholds.push(missed());
        });
        assert_eq!((verdict, reasons.len()), (Verdict::Missed, 1), "{reasons:?}");
    }

    #[test]
    fn whoever_is_late_without_being_busy_is_told_so() {
        let late = |busy: f64, messages: u64| {
            let (_, reasons) = with(|document| {
                document.figures.extend([("send_lag.p99".to_owned(), 3_100.0), ("delivery.p99".to_owned(), 9_000.0)]);
                document.generator.busy = [("reader".to_owned(), busy)].into();
                document.latencies.get_mut("send_lag").unwrap().count = messages;
            });
            reasons.concat()
        };
        assert!(late(0.6, 5_000).ends_with("take a lower --rate, fewer --streams or another machine"));
        let told = late(0.012, 5_000);
        assert!(told.contains("its busiest thread 1 % of the time") && told.ends_with("to itself"), "{told}");
        assert!(late(0.012, 99).ends_with("with the machine to itself, or longer: of 99 messages a few decide"));
    }

    #[test]
    fn a_run_that_delivered_nothing_is_missed_whatever_was_asked() {
        let nothing = |sent, acknowledged, due| {
            let (verdict, reasons) = with(|document| {
                let ledger = &mut document.ledger;
                (ledger.sent, ledger.acknowledged, ledger.due, ledger.delivered) = (sent, acknowledged, due, 0);
            });
            assert_eq!(verdict, Verdict::Missed);
            reasons.join("\n")
        };
        assert_eq!(nothing(0, 0, 0), "nothing was delivered: no message was sent");
        assert_eq!(nothing(5, 0, 0), "nothing was delivered: none of 5 messages was accepted (12 × 503 busy)");
        let away = "nothing was delivered: all of 5 messages went to users without a stream (5000 users, 5000 streams): \
                    take fewer --users";
        assert_eq!(nothing(5, 5, 0), away);
        assert_eq!(nothing(5, 5, 7), "nothing was delivered: all of 7 deliveries that were due are missing");
    }

    #[test]
    fn a_scenario_that_was_done_to_nobody_is_missed_whatever_was_asked() {
        for (scenario, told) in
            [("storm", "cut"), ("slow", "read slowly"), ("expire", "token"), ("crash", "server ended")]
        {
            let change = |document: &mut Document| {
                document.plan.scenario = scenario.to_owned();
                document.figures.insert("streams.disturbed".to_owned(), 0.0);
            };
            let (is, reasons) = with(change);
            assert_eq!(is, Verdict::Missed);
            let begins = format!("the scenario '{scenario}' did not take place: no stream ");
            assert!(reasons.len() == 1 && reasons[0].starts_with(&begins) && reasons[0].contains(told), "{reasons:?}");
            let mut early = good();
            change(&mut early);
            assert_eq!(verdict(&early, true).1.len(), 1, "it may not have come to it");
        }
        let none = with(|document| document.figures.retain(|name, _| name != "streams.disturbed"));
        assert_eq!(none.0, Verdict::Passed);
    }

    #[test]
    fn rules_are_the_given_the_defaults_and_the_comparison() {
        let base = super::super::compare::Base::read(&serde_json::to_vec(&sample()).unwrap()).unwrap();
        let comparison = Comparison::new(base, vec!["delivery.p99=10%".parse().unwrap()]).unwrap();
        let rules = Rules::new(vec!["delivery.p50<1s".parse().unwrap()], Some(comparison));
        let sources: Vec<Source> = rules.judge(&sample().figures).iter().map(|judged| judged.source).collect();
        assert_eq!((sources.len(), sources[0], sources[1], sources[8]), {
            (9, Source::Given, Source::Default, Source::Comparison)
        });
        let mut other = sample();
        other.plan.mode = "fanout".to_owned();
        assert_eq!(rules.notes(&other)[1..], ["mode: unicast in the base, fanout here"]);
    }
}
