//! What every report says of a run, in words: each writes them in its own form.

use std::collections::BTreeMap;

use super::document::{Document, Judged, Latency, PlanFacts, Source, Verdict};
use crate::loadtest::figures::{Unit, shown};

/// A value and what it is of: `5,031` `descriptors at the most`.
pub type Fact = (String, String);

/// Threads of the generator that are told by name.
const BUSIEST: usize = 4;

/// With fewer, memory a stream is no stream's.
const STREAMS_THAT_TELL: u32 = 100;

/// The order in which latencies are told, and their names for people.
const LATENCIES: [(&str, &str); 8] = [
    ("delivery", "delivery"),
    ("last_receiver", "last receiver"),
    ("slow_delivery", "slow delivery"),
    ("answer", "answer"),
    ("connect", "connect"),
    ("first_event", "first event"),
    ("catch_up", "catch up"),
    ("send_lag", "send lag"),
];

pub fn count(number: u64) -> String {
    Unit::Count.shown(number as f64)
}

pub fn micros(micros: u64) -> String {
    Unit::Time.shown(micros as f64)
}

pub fn bytes(bytes: f64) -> String {
    Unit::Bytes.shown(bytes)
}

/// A share of one CPU.
pub fn share(share: f64) -> String {
    Unit::Percent.shown((share * 100.0).round())
}

pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Missed => "missed",
        Verdict::Void => "void",
        Verdict::Interrupted => "interrupted",
    }
}

/// What the verdict means, in a sentence's part.
pub fn judgement(document: &Document) -> String {
    let all = document.thresholds.len();
    let missed = document.thresholds.iter().filter(|judged| !judged.held).count();
    match (document.verdict, missed) {
        // No threshold is needed for that.
        (Verdict::Missed, 0) => document.reasons.first().map_or("it proves nothing", |reason| what(reason)).to_owned(),
        (Verdict::Void, _) => {
            "the generator was late or had no time: its latencies say nothing of the server".to_owned()
        }
        (Verdict::Interrupted, _) => "ended before its time: the figures are of what was done".to_owned(),
        (_, 0) => format!("all {all} thresholds held"),
        (_, missed) => format!("{missed} of {all} thresholds did not hold"),
    }
}

/// What a reason says before its colon, after which it says why. What is in brackets may have colons too.
fn what(reason: &str) -> &str {
    let mut depth = 0;
    let end = reason.char_indices().find(|(at, char)| {
        depth += match char {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0 && reason[*at..].starts_with(": ")
    });
    end.map_or(reason, |(at, _)| &reason[..at])
}

/// The few numbers that are looked for first.
pub fn first(document: &Document) -> Vec<Fact> {
    let told = [
        ("delivery.p50", "delivery, p50"),
        ("delivery.p99", "delivery, p99"),
        ("deliveries_per_s", "deliveries"),
        ("lost", "lost"),
        ("streams.open", "streams open"),
        ("server.cpu_us_a_delivery", "server CPU a delivery"),
    ];
    figures(document, &told)
}

/// When it began, as people write it.
pub fn began(document: &Document) -> String {
    match document.began_at.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => document.began_at.clone(),
    }
}

/// What the run was: `storm, unicast, 5,000 streams of 5,000 users, 500/s for 30 s`.
pub fn run(plan: &PlanFacts) -> String {
    let mode = match plan.audience {
        Some(users) => format!("{} of {} users", plan.mode, count(users.into())),
        None => plan.mode.clone(),
    };
    let (streams, users) = (several(plan.streams, "stream"), several(plan.users, "user"));
    format!("{}, {mode}, {streams} of {users}, {}", plan.scenario, schedule(plan))
}

fn several(number: u32, one: &str) -> String {
    format!("{} {one}{}", count(number.into()), if number == 1 { "" } else { "s" })
}

fn schedule(plan: &PlanFacts) -> String {
    let (messages, length) = (count(plan.messages.into()), seconds(plan.duration_s));
    match (&plan.replay, plan.rate_per_s) {
        (Some(file), _) => {
            let speed =
                plan.speed.map(|speed| format!(" at {} times its speed", Unit::Count.shown(speed))).unwrap_or_default();
            format!("{messages} messages of {file}{speed} in {length}")
        }
        (None, Some(rate)) => format!("{} for {length}", Unit::PerSecond.shown(rate)),
        (None, None) => format!("{messages} messages in {length}"),
    }
}

/// All that was planned, a name and a value each.
pub fn plan(plan: &PlanFacts) -> Vec<Fact> {
    let mode = plan.audience.map(|users| format!(", {} users a message", count(users.into()))).unwrap_or_default();
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let share = plan.share.map(|share| format!(", {} of the streams", Unit::Percent.shown(share * 100.0)));
    let ttl = plan.token_ttl_s.map(|ttl| format!(", tokens hold {}", seconds(ttl)));
    let mut facts = vec![
        fact("server", format!("{} ({})", plan.url, plan.profile)),
        fact("scenario", [Some(plan.scenario.clone()), share, ttl].into_iter().flatten().collect()),
        fact("mode", plan.mode.clone() + &mode),
        fact("streams", format!("{} of {}", count(plan.streams.into()), several(plan.users, "user"))),
        fact("opened at", Unit::PerSecond.shown(plan.ramp_per_s)),
        fact("messages", format!("{}, {}", count(plan.messages.into()), schedule(plan))),
        fact("payload", bytes(plan.payload_bytes as f64)),
        fact("warm-up", seconds(plan.warmup_s)),
        fact("late after", seconds(plan.late_s)),
        fact("settle", seconds(plan.settle_s)),
        fact("seed", plan.seed.to_string()),
    ];
    facts.extend(plan.threads.map(|threads| fact("reader threads", count(threads as u64))));
    facts
}

/// Where it ran, a name and a value each.
pub fn environment(document: &Document) -> Vec<Fact> {
    let environment = &document.environment;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    vec![
        fact("CPU", format!("{}, {} cores", environment.cpu, environment.cores)),
        fact("system", environment.system.clone()),
        fact("open files", count(environment.open_files)),
        fact("generator", format!("lumen {}", document.lumen)),
    ]
}

/// That the run made its own server, and what was set for it.
pub fn spawned(document: &Document) -> Option<String> {
    let set = document.environment.spawned.as_ref()?;
    Some(match set.is_empty() {
        true => "The server was started by the run itself, with its defaults.".to_owned(),
        false => {
            format!("The server was started by the run itself, with caps raised over its defaults: {}.", set.join(", "))
        }
    })
}

pub fn value(judged: &Judged) -> String {
    judged.value.map_or_else(|| "not measured".to_owned(), |value| shown(&judged.figure, value))
}

pub fn bound(judged: &Judged) -> String {
    shown(&judged.figure, judged.bound)
}

/// Of a comparison; nothing of another threshold.
pub fn base(judged: &Judged) -> String {
    match (judged.source, judged.base) {
        (Source::Comparison, None) => "not there".to_owned(),
        (_, base) => base.map(|base| shown(&judged.figure, base)).unwrap_or_default(),
    }
}

/// The latencies that were measured, in the order in which they are told. One that is not known here comes last.
pub fn latencies(document: &Document) -> Vec<(&str, &Latency)> {
    let known = LATENCIES.iter().filter_map(|(key, name)| Some((*name, document.latencies.get(*key)?)));
    let others = document.latencies.iter().filter(|(key, _)| LATENCIES.iter().all(|(known, _)| known != key));
    known.chain(others.map(|(key, latency)| (key.as_str(), latency))).collect()
}

/// What is told of a latency.
pub const QUANTILES: [&str; 6] = ["p50", "p90", "p99", "p99.9", "max", "count"];

pub fn quantiles(latency: &Latency) -> [String; 6] {
    let Latency { p50, p90, p99, p99_9, max, count: number, never, .. } = latency;
    let of = |percent: f64, value: u64| if latency.reached(percent) { micros(value) } else { "never".to_owned() };
    let number = match never {
        0 => count(*number),
        never => format!("{} of {}", count(*number), count(number + never)),
    };
    [of(50.0, *p50), of(90.0, *p90), of(99.0, *p99), of(99.9, *p99_9), of(100.0, *max), number]
}

/// The ledger: sent and what came of it, delivered, and the faults.
pub fn ledger(document: &Document) -> [Vec<Fact>; 3] {
    let (ledger, late) = (&document.ledger, seconds(document.plan.late_s));
    let fact = |number: u64, what: &str| (count(number), what.to_owned());
    let mut delivered = vec![
        fact(ledger.due, "deliveries due"),
        fact(ledger.delivered, "delivered"),
        fact(ledger.late, &format!("of them late (over {late})")),
    ];
    if ledger.delivered_unacknowledged > 0 {
        delivered.push(fact(ledger.delivered_unacknowledged, "of messages never acknowledged"));
    }
    let mut faults = vec![
        fact(ledger.lost, "lost"),
        fact(ledger.duplicated, "duplicated"),
        fact(ledger.out_of_order, "out of order"),
        fact(ledger.unknown, "unknown"),
    ];
    if document.plan.tells_counts() {
        faults.extend([fact(ledger.counts_wrong, "counts wrong"), fact(ledger.resyncs, "resyncs")]);
    }
    let sent = vec![
        fact(ledger.sent, "messages sent"),
        fact(ledger.acknowledged, "acknowledged"),
        fact(ledger.unacknowledged, "unacknowledged"),
    ];
    [sent, delivered, faults]
}

/// Whose losses, and the first of them, so many at the most.
pub fn losses(document: &Document, most: usize) -> Option<String> {
    let ledger = &document.ledger;
    let told = ledger.examples.len().min(most);
    let first = ledger.examples[..told].join("; ");
    let more = if ledger.lost > told as u64 { "; …" } else { "" };
    let streams = match ledger.streams_with_losses {
        1 => "1 stream".to_owned(),
        several => format!("{} streams", count(several)),
    };
    (ledger.lost > 0).then(|| format!("{} lost on {streams}: {first}{more}", count(ledger.lost)))
}

/// What became of the streams.
pub fn streams(document: &Document) -> Vec<Fact> {
    let told = [
        ("streams.open", "open at the end"),
        ("streams.failed", "failed"),
        ("streams.lost", "lost meanwhile"),
        ("streams.reconnected", "reconnected"),
        ("streams.disturbed", "disturbed by the scenario"),
    ];
    figures(document, &told)
}

pub fn rates(document: &Document) -> Vec<Fact> {
    figures(document, &[("sent_per_s", "sent"), ("deliveries_per_s", "delivered")])
}

pub fn server(document: &Document) -> Vec<Fact> {
    let Some(server) = &document.server else { return Vec::new() };
    let mut facts: Vec<Fact> = Vec::new();
    facts.extend(server.cpu_us_a_delivery.map(|cpu| (Unit::Time.shown(cpu), "of CPU a delivery".to_owned())));
    facts.extend(server.cpu_share.map(|cpu| (share(cpu), "of one CPU".to_owned())));
    let a_stream = server.rss_a_stream.filter(|_| tells_memory(document));
    facts.extend(a_stream.map(|memory| (bytes(memory), "a stream".to_owned())));
    facts.push((bytes(server.peak_rss_bytes as f64), "at the most".to_owned()));
    facts.extend(server.peak_descriptors.map(|number| (count(number), "descriptors at the most".to_owned())));
    facts
}

pub fn generator(document: &Document) -> Vec<Fact> {
    let generator = &document.generator;
    let mut facts: Vec<Fact> = Vec::new();
    facts.extend(generator.cpu_us_a_delivery.map(|cpu| (Unit::Time.shown(cpu), "of CPU a delivery".to_owned())));
    let a_stream = Some(generator.rss_a_stream as f64).filter(|_| tells_memory(document));
    facts.extend(a_stream.map(|memory| (bytes(memory), "a stream".to_owned())));
    facts.push((bytes(generator.peak_rss_bytes as f64), "at the most".to_owned()));
    let mut busy: Vec<(&String, &f64)> = generator.busy.iter().collect();
    busy.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let named = busy.iter().take(BUSIEST).map(|(thread, busy)| (share(**busy), format!("busy ({thread})")));
    facts.extend(named);
    facts.extend(
        busy.get(BUSIEST).map(|(_, most)| {
            (share(**most), format!("or less ({} threads more)", count((busy.len() - BUSIEST) as u64)))
        }),
    );
    facts
}

/// What a process takes at any rate hides what a few streams take.
fn tells_memory(document: &Document) -> bool {
    document.plan.streams >= STREAMS_THAT_TELL
}

/// How streams that were lost came back.
pub fn recovery(document: &Document) -> Vec<Fact> {
    let Some(recovery) = &document.recovery else { return Vec::new() };
    let fact = |number: u64, what: &str| (count(number), what.to_owned());
    let until = |time: Option<u64>, whom: &str| match time {
        Some(time) => (micros(time), format!("until {whom}")),
        None => ("never".to_owned(), whom.to_owned()),
    };
    vec![
        fact(recovery.streams, if recovery.after.is_some() { "streams lost" } else { "losses, each from itself" }),
        fact(recovery.back, "back"),
        fact(recovery.caught_up, "caught up"),
        until(recovery.p50, "half"),
        until(recovery.p99, "99 %"),
        until(recovery.all, "all"),
    ]
}

/// What happened, each with its time: `at 15 s`, `a storm over 1,500 of 5,000 streams`.
pub fn acts(document: &Document) -> Vec<Fact> {
    document.acts.iter().map(|act| (format!("at {}", seconds(act.at_s)), act.what.clone())).collect()
}

/// Reasons with how often, the most frequent first.
pub fn frequent(reasons: &BTreeMap<String, u64>) -> Vec<(String, &str)> {
    let mut all: Vec<(&String, &u64)> = reasons.iter().collect();
    all.sort_by(|(_, a), (_, b)| b.cmp(a));
    all.into_iter().map(|(reason, times)| (count(*times), reason.as_str())).collect()
}

/// Facts as a sentence's part: `15,000 messages sent, 15,000 acknowledged`.
pub fn joined(facts: &[Fact]) -> String {
    facts.iter().map(|(value, what)| format!("{value} {what}")).collect::<Vec<_>>().join(", ")
}

fn figures(document: &Document, told: &[(&str, &str)]) -> Vec<Fact> {
    let of = |(figure, what): &(&str, &str)| Some((shown(figure, *document.figures.get(*figure)?), (*what).to_owned()));
    told.iter().filter_map(of).collect()
}

pub fn seconds(seconds: f64) -> String {
    Unit::Time.shown(seconds * 1e6)
}
