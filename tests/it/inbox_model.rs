//! Faults row 48: random creates, marks and removals on one inbox, with devices whose links are cut anywhere, against a
//! model. A steady device is equal at every step, the others once all is quiet.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::wire::api::{Changed, Published, PublishedAll};
use lumen_inbox::wire::event::ItemData;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::support::chaos::{Chaos, Mode};
use crate::support::follower::Follower;
use crate::support::http::{Answer, Api, ok};
use crate::support::model::{Missing, Model, Outcome};
use crate::support::ops::{Op, ops};
use crate::support::server::Server;

/// Devices with a breaking link, beside the steady one.
const BREAKING: usize = 2;
const OPS: usize = 60;
const CASES: u32 = 64;
/// Rows that some inboxes begin with, so that what a device missed is several pages.
const LARGE: usize = 230;

#[test]
fn every_device_shows_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    let users = AtomicUsize::new(0);
    let config = ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&(prop::bool::weighted(0.3), ops(BREAKING, OPS)), |(large, ops)| {
            let user = format!("u{}", users.fetch_add(1, Ordering::Relaxed));
            runtime.block_on(async {
                let mut case = Case::begin(&server, &user).await;
                if large {
                    case.fill().await;
                }
                case.run(ops).await;
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(server.stop());
}

struct Case {
    producer: Api,
    api: Api,
    user: String,
    model: Model,
    made: Vec<NotificationId>,
    steady: Follower,
    breaking: Vec<(Chaos, Follower)>,
}

impl Case {
    async fn begin(server: &Server, user: &str) -> Self {
        let mut breaking = Vec::new();
        for _ in 0..BREAKING {
            let chaos = Chaos::start(server.addr()).await;
            let follower = follower(server, user, chaos.addr()).await;
            breaking.push((chaos, follower));
        }
        Self {
            producer: server.api().clone(),
            api: server.user(user),
            user: user.to_owned(),
            model: Model::default(),
            made: Vec::new(),
            steady: follower(server, user, server.addr()).await,
            breaking,
        }
    }

    async fn fill(&mut self) {
        let contents: Vec<String> = (0..LARGE).map(|n| n.to_string()).collect();
        let draft = |content| json!({"user": self.user, "type": "like", "content": content});
        let drafts: Vec<_> = contents.iter().map(draft).collect();
        let all: PublishedAll = ok(self.producer.batch(&drafts).await);
        for (row, content) in all.results.iter().zip(&contents) {
            self.made.push(row.id);
            self.model.create(row.id, content);
        }
    }

    async fn run(mut self, ops: Vec<Op>) {
        for op in ops {
            self.step(op).await;
            let head = self.model.head();
            self.steady.until(|device| device.at() >= head).await;
            assert_shows(&self.steady, &self.model);
        }
        for (chaos, follower) in &mut self.breaking {
            chaos.for_new(Mode::Pass);
            chaos.for_open(Mode::Pass);
            follower.assert_shows_the_truth().await;
            assert_shows(follower, &self.model);
        }
        let counts: Counts = ok(self.api.counts().await);
        assert_eq!(counts, self.model.counts());
    }

    async fn step(&mut self, op: Op) {
        let Case { api, model, made, .. } = self;
        match op {
            Op::Create => {
                let content = format!("{}", made.len());
                let published: Published = self.producer.publish(&self.user, &content).await;
                made.push(published.id);
                let outcome = model.create(published.id, &content);
                assert_eq!((Some(published.rev), published.unread_count), (outcome.rev, outcome.counts.unread));
            }
            Op::Read(pick) => {
                let Some(id) = pick.of(made) else { return };
                answers(api.read(id).await, model.read(*id));
            }
            Op::Unread(pick) => {
                let Some(id) = pick.of(made) else { return };
                answers(api.unread(id).await, model.unread(*id));
            }
            Op::Delete(pick) => {
                let Some(id) = pick.of(made) else { return };
                answers(api.delete(id).await, model.delete(*id));
            }
            Op::ReadIds(picks) => {
                let ids: Vec<_> = picks.iter().filter_map(|pick| pick.of(made).copied()).collect();
                answers(api.read_ids(&ids).await, Ok(model.read_ids(&ids)));
            }
            Op::ReadUpTo(up_to) => {
                let rev = up_to.rev(model.head());
                answers(api.read_up_to(rev).await, Ok(model.read_up_to(rev)));
            }
            Op::ReadAll => answers(api.read_all().await, Ok(model.read_all())),
            Op::Seen(up_to) => {
                let rev = up_to.rev(model.head());
                answers(api.seen(rev).await, Ok(model.seen(rev)));
            }
            Op::Cut { device, place, end } => self.breaking[device].0.for_open(Mode::Cut(place, end)),
            Op::Stall { device } => self.breaking[device].0.for_open(Mode::Stall),
            Op::Resume { device } => {
                let (chaos, follower) = &mut self.breaking[device];
                chaos.for_open(Mode::Pass);
                follower.assert_shows_the_truth().await;
            }
            Op::Reconnect { device, mode } => {
                let (chaos, follower) = &mut self.breaking[device];
                chaos.cut_all();
                chaos.for_next(mode);
                follower.come_back().await;
            }
        }
    }
}

/// A device that begins with all that is there, also when its first connection brings it nothing.
async fn follower(server: &Server, user: &str, by: SocketAddr) -> Follower {
    let mut opening = server.opening(user).last_event_id_in_query("000000-0");
    opening.move_to(by);
    Follower::open(user, opening, server.user(user)).await
}

fn answers(answer: Answer, outcome: Result<Outcome, Missing>) {
    match outcome {
        Ok(outcome) => {
            let changed: Changed = ok(answer);
            assert_eq!((changed.changed, changed.counts), (outcome.changed, outcome.counts));
        }
        Err(Missing) => assert_eq!(answer.0, 404, "{}", answer.1),
    }
}

fn assert_shows(follower: &Follower, model: &Model) {
    let device = &follower.device;
    assert_eq!(device.violations(), Vec::<String>::new());
    let line = |item: &ItemData| (item.rev, item.data.id, item.data.content.clone(), item.data.read);
    let shown: Vec<_> = device.items().into_iter().map(line).collect();
    let right: Vec<_> =
        model.list().into_iter().map(|(rev, row)| (rev, row.id, row.content.clone(), row.read)).collect();
    assert_eq!(shown, right);
    assert_eq!(device.counts(), model.counts());
}
