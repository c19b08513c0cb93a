//! Faults row 48: whatever happens to an inbox and to the links of its devices, each device shows what a model of the
//! inbox says: one device after every step, all of them once their links are whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::ids::{NotificationId, Rev, UserId};
use lumen_inbox::domain::notification::Key;
use lumen_inbox::hub;
use lumen_inbox::store::{self, Retracted, Store};
use lumen_inbox::wire::api::{Changed, Published, PublishedAll};
use lumen_inbox::wire::event::{Event, ItemData};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::chaos::{Chaos, Mode};
use crate::support::follower::Follower;
use crate::support::http::{Answer, Api, ok};
use crate::support::model::{Missing, Model, Outcome};
use crate::support::opening::Opening;
use crate::support::ops::{Op, ops};
use crate::support::server::Server;
use crate::support::shelf::NOON;

/// The link of the first is never broken.
const DEVICES: usize = 3;
/// A page of catch-up has a hundred.
const MANY: usize = 130;
/// Rows that an inbox has after a sweep at the most.
const INBOX_ROWS: usize = 160;
/// The life of rows that have an end: longer than any case takes.
const LIFE_S: u64 = 600;
/// Longer than all the lives that are turned over.
const TOKEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// An inbox as it is and as it ought to be.
struct Inbox {
    user: String,
    id: UserId,
    store: Store,
    clock: Clock,
    producer: Api,
    api: Api,
    model: Model,
    made: Vec<NotificationId>,
}

/// A device with a link of its own.
struct Device {
    chaos: Chaos,
    follower: Follower,
    stalled: bool,
    /// It stands in an inbox that is no more, and may not know it yet.
    erased: bool,
    /// It comes back while the next operation is done, so that the two meet.
    coming_back: Option<Mode>,
}

impl Inbox {
    fn new(server: &Server, user: &str) -> Self {
        let api = server.api().with(server.tokens.user_for(user, TOKEN));
        Self {
            user: user.to_owned(),
            id: user.parse().unwrap(),
            store: server.store.clone(),
            clock: server.tokens.clock.clone(),
            producer: server.api().with(server.tokens.producer_for(TOKEN)),
            api,
            model: Model::default(),
            made: Vec::new(),
        }
    }

    async fn play(&mut self, op: &Op) {
        match op {
            Op::Create => self.create(1).await,
            Op::CreateMany => self.create(MANY).await,
            Op::CreateMortal => {
                let content = format!("n{}", self.made.len());
                let Published { id, rev, .. } = self.post(&content, "ttl_s", json!(LIFE_S)).await;
                assert_eq!(Some(rev), self.model.create_mortal(id, &content).rev);
                self.made.push(id);
            }
            Op::CreateKeyed(key) => self.create_keyed(&format!("k{key}")).await,
            Op::Retract(key) => {
                let key = format!("k{key}");
                let ought = self.model.retract(&key);
                let retracted = self.store.retract(self.id.clone(), Key::parse(&key).unwrap()).await;
                assert_eq!(retracted, Ok(Retracted { removed: ought.rev.is_some(), counts: ought.counts }));
            }
            Op::LivesEnd => {
                let Clock::Tokio { skew, .. } = &self.clock else { panic!("a clock that can be turned") };
                skew.fetch_add(LIFE_S as i64 * 1_000 + 1, Ordering::Relaxed);
                self.sweep(true).await;
            }
            Op::Sweep => self.sweep(false).await,
            Op::Erase => {
                let was_there = self.store.erase(self.id.clone()).await;
                assert_eq!(was_there, Ok(self.model != Model::default()));
                self.model = Model::default();
            }
            Op::Read(pick) => {
                let Some(&id) = pick.of(&self.made) else { return };
                let ought = self.model.read(id);
                self.expect(self.api.read(id).await, ought);
            }
            Op::Unread(pick) => {
                let Some(&id) = pick.of(&self.made) else { return };
                let ought = self.model.unread(id);
                self.expect(self.api.unread(id).await, ought);
            }
            Op::Delete(pick) => {
                let Some(&id) = pick.of(&self.made) else { return };
                let ought = self.model.delete(id);
                self.expect(self.api.delete(id).await, ought);
            }
            Op::ReadIds(picks) => {
                let ids: Vec<_> = picks.iter().filter_map(|pick| pick.of(&self.made).copied()).collect();
                let ought = self.model.read_ids(&ids);
                self.expect(self.api.read_ids(&ids).await, Ok(ought));
            }
            Op::ReadUpTo(up_to) => {
                let rev = up_to.rev(self.model.head());
                let ought = self.model.read_up_to(rev);
                self.expect(self.api.read_up_to(rev).await, Ok(ought));
            }
            Op::ReadAll => {
                let ought = self.model.read_all();
                self.expect(self.api.read_all().await, Ok(ought));
            }
            Op::Seen(up_to) => {
                let rev = up_to.rev(self.model.head());
                let ought = self.model.seen(rev);
                self.expect(self.api.seen(rev).await, Ok(ought));
            }
            Op::Cut { .. } | Op::Reconnect { .. } | Op::Stall { .. } | Op::Resume { .. } => {}
        }
    }

    async fn create(&mut self, number: usize) {
        let contents: Vec<_> = (0..number).map(|n| format!("n{}", self.made.len() + n)).collect();
        let drafts: Vec<_> =
            contents.iter().map(|text| json!({"user": self.user, "type": "like", "content": text})).collect();
        let PublishedAll { results } = ok(self.producer.batch(&drafts).await);
        assert_eq!(results.len(), number);
        for (published, content) in results.iter().zip(&contents) {
            let ought = self.model.create(published.id, content);
            assert_eq!((Some(published.rev), published.duplicate), (ought.rev, false));
            self.made.push(published.id);
        }
        assert_eq!(results[number - 1].unread_count, self.model.counts().unread);
    }

    async fn post(&self, content: &str, field: &str, value: Value) -> Published {
        let mut draft = json!({"user": self.user, "type": "like", "content": content});
        draft[field] = value;
        ok(self.producer.post(&draft).await)
    }

    async fn create_keyed(&mut self, key: &str) {
        let Published { id, rev, unread_count, duplicate, .. } = self.post(key, "key", json!(key)).await;
        match self.model.holder(key) {
            Some(holder) => assert_eq!((id, duplicate), (holder, true)),
            None => {
                self.model.create_keyed(id, key, key);
                self.made.push(id);
                assert!(!duplicate);
            }
        }
        assert_eq!((rev, unread_count), (self.model.head(), self.model.counts().unread));
    }

    async fn sweep(&mut self, lives_end: bool) {
        while self.store.sweep().await.unwrap().more {}
        let ought = self.model.sweep(lives_end, INBOX_ROWS);
        assert_eq!(self.store.counts(&self.id).await, Ok(ought.counts));
    }

    fn expect(&self, answer: Answer, ought: Result<Outcome, Missing>) {
        match ought {
            Ok(Outcome { changed, counts, .. }) => assert_eq!(ok::<Changed>(answer), Changed { changed, counts }),
            Err(Missing) => assert_eq!(answer.0, 404, "{}", answer.1),
        }
    }

    fn assert_model<'a>(&self, items: impl Iterator<Item = &'a ItemData>, counts: Counts) {
        let shown: Vec<_> = items.map(|i| (i.rev, i.data.id, i.data.content.as_str(), i.data.read)).collect();
        let ought: Vec<(Rev, _, _, _)> =
            self.model.list().into_iter().map(|(rev, row)| (rev, row.id, row.content.as_str(), row.read)).collect();
        assert_eq!((shown, counts), (ought, self.model.counts()));
    }
}

impl Device {
    async fn of(server: &Server, user: &str) -> Self {
        let chaos = Chaos::start(server.addr()).await;
        let token = server.tokens.user_for(user, TOKEN);
        let follower = Follower::open(user, Opening::new(chaos.addr(), token.clone()), server.api().with(token)).await;
        Self { chaos, follower, stalled: false, coming_back: None, erased: false }
    }

    /// What an operation does to its link.
    fn play(&mut self, op: &Op) {
        match op {
            Op::Cut { place, end, .. } => self.chaos.for_open(Mode::Cut(*place, *end)),
            Op::Stall { .. } => self.stall(true),
            Op::Resume { .. } => self.stall(false),
            Op::Reconnect { mode, .. } => self.coming_back = Some(*mode),
            _ => {}
        }
    }

    fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        self.chaos.for_open(if stalled { Mode::Stall } else { Mode::Pass });
    }

    async fn come_back_if_due(&mut self) {
        if let Some(mode) = self.coming_back.take() {
            (self.stalled, self.erased) = (false, false);
            self.chaos.cut_all();
            self.chaos.for_next(mode);
            self.follower.come_back().await;
        }
    }

    /// Reads up to there, or as far as its link goes.
    async fn look(&mut self, head: Rev) {
        if !self.stalled {
            self.follower.until_or_end(|device| device.is_open() && device.at() >= head).await;
        }
        assert_eq!(self.follower.device.violations(), Vec::<String>::new());
    }

    /// Is told by its whole link that its inbox is no more, and finds the new one empty.
    async fn is_erased(&mut self) {
        self.follower.until_or_end(|_| false).await;
        let last = self.follower.reader.received().last().and_then(|received| received.event.as_ref());
        assert!(matches!(last, Some(Event::Close(close)) if close.reason == "erased"), "{last:?}");
        self.follower.come_back().await;
        self.follower.until(|device| device.is_open() && !device.needs_list()).await;
    }

    /// Has its link whole from now on.
    async fn heal(&mut self) {
        if self.erased {
            self.coming_back = Some(Mode::Pass);
        }
        self.come_back_if_due().await;
        self.chaos.for_new(Mode::Pass);
        self.chaos.for_open(Mode::Pass);
        self.follower.assert_shows_the_truth().await;
    }
}

async fn play(server: &Server, user: &str, ops: &[Op]) {
    let mut inbox = Inbox::new(server, user);
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(Device::of(server, user).await);
    }
    for op in ops {
        let returns = join_all(devices.iter_mut().map(Device::come_back_if_due));
        tokio::join!(inbox.play(op), returns);
        if let Some(device) = op.device() {
            devices[device + 1].play(op);
        }
        if *op == Op::Erase {
            devices[0].is_erased().await;
            devices[1..].iter_mut().for_each(|device| device.erased = true);
        }
        for device in &mut devices {
            device.look(inbox.model.head()).await;
        }
        let first = &devices[0].follower.device;
        inbox.assert_model(first.items().into_iter(), first.counts());
    }
    for device in &mut devices {
        device.heal().await;
    }
    let listed = inbox.api.list_all().await;
    inbox.assert_model(listed.items.iter(), listed.counts);
}

#[test]
fn devices_show_what_the_model_says_whatever_their_links_do() {
    static USERS: AtomicUsize = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let defaults = Config::defaults();
        let store = store::Config { inbox_rows: INBOX_ROWS as u64, ..defaults.store };
        // Only the model's sweeps.
        let hub = hub::Config { sweep_pause: TOKEN, ..defaults.hub };
        Server::start_as(Clock::tokio(NOON), Config { store, hub, ..defaults }).await
    });
    let config =
        ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&ops(DEVICES - 1, 60), |ops| {
        let case = USERS.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(async {
            // What an earlier case left would take room in this one's sweeps.
            server.store.erase(format!("u{}", case.saturating_sub(1)).parse().unwrap()).await.unwrap();
            while server.store.sweep().await.unwrap().more {}
            play(&server, &format!("u{case}"), &ops).await;
        });
        Ok(())
    });
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
}
