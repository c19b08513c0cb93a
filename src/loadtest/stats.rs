//! From what was measured to the document.

use std::collections::BTreeMap;

use super::due::Due;
use super::latency::latency;
use super::ledger::settle;
use super::recovery::recovery;
use super::report::document::{Document, Environment, Latency, Ledger, PlanFacts, VERSION, Verdict};
use super::verdict::{Rules, verdict};
use super::{Measured, Plan, facts};

/// All that is to be said of a run.
pub fn document(
    plan: &Plan,
    plan_facts: PlanFacts,
    environment: Environment,
    measured: &Measured,
    rules: &Rules,
) -> Document {
    let due = Due::of(plan, measured);
    let settled = settle(plan, measured, &due);
    let recovered = recovery(plan, measured, &due);
    let mut latencies = latencies(measured);
    let more = [("last_receiver", Some(&settled.last_receiver)), ("catch_up", recovered.as_ref().map(|(_, up)| up))];
    latencies.extend(more.into_iter().filter_map(|(name, times)| Some((name.to_owned(), latency(times?)?))));
    let delivered = settled.ledger.delivered;
    let mut document = Document {
        lumen_loadtest: VERSION,
        lumen: env!("CARGO_PKG_VERSION").to_owned(),
        run: plan.run.as_str().to_owned(),
        began_at: format!("{:.3}", jiff::Timestamp::from_millisecond(measured.began_at).unwrap_or_default()),
        verdict: Verdict::Passed,
        reasons: Vec::new(),
        notes: Vec::new(),
        thresholds: Vec::new(),
        plan: plan_facts,
        environment,
        figures: BTreeMap::new(),
        latencies,
        generator: facts::generator(measured, delivered),
        server: measured.server.as_ref().map(|server| facts::server(server, measured, delivered)),
        recovery: recovered.map(|(recovery, _)| recovery),
        acts: facts::acts(&measured.acts),
        seconds: facts::seconds(&measured.seconds),
        refusals: facts::most_frequent(&measured.refusals),
        connect_faults: facts::most_frequent(&measured.not_opened),
        stream_faults: facts::most_frequent(&facts::stream_faults(plan, &measured.tracks)),
        ledger: settled.ledger,
    };
    document.figures = figures(plan, measured, settled.delivered_within, &document);
    document.thresholds = rules.judge(&document.figures);
    document.notes = rules.notes(&document);
    document.notes.extend(facts::held_up(measured));
    (document.verdict, document.reasons) = verdict(&document, measured.interrupted);
    document
}

fn latencies(measured: &Measured) -> BTreeMap<String, Latency> {
    let of = &measured.latencies;
    let all = [
        ("connect", &of.connect),
        ("first_event", &of.first_event),
        ("answer", &of.answer),
        ("delivery", &of.delivery),
        ("slow_delivery", &of.slow_delivery),
        ("send_lag", &of.send_lag),
    ];
    all.into_iter().filter_map(|(name, times)| Some((name.to_owned(), latency(times)?))).collect()
}

/// Every figure that was measured.
fn figures(plan: &Plan, measured: &Measured, delivered_within: u64, document: &Document) -> BTreeMap<String, f64> {
    let mut figures = of_latencies(&document.latencies);
    let mut put = |all: &[(&str, f64)]| figures.extend(all.iter().map(|(name, value)| ((*name).to_owned(), *value)));
    put(&of_ledger(&document.ledger));
    put(&of_streams(plan, measured));
    put(&of_rates(plan, measured, delivered_within));
    put(&[("refused", measured.refusals.values().sum::<u64>() as f64)]);
    put(&[("connect.failed", measured.not_opened.values().sum::<u64>() as f64)]);
    put(&of_processes(document));
    figures
}

fn of_latencies(latencies: &BTreeMap<String, Latency>) -> BTreeMap<String, f64> {
    let parts = |(name, latency): (&String, &Latency)| {
        let values = [
            ("p50", latency.p50 as f64),
            ("p90", latency.p90 as f64),
            ("p99", latency.p99 as f64),
            ("p99.9", latency.p99_9 as f64),
            ("max", latency.max as f64),
            ("mean", latency.mean),
        ];
        values.map(|(part, value)| (format!("{name}.{part}"), value))
    };
    latencies.iter().flat_map(parts).collect()
}

fn of_ledger(ledger: &Ledger) -> [(&'static str, f64); 12] {
    [
        ("sent", ledger.sent),
        ("acknowledged", ledger.acknowledged),
        ("unacknowledged", ledger.unacknowledged),
        ("due", ledger.due),
        ("delivered", ledger.delivered),
        ("late", ledger.late),
        ("lost", ledger.lost),
        ("duplicated", ledger.duplicated),
        ("out_of_order", ledger.out_of_order),
        ("unknown", ledger.unknown),
        ("counts_wrong", ledger.counts_wrong),
        ("resyncs", ledger.resyncs),
    ]
    .map(|(name, count)| (name, count as f64))
}

fn of_streams(plan: &Plan, measured: &Measured) -> [(&'static str, f64); 4] {
    let tracks = &measured.tracks;
    let open = tracks.iter().filter(|track| facts::fault(track).is_none()).count();
    let lost: usize = tracks.iter().map(|track| track.lost.len()).sum();
    let reconnected: usize = tracks.iter().map(|track| track.opened.len().saturating_sub(1)).sum();
    [
        ("streams.open", open as f64),
        ("streams.failed", f64::from(plan.streams) - open as f64),
        ("streams.lost", lost as f64),
        ("streams.reconnected", reconnected as f64),
    ]
}

/// What happened in a second between the end of the warm-up and the last request: what a server that lags delivers
/// later is not in it.
fn of_rates(plan: &Plan, measured: &Measured, delivered_within: u64) -> Vec<(&'static str, f64)> {
    let window = measured.published_for.saturating_sub(plan.warmup).as_secs_f64();
    if window == 0.0 {
        return Vec::new();
    }
    let within = plan.warmup..=measured.published_for;
    let begun = measured.sent.iter().filter(|sent| sent.begun.happened());
    let sent = begun.filter(|sent| within.contains(&sent.begun.since_start())).count();
    vec![("sent_per_s", sent as f64 / window), ("deliveries_per_s", delivered_within as f64 / window)]
}

fn of_processes(document: &Document) -> Vec<(&'static str, f64)> {
    let generator = &document.generator;
    let busiest = generator.busy.values().copied().max_by(f64::total_cmp);
    let mut all = vec![
        ("generator.busy", busiest.map(|share| share * 100.0)),
        ("generator.rss_a_stream", Some(generator.rss_a_stream as f64)),
        ("generator.cpu_us_a_delivery", generator.cpu_us_a_delivery),
    ];
    if let Some(server) = &document.server {
        all.extend([
            ("server.cpu_us_a_delivery", server.cpu_us_a_delivery),
            ("server.rss_a_stream", Some(server.rss_a_stream)),
            ("server.peak_rss", Some(server.peak_rss_bytes as f64)),
            ("server.descriptors", Some(server.peak_descriptors as f64)),
            ("server.cpu", Some(server.cpu_share * 100.0)),
        ]);
    }
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::super::by_hand::{all_went_well, ms, plan};
    use super::super::figures::{figures, find};
    use super::super::measured::{Act, Generator, Second, ServerNow, ServerUse};
    use super::super::report::sample::sample;
    use super::super::tally::record;
    use super::*;

    fn documented(plan: &Plan, measured: &Measured) -> Document {
        let Document { plan: facts, environment, .. } = sample();
        document(plan, facts, environment, measured, &Rules::new(Vec::new(), None))
    }

    fn of(document: &Document, figures: &[&str]) -> Vec<Option<f64>> {
        figures.iter().map(|figure| document.figures.get(*figure).copied()).collect()
    }

    #[test]
    fn a_run_that_went_well_passed() {
        let mut plan = plan(4, 2, 200);
        plan.warmup = Duration::from_secs(1);
        let document = documented(&plan, &all_went_well(&plan));
        assert_eq!((document.verdict, document.reasons.len()), (Verdict::Passed, 0));
        assert_eq!(document.began_at, "2026-11-24T08:00:00.123Z");
        assert_eq!(document.run, plan.run.as_str());
        assert_eq!(
            of(&document, &["delivered", "lost", "streams.open", "streams.failed"]),
            [400.0, 0.0, 4.0, 0.0].map(Some)
        );
        // A second of the two, in which one message each 10 ms is for two streams.
        assert_eq!(of(&document, &["sent_per_s", "deliveries_per_s"]), [100.0, 200.0].map(Some));
        assert_eq!(document.latencies["last_receiver"].count, 100);
        assert_eq!((document.recovery, document.server), (None, None));
        let unmeasured = ["delivery.p99", "catch_up.max", "server.cpu"];
        assert!(unmeasured.iter().all(|figure| !document.figures.contains_key(*figure)));
    }

    #[test]
    fn a_failed_stream_fails_the_run() {
        let plan = plan(4, 2, 200);
        let mut measured = all_went_well(&plan);
        measured.tracks[1].fault = Some("429".to_owned());
        measured.tracks[2].opened.clear();
        measured.tracks.pop();
        let document = documented(&plan, &measured);
        assert_eq!(document.verdict, Verdict::Missed);
        assert_eq!(of(&document, &["streams.open", "streams.failed"]), [1.0, 3.0].map(Some));
        let faults = [("429", 1), ("never opened", 1), ("never tried", 1)];
        assert_eq!(document.stream_faults, faults.map(|(why, count)| (why.to_owned(), count)).into());
    }

    #[test]
    fn lost_streams_are_counted_and_recover() {
        let plan = plan(2, 1, 200);
        let mut measured = all_went_well(&plan);
        measured.tracks[0].lost = vec![ms(500), ms(600)];
        measured.tracks[0].opened.extend([ms(550), ms(650)]);
        measured.acts = vec![Act { at: ms(500), what: "1 stream cut".to_owned() }];
        let document = documented(&plan, &measured);
        assert_eq!(of(&document, &["streams.lost", "streams.reconnected"]), [2.0, 2.0].map(Some));
        assert_eq!(document.recovery.unwrap().caught_up, 1);
        assert_eq!(document.latencies["catch_up"].count, 1);
        assert_eq!((document.acts[0].at_s, document.acts[0].what.as_str()), (0.5, "1 stream cut"));
    }

    #[test]
    fn processes_are_counted_a_stream_and_a_delivery() {
        let plan = plan(4, 2, 200);
        let mut measured = all_went_well(&plan);
        let now = |cpu_us, rss_bytes| ServerNow { cpu_us, rss_bytes, descriptors: 9 };
        measured.published_for = Duration::from_secs(2);
        measured.server = Some(ServerUse {
            before_streams: now(1_000, 10_000),
            all_open: now(9_000, 18_000),
            end: now(1_009_000, 99_000),
            peak_rss_bytes: 100_000,
            peak_descriptors: 77,
        });
        measured.generator = Generator {
            busy: [("a".to_owned(), 0.25), ("b".to_owned(), 0.5)].into(),
            cpu_us: 8_000,
            rss_a_stream: 3_000,
            peak_rss_bytes: 50_000,
        };
        measured.refusals = (0..30).map(|n| (format!("reason {n}"), 1 + n)).collect();
        let document = documented(&plan, &measured);
        let server = ["server.cpu_us_a_delivery", "server.rss_a_stream", "server.peak_rss", "server.descriptors"];
        assert_eq!(of(&document, &server), [2_500.0, 2_000.0, 100_000.0, 77.0].map(Some));
        let generator = ["generator.busy", "generator.rss_a_stream", "generator.cpu_us_a_delivery"];
        assert_eq!(of(&document, &generator), [50.0, 3_000.0, 20.0].map(Some));
        assert_eq!(of(&document, &["server.cpu", "refused"]), [50.0, 465.0].map(Some));
        assert_eq!(document.refusals.len(), 20);
        assert_eq!(document.refusals.values().min(), Some(&11));
    }

    #[test]
    fn a_second_has_the_servers_cpu_since_the_one_before() {
        let plan = plan(1, 1, 10);
        let mut measured = all_went_well(&plan);
        let second = |at_s, cpu_us| Second {
            at_s,
            open: 3,
            server: Some(ServerNow { cpu_us, rss_bytes: 7, descriptors: 1 }),
            ..Second::default()
        };
        measured.seconds = vec![second(-1.0, 100), second(1.0, 500_100), Second { at_s: 2.0, ..Second::default() }];
        let seconds = documented(&plan, &measured).seconds;
        assert_eq!(seconds.iter().map(|second| second.server_cpu).collect::<Vec<_>>(), [None, Some(0.25), None]);
        assert_eq!((seconds[0].at_s, seconds[0].open, seconds[0].server_rss_bytes), (-1.0, 3, Some(7)));
    }

    #[test]
    fn a_run_without_a_delivery_never_passes() {
        let plan = plan(1, 50, 5);
        let measured = all_went_well(&plan);
        assert!(measured.tracks[0].arrivals.is_empty(), "the seed sends nothing to the only stream");
        let document = documented(&plan, &measured);
        assert!(document.thresholds.iter().all(|judged| judged.held));
        assert_eq!(document.verdict, Verdict::Missed);
        assert!(document.reasons[0].starts_with("nothing was delivered: all of 5 messages went to users without"));
    }

    #[test]
    fn an_interrupted_run_is_one() {
        let plan = plan(1, 1, 5);
        let mut measured = all_went_well(&plan);
        measured.interrupted = true;
        assert_eq!(documented(&plan, &measured).verdict, Verdict::Interrupted);
    }

    #[test]
    fn every_figure_comes_from_somewhere_and_no_other_does() {
        let plan = plan(2, 1, 200);
        let mut measured = all_went_well(&plan);
        measured.tracks[0].lost = vec![ms(500)];
        measured.tracks[0].opened.push(ms(550));
        measured.server = Some(ServerUse {
            before_streams: ServerNow::default(),
            all_open: ServerNow::default(),
            end: ServerNow::default(),
            peak_rss_bytes: 1,
            peak_descriptors: 1,
        });
        measured.generator.busy.insert("a".to_owned(), 0.1);
        let of = &mut measured.latencies;
        let times = [
            &mut of.connect,
            &mut of.first_event,
            &mut of.answer,
            &mut of.delivery,
            &mut of.slow_delivery,
            &mut of.send_lag,
        ];
        times.into_iter().for_each(|times| record(times, Duration::from_micros(70)));
        let all: BTreeSet<String> = figures().map(|figure| figure.name).collect();
        assert_eq!(documented(&plan, &measured).figures.into_keys().collect::<BTreeSet<_>>(), all);
        // The sample has no slow readers, and all the rest.
        let sampled: BTreeSet<String> = sample().figures.into_keys().collect();
        let lacking: Vec<&String> = all.difference(&sampled).collect();
        assert!(lacking.iter().all(|figure| figure.starts_with("slow_delivery.")), "{lacking:?}");
        assert!(sampled.iter().all(|figure| find(figure).is_some()));
    }
}
