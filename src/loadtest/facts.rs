//! What the document says of the generator, the server, each second and each fault.

use std::collections::BTreeMap;

use super::measured::{Act, Second, ServerNow, ServerUse, Track};
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

/// A server's CPU counts from when all streams were open, and what it took afterwards for what was sent until then.
pub fn server(server: &ServerUse, measured: &Measured, delivered: u64) -> ServerFacts {
    let cpu_us = server.end.cpu_us.saturating_sub(server.all_open.cpu_us);
    let grown = server.all_open.rss_bytes.saturating_sub(server.before_streams.rss_bytes);
    let opened = measured.tracks.iter().filter(|track| !track.opened.is_empty()).count() as u64;
    ServerFacts {
        cpu_us_a_delivery: share(cpu_us, delivered),
        rss_a_stream: share(grown, opened).unwrap_or(0.0),
        peak_rss_bytes: server.peak_rss_bytes,
        peak_descriptors: server.peak_descriptors,
        cpu_share: share(cpu_us, super::latency::micros(measured.published_for)).unwrap_or(0.0),
    }
}

pub fn acts(acts: &[Act]) -> Vec<ActFact> {
    acts.iter().map(|act| ActFact { at_s: act.at.since_start().as_secs_f64(), what: act.what.clone() }).collect()
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
