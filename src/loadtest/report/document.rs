//! The document of a run: what `--json` writes, `--compare` reads, and every other report is made of.
//!
//! Its version is in `lumen_loadtest`: fields are only added within one. Times of figures are microseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the document.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`VERSION`].
    pub lumen_loadtest: u32,
    /// Of the program that wrote it.
    pub lumen: String,
    pub run: String,
    /// RFC 3339.
    pub began_at: String,
    pub verdict: Verdict,
    /// Why it is not `passed`, a line each.
    pub reasons: Vec<String>,
    /// What a reader should know besides, a line each: that the base's plan was another one, that how busy the generator
    /// was is not known. Changes no verdict.
    #[serde(default)]
    pub notes: Vec<String>,
    pub thresholds: Vec<Judged>,
    pub plan: PlanFacts,
    pub environment: Environment,
    /// Every figure by its name, as thresholds name them: `delivery.p99`, `lost`. Times are in microseconds.
    pub figures: BTreeMap<String, f64>,
    pub ledger: Ledger,
    /// By name: `connect`, `first_event`, `answer`, `delivery`, `last_receiver`, `send_lag`, `slow_delivery`, `catch_up`.
    /// One that nothing was measured of is not there.
    pub latencies: BTreeMap<String, Latency>,
    pub generator: GeneratorFacts,
    pub server: Option<ServerFacts>,
    pub recovery: Option<Recovery>,
    pub acts: Vec<ActFact>,
    pub seconds: Vec<SecondFacts>,
    /// Why requests were not accepted, and how often, tries included; the most frequent twenty.
    pub refusals: BTreeMap<String, u64>,
    /// Why attempts at a stream were in vain, and how often; the most frequent twenty.
    #[serde(default)]
    pub connect_faults: BTreeMap<String, u64>,
    /// Why streams were not open at the end, and how many; the most frequent twenty.
    pub stream_faults: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every threshold held.
    Passed,
    /// A threshold did not.
    Missed,
    /// The generator was late or had no time: its latencies say nothing of the server.
    Void,
    /// Ended before its time.
    Interrupted,
}

/// A threshold and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// As it was typed: `delivery.p99<50ms`.
    pub threshold: String,
    pub figure: String,
    /// `None` where the figure was not measured, which does not hold.
    pub value: Option<f64>,
    pub bound: f64,
    pub held: bool,
    pub source: Source,
    /// Of a comparison: the base's value.
    pub base: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Default,
    Given,
    Comparison,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanFacts {
    pub profile: String,
    pub url: String,
    pub scenario: String,
    pub mode: String,
    pub seed: u64,
    pub streams: u32,
    pub users: u32,
    /// Users of one message, in mode `audience`.
    pub audience: Option<u32>,
    pub messages: u32,
    /// Of an even schedule.
    pub rate_per_s: Option<f64>,
    /// Of a replay: the file's name and its speed.
    pub replay: Option<String>,
    pub speed: Option<f64>,
    /// Of a replay: messages of the file that come later than the run takes.
    #[serde(default)]
    pub left_out: u64,
    pub duration_s: f64,
    pub warmup_s: f64,
    pub settle_s: f64,
    pub late_s: f64,
    pub ramp_per_s: f64,
    pub payload_bytes: usize,
    /// Of a storm or slow readers: their share of the streams, from 0 to 1.
    #[serde(default)]
    pub share: Option<f64>,
    /// Of scenario `expire`: how long tokens held.
    #[serde(default)]
    pub token_ttl_s: Option<f64>,
    /// Threads that read streams.
    #[serde(default)]
    pub threads: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    pub cores: usize,
    pub cpu: String,
    pub system: String,
    pub open_files: u64,
    /// Whether the server was started by the run itself, and what was set for it: `LUMEN_LIMITS_STREAMS_PER_USER=…`.
    pub spawned: Option<Vec<String>>,
}

impl PlanFacts {
    /// Whether it is a kind of server that tells unread counts, and holes that it cannot fill.
    pub fn tells_counts(&self) -> bool {
        self.profile == "lumen"
    }
}

/// Every message on every stream, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Messages whose request was begun.
    pub sent: u64,
    pub acknowledged: u64,
    /// Sent or due, and never accepted.
    pub unacknowledged: u64,
    /// Deliveries that were due: of each acknowledged message one on every stream of its users.
    pub due: u64,
    /// Deliveries of messages of this run, each counted once a stream.
    pub delivered: u64,
    /// Of those, later than `--late`.
    pub late: u64,
    /// Of those, messages that were never acknowledged.
    pub delivered_unacknowledged: u64,
    /// Acknowledged and not delivered.
    pub lost: u64,
    pub duplicated: u64,
    pub out_of_order: u64,
    pub unknown: u64,
    pub counts_wrong: u64,
    pub resyncs: u64,
    /// Streams with a loss.
    pub streams_with_losses: u64,
    /// The first losses, at most twenty: `message 17 to user 3, stream 3`.
    pub examples: Vec<String>,
}

/// A distribution, in microseconds. Percentiles are of all, those too that never came to an end: one that is among these
/// is the longest that did, and is no figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Those that came to an end.
    pub count: u64,
    /// Those that did not: streams that never caught up.
    #[serde(default)]
    pub never: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub max: u64,
    /// Points of its curve: percentile (0 to 100) and value.
    pub curve: Vec<(f64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratorFacts {
    /// Share of the time in which messages were sent for which each thread had a CPU, by its name. Empty where that time
    /// was too short, or the system does not tell; a note says so.
    pub busy: BTreeMap<String, f64>,
    /// All that this process took from the first message until all was settled, by all deliveries.
    pub cpu_us_a_delivery: Option<f64>,
    pub rss_a_stream: u64,
    pub peak_rss_bytes: u64,
}

/// What was seen of the server's process; `null` where it was not to be seen when it had to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// All that it took from the first message until all was settled, by all deliveries.
    pub cpu_us_a_delivery: Option<f64>,
    pub rss_a_stream: Option<f64>,
    pub peak_rss_bytes: u64,
    pub peak_descriptors: Option<u64>,
    /// Of one CPU, while messages were sent.
    pub cpu_share: Option<f64>,
}

/// How streams that were lost came back. Times in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// What times count from, and only losses after it do, of each stream the first. Where nothing is done at one moment,
    /// every loss after the first message counts, from itself.
    #[serde(default)]
    pub after: Option<ActFact>,
    /// Streams that were lost; without `after` one that was lost again counts again.
    pub streams: u64,
    pub back: u64,
    pub caught_up: u64,
    /// When half, 99 % and all of them had every message that was acknowledged before they were open again.
    pub p50: Option<u64>,
    pub p99: Option<u64>,
    pub all: Option<u64>,
    /// For its picture: time, streams that were open again by then, streams that had caught up.
    pub curve: Vec<(u64, u64, u64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActFact {
    pub at_s: f64,
    pub what: String,
}

/// One second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondFacts {
    /// Its end, after the first message was due; negative while streams are opened.
    pub at_s: f64,
    pub open: u64,
    pub sent: u64,
    pub answered: u64,
    pub delivered: u64,
    /// Delivery latency within it, on streams that read as they can. Unlike in `latencies`, the warm-up's is told too.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
    pub server_rss_bytes: Option<u64>,
    /// Share of one CPU within it.
    pub server_cpu: Option<f64>,
}

impl Latency {
    /// Whether so many per cent of all came to an end.
    pub fn reached(&self, percent: f64) -> bool {
        let all = (self.count + self.never) as f64;
        self.never == 0 || (percent / 100.0 * all).ceil() <= self.count as f64
    }

    /// Its figures by their parts' names, in microseconds. What was not reached is none: a bound on it does not hold.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let values = [
            ("p50", 50.0, self.p50 as f64),
            ("p90", 90.0, self.p90 as f64),
            ("p99", 99.0, self.p99 as f64),
            ("p99.9", 99.9, self.p99_9 as f64),
            ("max", 100.0, self.max as f64),
            ("mean", 100.0, self.mean),
        ];
        let reached = values.into_iter().filter(|(_, percent, _)| self.reached(*percent));
        reached.map(|(part, _, value)| (part, value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let text = serde_json::to_string(&sample()).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), sample());
    }

    #[test]
    fn what_was_added_to_a_version_need_not_be_there() {
        let mut json = serde_json::to_value(sample()).unwrap();
        for field in ["share", "token_ttl_s", "threads"] {
            json["plan"].as_object_mut().unwrap().remove(field).unwrap();
        }
        let read: Document = serde_json::from_value(json).unwrap();
        assert_eq!((read.plan.share, read.plan.token_ttl_s, read.plan.threads), (None, None, None));
    }

    /// Each field with what it is in: `ledger.due`. Of a list its first entry, of a map of free names only itself.
    fn fields(json: &serde_json::Value, path: &str, all: &mut Vec<String>) {
        const FREE: [&str; 5] = ["figures", "generator.busy", "refusals", "connect_faults", "stream_faults"];
        match json {
            serde_json::Value::Object(map) if !FREE.contains(&path) => {
                for (name, value) in map {
                    let name = if path == "latencies" { "*" } else { name.as_str() };
                    fields(value, format!("{path}.{name}").trim_start_matches('.'), all);
                }
            }
            serde_json::Value::Array(list) if list.first().is_some_and(serde_json::Value::is_object) => {
                fields(&list[0], path, all);
            }
            _ => all.push(path.to_owned()),
        }
    }

    #[test]
    fn version_1_has_these_fields() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["lumen_loadtest"], 1);
        let mut all = Vec::new();
        fields(&json, "", &mut all);
        all.sort();
        all.dedup();
        // A field may be added; one that is taken away or renamed makes another version.
        assert_eq!(all.join("\n"), include_str!("version_1.txt").trim());
    }
}
