//! What the document says of the generator, the server, each second and each fault.

use std::collections::BTreeMap;

use super::figures::Unit;
use super::measured::{Act, SHORT, Second, ServerNow, ServerUse, Track};
use super::report::document::{ActFact, GeneratorFacts, SecondFacts, ServerFacts};
use super::{Measured, Plan};

/// Reasons that are told one by one.
const REASONS: usize = 20;

pub fn generator(measured: &Measured, delivered: u64) -> GeneratorFacts {
    let generator = &measured.generator;
    GeneratorFacts {
        busy: generator.busy.clone(),
        cpu_us_a_delivery: share(generator.cpu_us, delivered),
        rss_a_stream: generator.rss_a_stream,
        peak_rss_bytes: generator.peak_rss_bytes,
    }
}

/// Of a server that was not to be seen at a moment, what needs that moment is not told. All its CPU from the first message
/// until all was settled made all deliveries; its share of a CPU is of the time alone in which messages were sent.
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
        cpu_us_a_delivery: cpu_us(end).and_then(|cpu_us| share(cpu_us, delivered)),
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
             /proc/…/schedstat: that the generator was the bottleneck would not be noticed",
            generator.unseen.join(", ")
        )
    } else {
        return Vec::new();
    };
    vec![note]
}

pub fn acts(acts: &[Act]) -> Vec<ActFact> {
    acts.iter().map(act).collect()
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
