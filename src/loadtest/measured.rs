//! What a run saw, before anything is computed of it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::Plan;

/// A point in a run: tens of microseconds after its first message was due, begun ones counted, for 11 hours at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u32);

impl Moment {
    /// When the first message was due; and all that was before, while streams were opened.
    pub const START: Moment = Moment(0);

    /// Of what did not happen. Later than all others.
    pub const NEVER: Moment = Moment(u32::MAX);

    pub fn at(since: Duration) -> Self {
        Self(u32::try_from(since.as_micros().div_ceil(10)).unwrap_or(u32::MAX - 1))
    }

    pub fn happened(self) -> bool {
        self != Self::NEVER
    }

    /// Whether it is after the first message was due.
    pub fn started(self) -> bool {
        self > Self::START
    }

    pub fn since_start(self) -> Duration {
        Duration::from_micros(u64::from(self.0) * 10)
    }
}

/// What became of one message on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When its first request began.
    pub begun: Moment,
    /// When it was accepted.
    pub answered: Moment,
}

impl Sent {
    pub const NOT: Sent = Sent { begun: Moment::NEVER, answered: Moment::NEVER };
}

/// One message on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub message: u32,
    pub at: Moment,
}

/// All that one stream saw, over all its connections.
#[derive(Debug, Clone, Default)]
pub struct Track {
    pub user: u32,
    /// Every message of this run, in the order in which they came, doubles too.
    pub arrivals: Vec<Arrival>,
    /// Each time from which it was open.
    pub opened: Vec<Moment>,
    /// Each time at which it was lost, by whomever.
    pub lost: Vec<Moment>,
    /// Messages that nobody sent, or not to this user.
    pub unknown: u64,
    /// Messages whose rev was not over the one before (where a server counts revs).
    pub disordered: u64,
    /// Counts that were not those of the inbox (where a server tells them).
    pub counts_wrong: u64,
    /// How often the server said that a hole cannot be filled.
    pub resyncs: u64,
    /// The unread count that it was told last, less the one that it began with.
    pub unread: Option<u64>,
    /// It reads a kilobyte a second.
    pub slow: bool,
    /// Why it is not open: of one that was given up, or that was still trying at the end.
    pub fault: Option<String>,
}

/// The latencies that are measured as they happen, in microseconds.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// From the moment at which a stream was to be opened to the head of the answer, attempts in vain included.
    pub connect: Histogram<u64>,
    /// From there to the greeting, where the server has one.
    pub first_event: Histogram<u64>,
    /// From the moment at which a message was to be sent to the answer that accepted it.
    pub answer: Histogram<u64>,
    /// From the moment at which a message was to be sent to its arrival, on streams that read as they can.
    pub delivery: Histogram<u64>,
    /// The same on streams that read slowly.
    pub slow_delivery: Histogram<u64>,
    /// From the moment at which a message was to be sent to the begin of its request, unless it was held up.
    pub send_lag: Histogram<u64>,
}

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Second {
    /// Its end, after the first message was due; negative while streams are opened.
    pub at_s: f64,
    pub open: u64,
    /// Requests begun, requests accepted, deliveries within it.
    pub sent: u64,
    pub answered: u64,
    pub delivered: u64,
    /// Delivery latency within it, on streams that read as they can, the warm-up's too; `None` without a delivery.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
    pub server: Option<ServerNow>,
}

/// A server's process at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerNow {
    /// User and system time so far, of all processes that it was.
    pub cpu_us: u64,
    pub rss_bytes: u64,
    /// `None` where they are not to be seen, as those of another user's process.
    pub descriptors: Option<u64>,
}

/// A server's process over the run; `None` at a moment at which it was not to be seen. Its memory a stream is the growth
/// from before the first stream to when all are open.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerUse {
    pub before_streams: Option<ServerNow>,
    /// When the first message was due.
    pub all_open: Option<ServerNow>,
    /// [`Measured::published_for`] later.
    pub published: Option<ServerNow>,
    /// When all was settled.
    pub end: Option<ServerNow>,
    pub peak_rss_bytes: u64,
    pub peak_descriptors: Option<u64>,
}

/// This process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generator {
    /// Share of the time in which it published for which each thread had a CPU, from 0 to 1, by its name. None where that
    /// time was too short to tell.
    pub busy: BTreeMap<String, f64>,
    /// Threads of which the system does not tell.
    pub unseen: Vec<String>,
    /// From the first message until all was settled.
    pub cpu_us: u64,
    /// Memory that a stream took: the growth until all were open.
    pub rss_a_stream: u64,
    pub peak_rss_bytes: u64,
}

/// Something that the scenario did.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    pub at: Moment,
    /// In a few words: `a storm over 500 of 1,000 streams`.
    pub what: String,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Wall clock of the first message, in milliseconds since 1970.
    pub began_at: i64,
    /// A message each, by its number. Shorter than planned where the run was ended early.
    pub sent: Vec<Sent>,
    /// Why requests were not accepted, and how often, tries included.
    pub refusals: BTreeMap<String, u64>,
    /// Messages that waited for the answers to others, since no more requests could be under way.
    pub held_up: u64,
    /// Why attempts at a stream were in vain, and how often.
    pub in_vain: BTreeMap<String, u64>,
    /// A stream each.
    pub tracks: Vec<Track>,
    pub latencies: Latencies,
    pub seconds: Vec<Second>,
    pub generator: Generator,
    pub server: Option<ServerUse>,
    /// What became of a server of the run's own that is gone.
    pub server_gone: Option<String>,
    pub acts: Vec<Act>,
    /// Time from the first message until the last was due, or until it was interrupted, as it really was.
    pub published_for: Duration,
    pub interrupted: bool,
}

/// A share of a time that is shorter than this says nothing: the system counts in hundredths of a second.
pub const SHORT: Duration = Duration::from_millis(500);

impl Measured {
    /// What rates are of: from the end of the warm-up to that of the plan, which is told only a while after it, or to
    /// the interrupt.
    pub fn window(&self, plan: &Plan) -> RangeInclusive<Duration> {
        plan.warmup..=self.published_for.min(plan.length())
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Now {
    pub phase: Phase,
    /// Time since the phase began, and how long it takes at most.
    pub elapsed: Duration,
    pub of: Duration,
    pub open: u64,
    pub streams: u64,
    pub sent: u64,
    pub messages: u64,
    pub answered: u64,
    pub delivered: u64,
    /// Delivery latency of the last second, as [`Second`] has it.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Opening,
    Publishing,
    Settling,
}
