//! The account of a run: what came in each second, and what the server and this process took meanwhile.

use std::time::Instant;

use hdrhistogram::Histogram;

use super::busy::Thread;
use super::measured::{Generator, Second, ServerUse};
use super::probe::{Own, Server, Sums};
use super::process;

pub struct Account {
    pub server: Server,
    seen: ServerUse,
    rss_before: u64,
    own: Option<Own>,
    sums: Sums,
    seconds: Vec<Second>,
}

/// An account that is closed.
pub struct Closed {
    pub seconds: Vec<Second>,
    pub generator: Generator,
    pub server: Option<ServerUse>,
}

impl Account {
    /// Before the first stream, with everything there that is no stream's.
    pub fn open(server: Option<u32>) -> Self {
        let mut server = Server::watch(server);
        let seen = ServerUse { before_streams: server.look(), ..ServerUse::default() };
        let rss_before = process::now(std::process::id()).map_or(0, |now| now.rss_bytes);
        Self { server, seen, rss_before, own: None, sums: Sums::default(), seconds: Vec::new() }
    }

    pub fn latest(&self) -> Option<&Second> {
        self.seconds.last()
    }

    /// The next full second that has to be noted.
    pub fn due(&self) -> f64 {
        self.seconds.last().map_or(0.0, |second| second.at_s.round() + 1.0)
    }

    /// Notes the second that ends `at`.
    pub fn note(&mut self, at: f64, open: u64, now: Sums, lately: &Histogram<u64>) {
        let server = self.server.look();
        self.seconds.push(self.sums.second(at, open, now, lately, server));
        if let Some(own) = &mut self.own {
            own.look();
        }
    }

    /// The seconds until now were before the first message.
    pub fn is_opened(&mut self) {
        let opened = self.due();
        self.seconds.iter_mut().for_each(|second| second.at_s -= opened);
    }

    /// What the server and these threads take counts from now on.
    pub fn begin(&mut self, threads: Vec<Thread>, streams: u32) {
        self.seen.all_open = self.server.look();
        self.own = Some(Own::begin(threads, self.rss_before, streams));
    }

    /// No message is due any more.
    pub fn is_published(&mut self, now: Instant) {
        self.seen.published = self.server.look();
        if let Some(own) = &mut self.own {
            own.published(now);
        }
    }

    pub fn close(mut self) -> Closed {
        self.seen.end = self.server.look();
        Closed {
            seconds: self.seconds,
            generator: self.own.map(Own::end).unwrap_or_default(),
            server: self.server.is_seen().then(|| self.server.summed_up(self.seen)),
        }
    }
}
