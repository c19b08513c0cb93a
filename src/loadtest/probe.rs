//! Looks at everything once a second: what the threads count, and what the processes take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::busy::Thread;
use super::measured::{Generator, SHORT, Second, ServerNow, ServerUse};
use super::process;

/// The server's process, which may be another after a restart.
#[derive(Debug, Default)]
pub struct Server {
    pid: Option<u32>,
    /// CPU time of the processes before this one, and of this one when last seen.
    past_us: u64,
    last_us: u64,
    /// That of what this process had started before it watched, and that was gone.
    others_us: u64,
    peak_rss_bytes: u64,
    peak_descriptors: Option<u64>,
}

impl Server {
    pub fn watch(pid: Option<u32>) -> Self {
        Self { pid, others_us: process::gone_us().unwrap_or(0), ..Self::default() }
    }

    /// From now on it is this process, and the one before it, which this process had started, is gone.
    pub fn is_now(&mut self, pid: u32) {
        self.pid = Some(pid);
        let seen = self.past_us + std::mem::take(&mut self.last_us);
        // What it took after it was last seen, to end, is known only now.
        let all = process::gone_us().map_or(0, |gone| gone.saturating_sub(self.others_us));
        self.past_us = seen.max(all);
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

    /// The same over the run, with its peaks.
    pub fn summed_up(&self, seen: ServerUse) -> ServerUse {
        ServerUse { peak_rss_bytes: self.peak_rss_bytes, peak_descriptors: self.peak_descriptors, ..seen }
    }
}

/// This process, from the first message on.
pub struct Own {
    begun: Instant,
    threads: Vec<Working>,
    unseen: Vec<String>,
    busy: BTreeMap<String, f64>,
    cpu_us: u64,
    rss_a_stream: u64,
    peak_rss_bytes: u64,
}

impl Own {
    /// Begins to count: `rss_before` is the memory before the first of so many streams.
    pub fn begin(threads: Vec<Thread>, rss_before: u64, streams: u32) -> Self {
        let now = process::now(std::process::id()).unwrap_or_default();
        let (seen, unseen): (Vec<Thread>, _) = threads.into_iter().partition(|thread| thread.cpu().is_some());
        Self {
            begun: Instant::now(),
            threads: seen.into_iter().filter_map(Working::begin).collect(),
            unseen: unseen.into_iter().map(|thread| thread.name).collect(),
            busy: BTreeMap::new(),
            cpu_us: now.cpu_us,
            rss_a_stream: now.rss_bytes.saturating_sub(rss_before) / u64::from(streams.max(1)),
            peak_rss_bytes: now.rss_bytes,
        }
    }

    pub fn look(&mut self) {
        let rss = process::now(std::process::id()).map_or(0, |now| now.rss_bytes);
        self.peak_rss_bytes = self.peak_rss_bytes.max(rss);
        self.threads.iter_mut().for_each(Working::look);
    }

    /// No message is due any more: what the threads did until now is held against the time until now.
    pub fn published(&mut self, now: Instant) {
        let span = now.saturating_duration_since(self.begun);
        if span >= SHORT {
            self.look();
            let share = |working: &Working| working.spent().as_secs_f64() / span.as_secs_f64();
            self.busy = self.threads.iter().map(|working| (working.thread.name.clone(), share(working))).collect();
        }
    }

    /// What it took until now.
    pub fn end(mut self) -> Generator {
        self.look();
        let now = process::now(std::process::id()).unwrap_or_default();
        Generator {
            busy: self.busy,
            unseen: self.unseen,
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

    fn spent(&self) -> Duration {
        self.last.saturating_sub(self.before)
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// The account of this thread, and of one that has not told which it is.
    fn own() -> Own {
        let (thread, name) = Thread::waiting("mine".to_owned());
        name.tell();
        Own::begin(vec![thread, Thread::waiting("unseen".to_owned()).0], 0, 1)
    }

    fn burn(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::black_box(begun);
        }
    }

    #[test]
    fn what_threads_do_after_the_last_message_makes_them_no_busier() {
        let mut own = own();
        own.published(own.begun + 2 * SHORT);
        let busy = own.busy.clone();
        burn(Duration::from_millis(30));
        own.look();
        let generator = own.end();
        assert_eq!((generator.busy, generator.unseen), (busy.clone(), vec!["unseen".to_owned()]));
        assert!(busy["mine"] < 1.0, "{busy:?}");
    }

    #[test]
    fn what_threads_did_is_held_against_the_time_that_passed() {
        let mut own = own();
        burn(Duration::from_millis(30));
        own.published(own.begun + SHORT);
        let short = own.busy["mine"];
        own.published(own.begun + 1_000 * SHORT);
        assert!(short > 0.0 && own.busy["mine"] < short / 10.0, "{short} and {:?}", own.busy);
    }

    #[test]
    fn a_time_that_is_too_short_makes_nobody_busy() {
        let mut own = own();
        burn(Duration::from_millis(5));
        own.published(own.begun + SHORT - Duration::from_millis(1));
        assert_eq!(own.end().busy, BTreeMap::new());
    }

    #[test]
    fn a_server_that_is_gone_took_what_it_took_to_the_end() {
        let busy = "read go; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let mut child = Command::new("sh").args(["-c", busy]).stdin(Stdio::piped()).spawn().unwrap();
        let mut server = Server::watch(Some(child.id()));
        let before = server.look().unwrap().cpu_us;
        // It goes on when it is let, and is not seen again.
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(server.look(), None);
        server.is_now(std::process::id());
        let own = process::now(std::process::id()).unwrap().cpu_us;
        assert!(server.past_us > before + 20_000, "{} and {before}", server.past_us);
        assert!(server.look().unwrap().cpu_us >= own + server.past_us);
    }
}
