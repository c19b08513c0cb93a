//! From what was measured to the document.

use std::collections::BTreeMap;

use super::due::Due;
use super::latency::latency;
use super::ledger::count;
use super::recovery::recovery;
use super::report::document::{Document, Environment, Latency, Ledger, PlanFacts, Recovery, VERSION, Verdict};
use super::verdict::{Rules, verdict};
use super::{Measured, Plan, exercised, facts};

/// All that is to be said of a run.
pub fn document(
    plan: &Plan,
    plan_facts: PlanFacts,
    environment: Environment,
    measured: &Measured,
    rules: &Rules,
) -> Document {
    let due = Due::of(plan, measured);
    let counted = count(plan, measured, &due);
    let recovered = recovery(plan, measured, &due);
    let mut latencies = latencies(measured);
    let more = [("last_receiver", &counted.last_receiver, 0), ("catch_up", &recovered.catch_up, recovered.never)];
    latencies
        .extend(more.into_iter().filter_map(|(name, times, never)| Some((name.to_owned(), latency(times, never)?))));
    let delivered = counted.ledger.delivered;
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
        recovery: recovered.recovery,
        acts: facts::acts(plan, measured),
        seconds: facts::seconds(&measured.seconds),
        refusals: facts::most_frequent(&measured.refusals),
        connect_faults: facts::most_frequent(&measured.in_vain),
        stream_faults: facts::most_frequent(&facts::stream_faults(plan, &measured.tracks)),
        ledger: counted.ledger,
    };
    document.figures = figures(plan, measured, counted.delivered_within, &document);
    document.thresholds = rules.judge(&document.figures);
    document.notes = rules.notes(&document).into_iter().chain(facts::notes(measured)).collect();
    document.notes.extend(exercised::note(plan, measured, &due));
    document.notes.extend(facts::held_up(measured));
    document.notes.extend(facts::left_out(&document.plan));
    document.notes.extend(facts::little_cpu(&document, measured));
    (document.verdict, document.reasons) = verdict(&document, measured.interrupted);
    if let Some(gone) = &measured.server_gone {
        // A run that lost its own server is no success, whatever its thresholds say.
        document.verdict = if measured.interrupted { Verdict::Interrupted } else { Verdict::Missed };
        document.reasons.insert(usize::from(measured.interrupted), gone.clone());
    }
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
    all.into_iter().filter_map(|(name, times)| Some((name.to_owned(), latency(times, 0)?))).collect()
}

/// Every figure that was measured.
fn figures(plan: &Plan, measured: &Measured, delivered_within: u64, document: &Document) -> BTreeMap<String, f64> {
    let mut figures = of_latencies(&document.latencies);
    let mut put = |all: &[(&str, f64)]| figures.extend(all.iter().map(|(name, value)| ((*name).to_owned(), *value)));
    put(&of_ledger(&document.ledger));
    if document.plan.tells_counts() {
        put(&[("counts_wrong", document.ledger.counts_wrong as f64), ("resyncs", document.ledger.resyncs as f64)]);
    }
    put(&of_streams(plan, measured));
    put(&of_rates(plan, measured, delivered_within));
    put(&[("refused", measured.refusals.values().sum::<u64>() as f64)]);
    put(&of_recovery(document.recovery.as_ref()));
    put(&[("connect.failed", measured.in_vain.values().sum::<u64>() as f64)]);
    put(&of_processes(document));
    figures
}

fn of_latencies(latencies: &BTreeMap<String, Latency>) -> BTreeMap<String, f64> {
    let parts = |(name, latency): (&String, &Latency)| {
        latency.figures().map(|(part, value)| (format!("{name}.{part}"), value)).collect::<Vec<_>>()
    };
    latencies.iter().flat_map(parts).collect()
}

/// When so many of the lost streams had caught up, where so many did.
fn of_recovery(recovery: Option<&Recovery>) -> Vec<(&'static str, f64)> {
    let times = recovery.map(|recovery| {
        [("recovery.p50", recovery.p50), ("recovery.p99", recovery.p99), ("recovery.all", recovery.all)]
    });
    times.into_iter().flatten().filter_map(|(name, time)| Some((name, time? as f64))).collect()
}

fn of_ledger(ledger: &Ledger) -> [(&'static str, f64); 10] {
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
    ]
    .map(|(name, count)| (name, count as f64))
}

fn of_streams(plan: &Plan, measured: &Measured) -> Vec<(&'static str, f64)> {
    let tracks = &measured.tracks;
    let open = tracks.iter().filter(|track| facts::fault(track).is_none()).count();
    let lost: usize = tracks.iter().map(|track| track.lost.len()).sum();
    let reconnected: usize = tracks.iter().map(|track| track.opened.len().saturating_sub(1)).sum();
    let mut all = vec![
        ("streams.open", open as f64),
        ("streams.failed", f64::from(plan.streams) - open as f64),
        ("streams.lost", lost as f64),
        ("streams.reconnected", reconnected as f64),
    ];
    all.extend(exercised::streams(plan, measured).map(|streams| ("streams.disturbed", streams as f64)));
    all
}

/// What happened in a second of [`Measured::window`]: what a server that lags delivers later is not in it.
fn of_rates(plan: &Plan, measured: &Measured, delivered_within: u64) -> Vec<(&'static str, f64)> {
    let within = measured.window(plan);
    let window = within.end().saturating_sub(*within.start()).as_secs_f64();
    if window == 0.0 {
        return Vec::new();
    }
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
            ("server.rss_a_stream", server.rss_a_stream),
            ("server.peak_rss", Some(server.peak_rss_bytes as f64)),
            ("server.descriptors", server.peak_descriptors.map(|descriptors| descriptors as f64)),
            ("server.cpu", server.cpu_share.map(|share| share * 100.0)),
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
    use super::super::scenario::Scenario;
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
    fn a_run_that_lost_its_own_server_is_missed_and_says_so_first() {
        let plan = plan(4, 2, 20);
        let mut measured = all_went_well(&plan);
        measured.server_gone = Some("the server ended by itself".to_owned());
        let missed = documented(&plan, &measured);
        assert_eq!((missed.verdict, missed.reasons), (Verdict::Missed, vec!["the server ended by itself".to_owned()]));
        measured.interrupted = true;
        let interrupted = documented(&plan, &measured);
        assert_eq!(interrupted.verdict, Verdict::Interrupted);
        assert_eq!(interrupted.reasons[1..], ["the server ended by itself".to_owned()]);
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
        let mut plan = plan(2, 1, 200);
        plan.scenario = Scenario::Storm { share: 0.5 };
        let mut measured = all_went_well(&plan);
        measured.tracks[0].lost = vec![ms(500), ms(600)];
        measured.tracks[0].opened.extend([ms(550), ms(650)]);
        measured.acts = vec![Act { at: ms(500), what: "1 stream cut".to_owned() }];
        let document = documented(&plan, &measured);
        assert_eq!(of(&document, &["streams.lost", "streams.reconnected"]), [2.0, 2.0].map(Some));
        let times = ["recovery.p50", "recovery.all", "catch_up.max", "catch_up.mean"];
        assert!(
            of(&document, &times).iter().all(|time| time.is_some_and(|time| (time / 50_000.0 - 1.0).abs() < 0.001))
        );
        assert_eq!(document.recovery.unwrap().caught_up, 1);
        assert_eq!(document.latencies["catch_up"].count, 2);
        assert_eq!((document.acts[0].at_s, document.acts[0].what.as_str()), (0.5, "1 stream cut"));
    }

    #[test]
    fn a_stream_that_never_caught_up_has_no_time_that_could_be_bounded() {
        let plan = plan(20, 1, 200);
        let mut measured = all_went_well(&plan);
        for track in &mut measured.tracks {
            (track.lost, track.opened) = (vec![ms(500)], vec![ms(0), ms(550)]);
        }
        measured.tracks[7].opened.pop();
        let bounds = ["catch_up.max<1h", "catch_up.p99<1h", "catch_up.p90<1h", "recovery.p50<1s", "recovery.all<1s"];
        let bounds = bounds.map(|bound| bound.replace("1h", "60m").parse().unwrap());
        let Document { plan: facts, environment, .. } = sample();
        let document = document(&plan, facts, environment, &measured, &Rules::new(bounds.to_vec(), None));
        let held: Vec<bool> = document.thresholds[..5].iter().map(|judged| judged.held).collect();
        assert_eq!(held, [false, false, true, true, false]);
        let latency = &document.latencies["catch_up"];
        assert_eq!((latency.count, latency.never), (19, 1));
    }

    #[test]
    fn processes_are_counted_a_stream_and_a_delivery() {
        let plan = plan(4, 2, 200);
        let mut measured = all_went_well(&plan);
        let now = |cpu_us, rss_bytes| Some(ServerNow { cpu_us, rss_bytes, descriptors: Some(9) });
        measured.published_for = Duration::from_secs(2);
        measured.server = Some(ServerUse {
            before_streams: now(1_000, 10_000),
            all_open: now(9_000, 18_000),
            published: now(809_000, 77_000),
            end: now(1_009_000, 99_000),
            peak_rss_bytes: 100_000,
            peak_descriptors: Some(77),
        });
        measured.generator = Generator {
            busy: [("a".to_owned(), 0.25), ("b".to_owned(), 0.5)].into(),
            unseen: Vec::new(),
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
        // What it took afterwards is a part of its deliveries' time, and not of the two seconds.
        assert_eq!(of(&document, &["server.cpu", "refused"]), [40.0, 465.0].map(Some));
        assert_eq!(document.refusals.len(), 20);
        assert_eq!(document.refusals.values().min(), Some(&11));
    }

    #[test]
    fn what_was_not_seen_of_a_server_is_no_figure_and_no_bound_on_it_holds() {
        let plan = plan(4, 2, 200);
        let mut measured = all_went_well(&plan);
        let now = Some(ServerNow { cpu_us: 70, rss_bytes: 90, descriptors: None });
        let end = now.map(|now| ServerNow { cpu_us: 60_000, ..now });
        let server = ServerUse { before_streams: now, all_open: now, published: now, end, ..Default::default() };
        let figures = ["server.cpu_us_a_delivery", "server.cpu", "server.rss_a_stream", "server.descriptors"];
        let told = |server: ServerUse, measured: &mut Measured| {
            measured.server = Some(ServerUse { peak_rss_bytes: 90, ..server });
            let bounds = figures.map(|figure| format!("{figure}<9{}", if figure.ends_with("y") { "ms" } else { "" }));
            let rules = Rules::new(bounds.map(|bound| bound.parse().unwrap()).to_vec(), None);
            let Document { plan: facts, environment, .. } = sample();
            let document = document(&plan, facts, environment, measured, &rules);
            let why = document.notes.iter().any(|note| note.contains("hundredths of a second"));
            assert_eq!(why, !document.thresholds[0].held && measured.server.is_some_and(|server| server.end == now));
            [0, 1, 2, 3].map(|n| document.thresholds[n].held)
        };
        assert_eq!(told(server, &mut measured), [true, true, true, false]);
        let little = ServerUse { end: now, ..server };
        assert_eq!(told(little, &mut measured), [false, true, true, false], "too little to be counted");
        assert_eq!(
            told(ServerUse { end: None, ..server }, &mut measured),
            [false, true, true, false],
            "gone at the end"
        );
        let before = ServerUse { published: None, end: None, ..server };
        assert_eq!(told(before, &mut measured), [false, false, true, false], "gone before");
        let unseen = ServerUse { before_streams: None, ..server };
        assert_eq!(told(unseen, &mut measured), [true, true, false, false], "not there at first");
        assert_eq!(told(ServerUse::default(), &mut measured), [false; 4]);
        measured.published_for = Duration::from_millis(499);
        assert_eq!(told(server, &mut measured), [true, false, true, false], "too short for a share");
    }

    #[test]
    fn rates_are_of_the_plans_time_and_not_of_the_tick_that_ended_it() {
        let plan = plan(1, 1, 123);
        let mut measured = all_went_well(&plan);
        measured.published_for = Duration::from_millis(1_300);
        // The last message, of 1.22 s, is there at 1.222 s.
        let rates = ["sent_per_s", "deliveries_per_s"];
        assert_eq!(of(&documented(&plan, &measured), &rates), [100.0, 100.0].map(Some));
        measured.published_for = Duration::from_millis(1_000);
        assert_eq!(of(&documented(&plan, &measured), &rates), [101.0, 100.0].map(Some), "interrupted");
    }

    #[test]
    fn a_generator_whose_threads_were_not_seen_is_told() {
        let plan = plan(1, 1, 100);
        let mut measured = all_went_well(&plan);
        measured.generator.busy.insert("pacer".to_owned(), 0.1);
        assert_eq!(documented(&plan, &measured).notes, [""; 0]);
        measured.generator.unseen = vec!["reader-0".to_owned(), "publisher".to_owned()];
        let notes = documented(&plan, &measured).notes;
        assert!(notes.len() == 1 && notes[0].contains("(reader-0, publisher)"), "{notes:?}");
        measured.published_for = Duration::from_millis(80);
        (measured.generator.unseen, measured.generator.busy) = Default::default();
        let document = documented(&plan, &measured);
        assert!(document.notes.len() == 1 && document.notes[0].contains("80 ms"), "{:?}", document.notes);
        assert_eq!(of(&document, &["generator.busy"]), [None]);
    }

    #[test]
    fn a_second_has_the_servers_cpu_since_the_one_before() {
        let plan = plan(1, 1, 10);
        let mut measured = all_went_well(&plan);
        let second = |at_s, cpu_us| Second {
            at_s,
            open: 3,
            server: Some(ServerNow { cpu_us, rss_bytes: 7, descriptors: Some(1) }),
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
    fn a_scenario_that_took_place_on_no_stream_never_passes() {
        let mut plan = plan(4, 2, 200);
        plan.scenario = Scenario::Expire { ttl: Duration::from_secs(1) };
        let mut measured = all_went_well(&plan);
        let document = documented(&plan, &measured);
        assert!(document.thresholds.iter().all(|judged| judged.held));
        assert_eq!(document.verdict, Verdict::Missed);
        assert_eq!(of(&document, &["streams.disturbed"]), [Some(0.0)]);
        measured.tracks[1].lost = vec![ms(1_200)];
        measured.tracks[1].opened.push(ms(1_210));
        let document = documented(&plan, &measured);
        assert_eq!((document.verdict, document.notes.len()), (Verdict::Passed, 1));
        let acts = document.acts.iter().map(|act| (act.at_s, act.what.as_str()));
        assert_eq!(acts.collect::<Vec<_>>(), [(1.2, "the first stream was lost")]);
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
        let mut plan = plan(2, 1, 200);
        plan.scenario = Scenario::Expire { ttl: Duration::from_secs(1) };
        let mut measured = all_went_well(&plan);
        measured.tracks[0].lost = vec![ms(500)];
        measured.tracks[0].opened.push(ms(550));
        let now = Some(ServerNow::default());
        measured.server = Some(ServerUse {
            before_streams: now,
            all_open: now,
            published: now,
            end: now.map(|now| ServerNow { cpu_us: now.cpu_us + 60_000, ..now }),
            peak_rss_bytes: 1,
            peak_descriptors: Some(1),
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
        // The sample has no slow readers and two streams that never caught up, and all the rest.
        let sampled: BTreeSet<String> = sample().figures.into_keys().collect();
        let lacking: Vec<&String> = all.difference(&sampled).collect();
        let never = ["catch_up.max", "catch_up.mean", "catch_up.p99.9", "recovery.all"];
        let (slow, others): (Vec<&String>, Vec<&String>) =
            lacking.into_iter().partition(|figure| figure.starts_with("slow_delivery."));
        assert_eq!((slow.len(), others), (6, never.map(str::to_owned).iter().collect()));
        assert!(sampled.iter().all(|figure| find(figure).is_some()));
    }
}
