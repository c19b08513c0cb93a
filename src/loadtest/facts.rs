//! What the document says of the generator, the server, each second and each fault.

use std::collections::BTreeMap;

use super::figures::Unit;
use super::measured::{Act, SHORT, Second, ServerNow, ServerUse, Track};
use super::report::document::{ActFact, Document, GeneratorFacts, PlanFacts, SecondFacts, ServerFacts};
use super::scenario::Scenario;
use super::{Measured, Plan};

/// Reasons that are told one by one.
const REASONS: usize = 20;

/// The system counts a process's CPU in hundredths of a second: of less a part each is no figure.
const SEEN_US: u64 = 50_000;
const CPU_A_DELIVERY: &str = "server.cpu_us_a_delivery";

pub fn generator(measured: &Measured, delivered: u64) -> GeneratorFacts {
    let generator = &measured.generator;
    GeneratorFacts {
        busy: generator.busy.clone(),
        cpu_us_a_delivery: share(generator.cpu_us, delivered),
        rss_a_stream: generator.rss_a_stream,
        peak_rss_bytes: generator.peak_rss_bytes,
    }
}

/// Of a server that was not to be seen at a moment, what needs that moment is not told; nor its CPU a delivery, where all of
/// it was too little to be counted. All its CPU from the first message until all was settled made all deliveries; its share
/// of a CPU is of the time alone in which messages were sent.
pub fn server(server: &ServerUse, measured: &Measured, delivered: u64) -> ServerFacts {
    let ServerUse { before_streams, all_open, published, end, .. } = *server;
    let between = |from: Option<ServerNow>, to: Option<ServerNow>, of: fn(ServerNow) -> u64| {
        Some(of(to?).saturating_sub(of(from?)))
    };
    let cpu_us = |to| between(all_open, to, |now| now.cpu_us);
    let grown = between(before_streams, all_open, |now| now.rss_bytes);
    let opened = measured.tracks.iter().filter(|track| !track.opened.is_empty()).count() as u64;
    let published_for = Some(measured.published_for).filter(|time| *time >= SHORT).map(super::latency::micros);
    ServerFacts {
        cpu_us_a_delivery: cpu_us(end).filter(|cpu_us| *cpu_us >= SEEN_US).and_then(|cpu_us| share(cpu_us, delivered)),
        rss_a_stream: grown.and_then(|grown| share(grown, opened)),
        peak_rss_bytes: server.peak_rss_bytes,
        peak_descriptors: server.peak_descriptors,
        cpu_share: cpu_us(published).and_then(|cpu_us| share(cpu_us, published_for?)),
    }
}

/// What a reader should know of how it was measured.
pub fn notes(measured: &Measured) -> Vec<String> {
    let Measured { generator, published_for, .. } = measured;
    let note = if *published_for < SHORT {
        let time = Unit::Time.shown(published_for.as_secs_f64() * 1e6);
        format!("messages were sent for {time}, which is too short to tell how busy the generator's threads were")
    } else if !generator.unseen.is_empty() {
        format!(
            "how busy the generator's threads were ({}) is not known, since this system does not tell it in \
             /proc/…/schedstat: that the generator had no time would not be noticed",
            generator.unseen.join(", ")
        )
    } else {
        return Vec::new();
    };
    vec![note]
}

/// What was done to the server and its streams. Tokens end without anybody's doing: of those it is told when the first
/// stream was lost.
pub fn acts(plan: &Plan, measured: &Measured) -> Vec<ActFact> {
    let ended = matches!(plan.scenario, Scenario::Expire { .. }).then(|| {
        let lost = measured.tracks.iter().flat_map(|track| &track.lost).filter(|lost| lost.started()).min();
        lost.map(|at| Act { at: *at, what: "the first stream was lost".to_owned() })
    });
    ended.flatten().iter().chain(&measured.acts).map(act).collect()
}

pub fn act(act: &Act) -> ActFact {
    ActFact { at_s: act.at.since_start().as_secs_f64(), what: act.what.clone() }
}

/// Each second, with the share of a CPU that the server had since the one before.
pub fn seconds(seconds: &[Second]) -> Vec<SecondFacts> {
    let before = std::iter::once(None).chain(seconds.iter().map(Some));
    seconds.iter().zip(before).map(|(second, before)| fact(second, before)).collect()
}

fn fact(second: &Second, before: Option<&Second>) -> SecondFacts {
    let cpu_us = |second: &Second| second.server.map(|server: ServerNow| server.cpu_us);
    let server_cpu = before.and_then(|before| {
        let (micros, cpu_us) = ((second.at_s - before.at_s) * 1e6, cpu_us(second)?.saturating_sub(cpu_us(before)?));
        (micros > 0.0).then(|| cpu_us as f64 / micros)
    });
    SecondFacts {
        at_s: second.at_s,
        open: second.open,
        sent: second.sent,
        answered: second.answered,
        delivered: second.delivered,
        p50_us: second.p50_us,
        p99_us: second.p99_us,
        max_us: second.max_us,
        server_rss_bytes: second.server.map(|server| server.rss_bytes),
        server_cpu,
    }
}

/// Why streams were not open at the end, and how many.
pub fn stream_faults(plan: &Plan, tracks: &[Track]) -> BTreeMap<String, u64> {
    let untried = std::iter::repeat_n("never tried", (plan.streams as usize).saturating_sub(tracks.len()));
    let mut faults = BTreeMap::new();
    for fault in tracks.iter().filter_map(fault).chain(untried) {
        *faults.entry(fault.to_owned()).or_insert(0) += 1;
    }
    faults
}

/// What a reader should know where requests were not sent when they were due, since the server answered others late.
pub fn held_up(measured: &Measured) -> Option<String> {
    let held_up = measured.held_up;
    (held_up > 0).then(|| {
        format!(
            "the server's answers held up requests: {held_up} waited until another was answered, since no more could be \
             under way; latencies count from when they were due, and send_lag leaves them out"
        )
    })
}

/// Why a server's CPU a delivery was not told, where somebody asked for it.
pub fn little_cpu(document: &Document, measured: &Measured) -> Option<String> {
    let asked = document.thresholds.iter().any(|judged| judged.figure == CPU_A_DELIVERY && judged.value.is_none());
    let seen = measured.server.is_some_and(|server| server.all_open.is_some() && server.end.is_some());
    (asked && seen && document.ledger.delivered > 0).then(|| {
        format!(
            "{CPU_A_DELIVERY} was not measured: the server took under {} ms of CPU, which the system counts in hundredths \
             of a second; take a higher --rate or a longer --duration",
            SEEN_US / 1_000
        )
    })
}

/// What a reader should know where much of a file was not replayed.
pub fn left_out(plan: &PlanFacts) -> Option<String> {
    let all = plan.left_out + u64::from(plan.messages);
    (plan.left_out > 0).then(|| {
        let [left_out, all] = [plan.left_out, all].map(|number| Unit::Count.shown(number as f64));
        format!(
            "{left_out} of the file's {all} messages come later than --duration at this --speed, and were left out: \
             without --speed all of them fit"
        )
    })
}

/// Why a stream is not open.
pub fn fault(track: &Track) -> Option<&str> {
    let unopened = || track.opened.is_empty().then_some("never opened");
    track.fault.as_deref().or_else(unopened)
}

/// The most frequent reasons.
pub fn most_frequent(reasons: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut all: Vec<(&String, &u64)> = reasons.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    all.into_iter().take(REASONS).map(|(reason, count)| (reason.clone(), *count)).collect()
}

fn share(of: u64, parts: u64) -> Option<f64> {
    (parts > 0).then(|| of as f64 / parts as f64)
}
