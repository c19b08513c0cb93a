//! A store by itself in a directory of its own, with a task that answers its callers as the announcer would.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::domain::change::{Change, Item};
use lumen_inbox::domain::cursor::{Cursor, Presented};
use lumen_inbox::domain::draft::check;
use lumen_inbox::domain::ids::{Rev, UserId};
use lumen_inbox::domain::notification::{Addressed, Key};
use lumen_inbox::store::{self, Appended, Ended, Error, ListQuery, Mark, Marked, OpenError, Opening, Retracted, Store};
use serde_json::{Value, json};

/// 2026-11-24T00:00:00Z.
pub const NOON: i64 = 1_795_478_400_000;

pub struct Shelf {
    pub store: Store,
    clock: Clock,
    told: Arc<Mutex<Vec<Told>>>,
}

/// What the announcer is told, in commit order.
#[derive(Debug, Clone)]
pub enum Told {
    Change(Change),
    Ended(Ended),
}

impl Shelf {
    pub async fn open(dir: &Path) -> Shelf {
        Shelf::try_open(dir).await.expect("the store opens")
    }

    /// One whose inboxes should have at most so many rows.
    pub async fn with_inbox_rows(dir: &Path, inbox_rows: u64) -> Shelf {
        let config = store::Config { inbox_rows, ..Config::defaults().store };
        Shelf::open_as(dir, config).await.expect("the store opens")
    }

    pub async fn try_open(dir: &Path) -> Result<Shelf, OpenError> {
        Shelf::open_as(dir, Config::defaults().store).await
    }

    async fn open_as(dir: &Path, config: store::Config) -> Result<Shelf, OpenError> {
        let clock = Clock::tokio(NOON);
        let (store, mut commits) = Store::open(&dir.join("lumen.db"), config, clock.clone()).await?;
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let tells = told.clone();
        tokio::spawn(async move {
            while let Some(commit) = commits.next().await {
                let tell = |told| tells.lock().expect("nobody panicked with it").push(told);
                let offer = |change: &Change| {
                    tell(Told::Change(change.clone()));
                    0
                };
                let end = |ended: &Ended| {
                    tell(Told::Ended(ended.clone()));
                    0
                };
                commit.tell(offer, end);
            }
        });
        Ok(Shelf { store, clock, told })
    }

    /// What was told since this was last asked.
    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().expect("nobody panicked with it"))
    }

    /// Moves the wall clock.
    pub fn skew(&self, millis: i64) {
        let Clock::Tokio { skew, .. } = &self.clock else { panic!("a clock that can be moved") };
        skew.fetch_add(millis, Ordering::Relaxed);
    }

    pub async fn append(&self, drafts: Vec<Value>) -> Result<Vec<Appended>, Error> {
        self.store.append(drafts.into_iter().map(addressed).collect()).await
    }

    /// One notification for `user` that says `content`.
    pub async fn post(&self, user: &str, content: &str) -> Appended {
        self.append(vec![draft(user, content)]).await.expect("stored").remove(0)
    }

    pub async fn mark(&self, user: &str, mark: Mark) -> Marked {
        self.store.mark(id(user), mark, None).await.expect("marked")
    }

    pub async fn retract(&self, user: &str, key: &str) -> Retracted {
        self.store.retract(id(user), Key::parse(key).expect("a key")).await.expect("retracted")
    }

    /// Sweeps until there is no more: how many rows each step took.
    pub async fn sweep(&self) -> Vec<u64> {
        let mut steps = Vec::new();
        loop {
            let swept = self.store.sweep().await.expect("swept");
            steps.push(swept.rows);
            if !swept.more {
                return steps;
            }
        }
    }

    /// Everything in the inbox, oldest first.
    pub async fn items(&self, user: &str) -> Vec<Item> {
        let query = ListQuery { limit: 100_000, ..ListQuery::default() };
        let mut items = self.store.list(&id(user), query).await.expect("listed").items;
        items.reverse();
        items
    }

    pub async fn open_at(&self, user: &str, cursor: Cursor) -> Opening {
        self.store.open_at(&id(user), Presented::Cursor(cursor), 0).await.expect("opened")
    }

    pub async fn head(&self, user: &str) -> Cursor {
        let query = ListQuery { limit: 1, ..ListQuery::default() };
        self.store.list(&id(user), query).await.expect("listed").cursor
    }

    /// Reads on from `rev` to the head, page by page: the revs told.
    pub async fn revs_after(&self, user: &str, mut rev: Rev) -> Vec<Rev> {
        let mut revs = Vec::new();
        loop {
            let page = self.store.page_after(&id(user), rev).await.expect("a page");
            revs.extend(page.entries.iter().map(|entry| entry.rev()));
            if !page.more {
                return revs;
            }
            rev = *revs.last().expect("a page that stopped at a limit has an entry");
        }
    }

    /// The counts, after checking that they are what the rows add up to.
    pub async fn counts(&self, user: &str) -> (u64, u64, Rev) {
        let counts = self.store.counts(&id(user)).await.expect("counted");
        let unread = self.items(user).await.iter().filter(|item| !item.read).count() as u64;
        assert_eq!(counts.unread, unread, "the badge of {user} is the number of its unread rows");
        assert!(counts.unseen <= counts.unread);
        (counts.unread, counts.unseen, counts.rev)
    }
}

pub fn id(user: &str) -> UserId {
    user.parse().expect("a user id")
}

pub fn draft(user: &str, content: &str) -> Value {
    json!({"user": user, "type": "like", "content": content})
}

pub fn keyed(user: &str, content: &str, key: &str) -> Value {
    json!({"user": user, "type": "like", "content": content, "key": key})
}

/// One that lives so many seconds.
pub fn lasting(user: &str, content: &str, ttl_s: u64) -> Value {
    json!({"user": user, "type": "like", "content": content, "ttl_s": ttl_s})
}

pub fn addressed(draft: Value) -> Addressed {
    check(draft).expect("a good draft")
}

/// The text of an item's content.
pub fn content(item: &Arc<Item>) -> String {
    let body: Value = serde_json::from_str(item.body.as_str()).expect("a body is JSON");
    body["content"].as_str().expect("a content").to_owned()
}
