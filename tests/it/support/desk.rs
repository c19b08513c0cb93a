//! A store with its hub and no HTTP: streams as the hub gives them, for what needs a clock that a test turns.

use std::path::Path;

use futures_util::{FutureExt, StreamExt};
use lumen_inbox::budget::Budget;
use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::domain::cursor::{Cursor, Presented};
use lumen_inbox::domain::ids::Millis;
use lumen_inbox::hub::{Hub, Request, Subscription};
use lumen_inbox::shutdown::Shutdown;
use lumen_inbox::store::{Appended, Mark, Marked, Store};
use lumen_inbox::wire::event::{self, Event, ReadyData};
use lumen_inbox::wire::sse::{Block, Splitter};
use serde_json::Value;

use super::patience;
use super::shelf::{NOON, addressed, draft, id};

pub struct Desk {
    pub hub: Hub,
    pub store: Store,
    pub clock: Clock,
    /// What all that waits for readers takes from.
    pub budget: Budget,
}

impl Desk {
    pub async fn open(dir: &Path) -> Desk {
        let clock = Clock::tokio(NOON);
        let config = Config::defaults();
        let (store, commits) =
            Store::open(&dir.join("lumen.db"), config.store, clock.clone()).await.expect("the store opens");
        let budget = Budget::new(config.buffer_bytes);
        let hub = Hub::start(store.clone(), commits, clock.clone(), config.hub, budget.clone());
        Desk { hub, store, clock, budget }
    }

    pub async fn append(&self, drafts: Vec<Value>) -> Vec<Appended> {
        self.store.append(drafts.into_iter().map(addressed).collect()).await.expect("stored")
    }

    pub async fn post(&self, user: &str, content: &str) -> Appended {
        self.append(vec![draft(user, content)]).await.remove(0)
    }

    pub async fn mark(&self, user: &str, mark: Mark) -> Marked {
        self.store.mark(id(user), mark, None).await.expect("marked")
    }

    /// A stream that outlives the test.
    pub fn listen(&self, user: &str, cursor: Presented) -> Listener {
        self.listen_until(user, cursor, 0, Millis::MAX)
    }

    pub fn listen_until(&self, user: &str, cursor: Presented, snapshot: usize, expires_at: Millis) -> Listener {
        let request = Request { snapshot, expires_at, ..request(user, cursor) };
        Listener {
            subscription: self.hub.subscribe(request).expect("let in"),
            splitter: Splitter::default(),
            blocks: Vec::new(),
        }
    }
}

/// What a stream that outlives the test asks for.
pub fn request(user: &str, cursor: Presented) -> Request {
    Request {
        user: id(user),
        cursor,
        snapshot: 0,
        expires_at: Millis::MAX,
        issued_at: None,
        from: None,
        counts_for_address: false,
        cut: Shutdown::default(),
    }
}

/// Reads one subscription.
pub struct Listener {
    subscription: Subscription,
    splitter: Splitter,
    blocks: Vec<Block>,
}

impl Listener {
    /// The next block, or `None` at the end.
    pub async fn next_block(&mut self) -> Option<Block> {
        while self.blocks.is_empty() {
            let bytes = patience::within(self.subscription.next()).await.expect("a frame, or the end")?;
            self.splitter.push(&bytes, &mut self.blocks).expect("an event stream");
        }
        Some(self.blocks.remove(0))
    }

    /// Whether nothing is there to be taken now.
    pub fn is_silent(&mut self) -> bool {
        if let Some(told) = self.subscription.next().now_or_never() {
            let bytes = told.expect("the stream goes on");
            self.splitter.push(&bytes, &mut self.blocks).expect("an event stream");
        }
        self.blocks.is_empty()
    }

    pub async fn next(&mut self) -> (Option<Cursor>, Event) {
        let block = self.next_block().await.expect("the stream goes on");
        let cursor = block.id.as_deref().map(|id| id.parse().expect("a cursor"));
        let data = block.data.as_deref().unwrap_or_default();
        let event =
            if block.data.is_some() { event::parse(&block.event, data).expect("an event") } else { Event::Other };
        (cursor, event)
    }

    pub async fn ready(&mut self) -> (Option<Cursor>, ReadyData) {
        match self.next().await {
            (cursor, Event::Ready(ready)) => (cursor, ready),
            other => panic!("ready, not {other:?}"),
        }
    }

    /// The revs of the next events with an id, and whether each was replayed.
    pub async fn revs(&mut self, number: usize) -> Vec<(u64, bool)> {
        let mut revs = Vec::new();
        while revs.len() < number {
            match self.next().await {
                (Some(cursor), Event::Message(message)) => revs.push((cursor.rev, message.replayed)),
                (Some(cursor), Event::Inbox(inbox)) => revs.push((cursor.rev, inbox.replayed)),
                (None, Event::Ping) => {}
                other => panic!("a change, not {other:?}"),
            }
        }
        revs
    }
}
