//! A document in which everything is there, for tests of what is made of one.

use std::collections::BTreeMap;

use super::document::{
    ActFact, Document, Environment, GeneratorFacts, Judged, Latency, Ledger, PlanFacts, Recovery, SecondFacts,
    ServerFacts, Source, VERSION, Verdict,
};

const CUT_S: f64 = 15.0;

/// A storm over 5,000 streams of a spawned server, with losses, thresholds held and missed, and a comparison.
pub fn sample() -> Document {
    let latencies = latencies();
    Document {
        lumen_loadtest: VERSION,
        lumen: "0.1.0".to_owned(),
        run: "k3f9q2ab".to_owned(),
        began_at: "2026-11-24T08:00:00.123Z".to_owned(),
        verdict: Verdict::Missed,
        reasons: vec![
            "lost is 3, and was to be 0 (by default)".to_owned(),
            "delivery.p99 is 62.4 ms, and was to be under 50 ms (--threshold 'delivery.p99<50ms')".to_owned(),
            "slow_delivery.p99 was not measured, and was to be under 1 s (--threshold 'slow_delivery.p99<1s')"
                .to_owned(),
            "connect.p99 is 31.2 ms, and was to be at most 22 ms (connect.p99 <= base + 10%, which is 20 ms)"
                .to_owned(),
        ],
        notes: vec!["streams: 4000 in the base, 5000 here".to_owned()],
        thresholds: thresholds(),
        plan: plan(),
        environment: Environment {
            cores: 2,
            cpu: "AMD EPYC 7B13 <64-Core> & \"friends\"".to_owned(),
            system: "Linux 6.18.0 x86_64".to_owned(),
            open_files: 20_000,
            spawned: Some(vec![
                "limits.streams_per_address = 1000000".to_owned(),
                "limits.connects_per_s = 1000000".to_owned(),
            ]),
        },
        figures: figures(&latencies),
        ledger: ledger(),
        latencies,
        generator: GeneratorFacts {
            busy: BTreeMap::from([
                ("pacer".to_owned(), 0.04),
                ("reader 0".to_owned(), 0.61),
                ("sender".to_owned(), 0.22),
            ]),
            cpu_us_a_delivery: Some(14.2),
            rss_a_stream: 3_174,
            peak_rss_bytes: 48_300_032,
        },
        server: Some(ServerFacts {
            cpu_us_a_delivery: Some(21.7),
            rss_a_stream: Some(1_733.4),
            peak_rss_bytes: 61_865_984,
            peak_descriptors: Some(5_031),
            cpu_share: Some(0.47),
        }),
        recovery: Some(recovery()),
        acts: vec![
            ActFact { at_s: CUT_S, what: "a storm over 1,500 of 5,000 streams".to_owned() },
            ActFact { at_s: CUT_S + 1.2, what: "the last of them was open again".to_owned() },
        ],
        seconds: (-4..36).map(second).collect(),
        refusals: BTreeMap::from([("503 busy".to_owned(), 12), ("connection reset".to_owned(), 2)]),
        connect_faults: BTreeMap::from([("the connection was refused".to_owned(), 7)]),
        stream_faults: BTreeMap::from([("429 too_many_streams: at most 32 a user".to_owned(), 2)]),
    }
}

fn thresholds() -> Vec<Judged> {
    let judged = |threshold: &str, figure: &str, value: Option<f64>, bound, held, source| Judged {
        threshold: threshold.to_owned(),
        figure: figure.to_owned(),
        value,
        bound,
        held,
        source,
        base: None,
    };
    let mut all = vec![
        judged("lost=0", "lost", Some(3.0), 0.0, false, Source::Default),
        judged("duplicated=0", "duplicated", Some(0.0), 0.0, true, Source::Default),
        judged("out_of_order=0", "out_of_order", Some(0.0), 0.0, true, Source::Default),
        judged("unknown=0", "unknown", Some(0.0), 0.0, true, Source::Default),
        judged("counts_wrong=0", "counts_wrong", Some(0.0), 0.0, true, Source::Default),
        judged("unacknowledged=0", "unacknowledged", Some(0.0), 0.0, true, Source::Default),
        judged("delivery.p99<50ms", "delivery.p99", Some(62_400.0), 50_000.0, false, Source::Given),
        judged("streams.failed<=5", "streams.failed", Some(2.0), 5.0, true, Source::Given),
        judged("slow_delivery.p99<1s", "slow_delivery.p99", None, 1_000_000.0, false, Source::Given),
    ];
    let compared = |threshold, figure, value, bound, held, base| Judged {
        base: Some(base),
        ..judged(threshold, figure, Some(value), bound, held, Source::Comparison)
    };
    all.push(compared("connect.p99 <= base + 10%", "connect.p99", 31_200.0, 22_000.0, false, 20_000.0));
    all.push(compared("deliveries_per_s >= base - 5%", "deliveries_per_s", 499.6, 474.05, true, 499.0));
    all
}

fn plan() -> PlanFacts {
    PlanFacts {
        profile: "lumen".to_owned(),
        url: "http://127.0.0.1:43211".to_owned(),
        scenario: "storm".to_owned(),
        mode: "unicast".to_owned(),
        seed: 42,
        streams: 5_000,
        users: 5_000,
        audience: None,
        messages: 15_000,
        rate_per_s: Some(500.0),
        replay: None,
        speed: None,
        left_out: 0,
        duration_s: 30.0,
        warmup_s: 2.0,
        settle_s: 10.0,
        late_s: 1.0,
        ramp_per_s: 1_500.0,
        payload_bytes: 256,
        share: Some(0.3),
        token_ttl_s: None,
        threads: Some(1),
    }
}

fn ledger() -> Ledger {
    Ledger {
        sent: 15_000,
        acknowledged: 15_000,
        unacknowledged: 0,
        due: 14_994,
        delivered: 14_991,
        late: 17,
        delivered_unacknowledged: 0,
        lost: 3,
        duplicated: 0,
        out_of_order: 0,
        unknown: 0,
        counts_wrong: 0,
        resyncs: 1,
        streams_with_losses: 2,
        examples: vec![
            "message 7411 to user 3, stream 3".to_owned(),
            "message 7502 to user 3, stream 3".to_owned(),
            "message 7618 to user 1204, stream 1204".to_owned(),
        ],
    }
}

fn latencies() -> BTreeMap<String, Latency> {
    // A name, how many, the median and the most, in microseconds.
    let all = [
        ("connect", 6_500, 900, 41_000),
        ("first_event", 6_500, 310, 18_000),
        ("answer", 14_000, 1_100, 44_000),
        ("delivery", 13_991, 1_400, 1_240_000),
        ("last_receiver", 13_988, 1_450, 1_240_000),
        ("send_lag", 14_000, 24, 910),
        ("catch_up", 1_498, 410_000, 1_180_000),
    ];
    let mut all: BTreeMap<String, Latency> =
        all.into_iter().map(|(name, count, p50, max)| (name.to_owned(), latency(count, p50, max))).collect();
    all.entry("catch_up".to_owned()).and_modify(|catch_up| catch_up.never = 2);
    all
}

/// A distribution with a tail: each further nine of the percentile is the same step on a logarithmic scale.
fn latency(count: u64, p50: u64, max: u64) -> Latency {
    let tail = (count as f64 / 2.0).log2();
    let at = |percentile: f64| {
        let halvings = (50.0 / (100.0 - percentile).max(50.0 / tail.exp2())).log2();
        (p50 as f64 * (max as f64 / p50 as f64).powf(halvings / tail)).round() as u64
    };
    let percentiles = [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];
    let curve = percentiles.map(|percentile| (percentile, at(percentile).min(max))).to_vec();
    Latency { count, never: 0, mean: p50 as f64 * 1.4, p50, p90: at(90.0), p99: at(99.0), p99_9: at(99.9), max, curve }
}

fn figures(latencies: &BTreeMap<String, Latency>) -> BTreeMap<String, f64> {
    let counts = [
        ("sent", 15_000.0),
        ("acknowledged", 15_000.0),
        ("unacknowledged", 0.0),
        ("due", 14_994.0),
        ("delivered", 14_991.0),
        ("late", 17.0),
        ("lost", 3.0),
        ("duplicated", 0.0),
        ("out_of_order", 0.0),
        ("unknown", 0.0),
        ("counts_wrong", 0.0),
        ("resyncs", 1.0),
        ("connect.failed", 7.0),
        ("refused", 14.0),
        ("streams.open", 4_998.0),
        ("streams.failed", 2.0),
        ("streams.lost", 1_500.0),
        ("streams.reconnected", 1_500.0),
        ("streams.disturbed", 1_500.0),
        ("sent_per_s", 500.0),
        ("deliveries_per_s", 499.6),
        ("recovery.p50", 410_000.0),
        ("recovery.p99", 1_170_000.0),
        ("generator.busy", 61.0),
        ("generator.rss_a_stream", 3_174.0),
        ("generator.cpu_us_a_delivery", 14.2),
        ("server.cpu_us_a_delivery", 21.7),
        ("server.rss_a_stream", 1_733.4),
        ("server.peak_rss", 61_865_984.0),
        ("server.descriptors", 5_031.0),
        ("server.cpu", 47.0),
    ];
    let mut figures: BTreeMap<String, f64> = counts.map(|(name, value)| (name.to_owned(), value)).into();
    for (name, latency) in latencies {
        figures.extend(latency.figures().map(|(part, value)| (format!("{name}.{part}"), value)));
    }
    figures
}

fn recovery() -> Recovery {
    let point = |step: u32| {
        let share = |from: f64, to: f64| ((f64::from(step) - from) / (to - from)).clamp(0.0, 1.0);
        (u64::from(step) * 20_000, (1_500.0 * share(2.0, 50.0)) as u64, (1_498.0 * share(4.0, 59.0)) as u64)
    };
    let curve = (0..=60).map(point).collect();
    Recovery {
        after: Some(ActFact { at_s: CUT_S, what: "a storm over 1,500 of 5,000 streams".to_owned() }),
        streams: 1_500,
        back: 1_500,
        caught_up: 1_498,
        p50: Some(410_000),
        p99: Some(1_170_000),
        all: None,
        curve,
    }
}

/// The second that begins there: streams are opened before 0, published is until 30, and cut is once.
fn second(begins: i32) -> SecondFacts {
    let at_s = f64::from(begins) + 1.0;
    let storm = (at_s - CUT_S - 1.0).abs() < 0.5;
    let publishing = (0..30).contains(&begins);
    let wave = f64::from((begins * 37).rem_euclid(11));
    let of = |micros: f64| publishing.then_some(micros as u64);
    SecondFacts {
        at_s,
        open: if begins < 0 { (5.0 + f64::from(begins)) as u64 * 1_249 } else { 4_998 - u64::from(storm) * 1_400 },
        sent: if publishing { 500 } else { 0 },
        answered: if publishing { 500 - u64::from(storm) * 40 } else { 0 },
        delivered: if publishing { 500 - u64::from(storm) * 120 } else { 0 },
        p50_us: of(1_400.0 + 20.0 * wave),
        p99_us: of(9_000.0 + 700.0 * wave + if storm { 900_000.0 } else { 0.0 }),
        max_us: of(18_000.0 + 2_000.0 * wave + if storm { 1_200_000.0 } else { 0.0 }),
        server_rss_bytes: Some(53_200_000 + u64::from(begins.unsigned_abs()) * 40_000),
        server_cpu: Some(if publishing { 0.45 + wave / 100.0 } else { 0.1 }),
    }
}
