//! A server with its traffic: who gets what, a stream for each of the busiest receivers, and what must be there in the
//! end.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lumen_inbox::clock::Clock;
use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::random;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::input::Input;
use super::stream::{self, Stream};
use crate::support::chaos::{Chaos, Mode};
use crate::support::child::Child;
use crate::support::follower::Follower;
use crate::support::http::{Api, ok};
use crate::support::opening::Opening;
use crate::support::patience;
use crate::support::tokens::Tokens;

const STREAMS: usize = 200;

pub struct Site {
    pub server: Child,
    tokens: Tokens,
    input: Input,
    /// The streams, each read on until it has its messages.
    reading: HashMap<String, JoinHandle<Stream>>,
    /// Messages that streams have had.
    had: watch::Sender<usize>,
    /// What breaks.
    link: Option<Arc<Chaos>>,
}

impl Site {
    /// With the first `most` messages to send, and the streams open, over a link that breaks now and then or over none.
    pub async fn open(most: Option<usize>, breaking: bool) -> Self {
        // Each stream over a link is three sockets of this process.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        let input = Input::read(most).await;
        let server = Child::start().await;
        let tokens = Tokens::of(server.dir(), Clock::System);
        let link = if breaking { Some(Arc::new(Chaos::start(server.addr()).await)) } else { None };
        let mut site = Self { server, tokens, input, reading: HashMap::new(), had: watch::Sender::new(0), link };
        site.open_streams().await;
        site
    }

    async fn open_streams(&mut self) {
        let contents = self.input.contents();
        let mut busiest: Vec<(&str, Rev)> = contents.iter().map(|(user, all)| (*user, all.len() as Rev)).collect();
        busiest.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let addr = self.link.as_ref().map_or(self.server.addr(), |link| link.addr());
        let api = Api::new(format!("http://{addr}"), String::new());
        for (user, last) in busiest.into_iter().take(STREAMS) {
            if let Some(link) = &self.link {
                link.for_new(stream::somewhere());
            }
            let token = self.tokens.user(user);
            let follower = Follower::open(user, Opening::new(addr, token.clone()), api.with(token)).await;
            let stream = Stream::new(follower, self.link.clone());
            self.reading.insert(user.to_owned(), tokio::spawn(stream.read_to(last, self.had.clone())));
        }
    }

    pub fn rows(&self) -> usize {
        self.input.messages.len()
    }

    pub fn drafts(&self, range: Range<usize>) -> String {
        self.input.messages[range].iter().map(|message| message.draft.as_str()).collect()
    }

    pub fn name(&self) -> String {
        let Input { name, messages } = &self.input;
        let receivers = self.input.contents().len();
        format!("{} {name} messages to {receivers} receivers, {STREAMS} streams", messages.len())
    }

    /// Kills the server at some moment after the first of these messages, and starts it again where it was.
    pub async fn kill_within(&mut self, part: Range<usize>) {
        let before = self.due(0..part.start);
        let half = self.due(part.start..part.start.midpoint(part.end));
        let goal = before + random::within(1..=half as u64) as usize;
        let reached = patience::within(self.had.subscribe().wait_for(|had| *had >= goal)).await.is_some();
        assert!(reached, "streams have had {} messages, and {goal} were sent", *self.had.borrow());
        // Else it would always be just behind a commit.
        patience::pause(Duration::from_micros(random::within(0..=10_000))).await;
        self.server.restart_in_place().await;
    }

    /// How many of these messages are for those who have streams.
    fn due(&self, part: Range<usize>) -> usize {
        self.input.messages[part].iter().filter(|message| self.reading.contains_key(&message.to)).count()
    }

    /// Waits for `future` for as long as messages still come.
    pub async fn while_it_moves<T>(&self, future: impl Future<Output = T>) -> T {
        let mut had = self.had.subscribe();
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                out = &mut future => return out,
                moved = patience::within(had.changed()) => {
                    assert!(moved.is_some(), "nothing moves any more; streams have had {}", *had.borrow());
                }
            }
        }
    }

    /// Ends everything, and sees that each inbox and each stream has had exactly its messages: how often each stream was
    /// opened.
    ///
    /// # Panics
    /// When anything is missing, doubled, out of order or wrongly counted.
    pub async fn assert_all_is_there(mut self) -> Vec<usize> {
        self.assert_inboxes().await;
        let mut streams = HashMap::new();
        for (user, reading) in std::mem::take(&mut self.reading) {
            let stream = self.while_it_moves(reading).await.expect("a stream that was read on");
            streams.insert(user, stream);
        }
        if let Some(link) = &self.link {
            link.for_new(Mode::Pass);
            join_all(streams.values_mut().map(Stream::come_back_for_nothing)).await;
        }
        self.server.terminate();
        let contents = self.input.contents();
        let mut openings = Vec::new();
        for (user, mut stream) in streams {
            stream.read_to_the_end().await;
            stream.assert_had(&user, &contents[user.as_str()]);
            openings.push(stream.openings());
        }
        assert!(self.server.wait().await.status.success());
        openings
    }

    async fn assert_inboxes(&self) {
        let api = Api::new(self.server.url(), String::new());
        for (user, contents) in self.input.contents() {
            let api = api.with(self.tokens.user(user));
            let number = contents.len() as u64;
            let counts: Counts = ok(api.counts().await);
            assert_eq!(counts, Counts { unread: number, unseen: number, rev: number }, "of {user}");
            let listed = api.list_all().await;
            let stored: Vec<&str> = listed.items.iter().rev().map(|item| item.data.content.as_str()).collect();
            assert_eq!(stored, contents, "in the inbox of {user}");
        }
    }
}
