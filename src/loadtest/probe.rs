//! Looks at everything once a second: what the threads count, and what the processes take.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::busy::Thread;
use super::measured::{Generator, Second, ServerNow, ServerUse};
use super::process;

/// The server's process, which may be another after a restart.
#[derive(Debug, Default)]
pub struct Server {
    pid: Option<u32>,
    /// CPU time of the processes before this one, and of this one when last seen.
    past_us: u64,
    last_us: u64,
    pub peak_rss_bytes: u64,
    pub peak_descriptors: u64,
}

impl Server {
    pub fn watch(pid: Option<u32>) -> Self {
        Self { pid, ..Self::default() }
    }

    /// From now on it is this process.
    pub fn is_now(&mut self, pid: u32) {
        self.pid = Some(pid);
        self.past_us += std::mem::take(&mut self.last_us);
    }

    pub fn look(&mut self) -> Option<ServerNow> {
        let now = process::now(self.pid?)?;
        self.last_us = now.cpu_us;
        self.peak_rss_bytes = self.peak_rss_bytes.max(now.rss_bytes);
        self.peak_descriptors = self.peak_descriptors.max(now.descriptors);
        Some(ServerNow { cpu_us: self.past_us + now.cpu_us, ..now })
    }

    /// Whether it was ever seen.
    pub fn is_seen(&self) -> bool {
        self.peak_rss_bytes > 0
    }

    pub fn summed_up(&self, before_streams: ServerNow, all_open: ServerNow, end: ServerNow) -> ServerUse {
        let (peak_rss_bytes, peak_descriptors) = (self.peak_rss_bytes, self.peak_descriptors);
        ServerUse { before_streams, all_open, end, peak_rss_bytes, peak_descriptors }
    }
}

/// This process, from when all streams were open.
pub struct Own {
    threads: Vec<Working>,
    cpu_us: u64,
    rss_a_stream: u64,
    peak_rss_bytes: u64,
}

impl Own {
    /// Begins to count: `rss_before` is the memory before the first of so many streams.
    pub fn begin(threads: Vec<Thread>, rss_before: u64, streams: u32) -> Self {
        let now = process::now(std::process::id()).unwrap_or_default();
        let threads = threads.into_iter().filter_map(Working::begin).collect();
        let rss_a_stream = now.rss_bytes.saturating_sub(rss_before) / u64::from(streams.max(1));
        Self { threads, cpu_us: now.cpu_us, rss_a_stream, peak_rss_bytes: now.rss_bytes }
    }

    pub fn look(&mut self) {
        let rss = process::now(std::process::id()).map_or(0, |now| now.rss_bytes);
        self.peak_rss_bytes = self.peak_rss_bytes.max(rss);
        self.threads.iter_mut().for_each(Working::look);
    }

    /// What it took over the time that it published.
    pub fn end(&mut self, published_for: Duration) -> Generator {
        self.look();
        let now = process::now(std::process::id()).unwrap_or_default();
        let span = published_for.as_secs_f64().max(0.001);
        let busy = self.threads.iter().map(|working| {
            let spent = working.last.saturating_sub(working.before);
            (working.thread.name.clone(), spent.as_secs_f64() / span)
        });
        Generator {
            busy: busy.collect(),
            cpu_us: now.cpu_us.saturating_sub(self.cpu_us),
            rss_a_stream: self.rss_a_stream,
            peak_rss_bytes: self.peak_rss_bytes.max(now.rss_bytes),
        }
    }
}

/// A thread, with its CPU time at the begin and when last seen: one that is done can be seen no more.
struct Working {
    thread: Thread,
    before: Duration,
    last: Duration,
}

impl Working {
    fn begin(thread: Thread) -> Option<Self> {
        let before = thread.cpu()?;
        Some(Self { thread, before, last: before })
    }

    fn look(&mut self) {
        self.last = self.thread.cpu().unwrap_or(self.last);
    }
}

/// Sums at the last look, so that a second has what came within it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    pub sent: u64,
    pub answered: u64,
    pub delivered: u64,
}

impl Sums {
    /// The second that ends now.
    pub fn second(
        &mut self,
        at_s: f64,
        open: u64,
        now: Sums,
        lately: &Histogram<u64>,
        server: Option<ServerNow>,
    ) -> Second {
        let before = std::mem::replace(self, now);
        let at = |quantile: f64| (!lately.is_empty()).then(|| lately.value_at_quantile(quantile));
        Second {
            at_s,
            open,
            sent: now.sent - before.sent,
            answered: now.answered - before.answered,
            delivered: now.delivered - before.delivered,
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: at(1.0),
            server,
        }
    }
}
