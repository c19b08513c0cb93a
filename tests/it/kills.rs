//! Faults rows 1 and 2: the server is killed with kill -9 under publishing, again and again. Nothing that was
//! acknowledged is lost, nothing is there twice, a stream that comes back has seen everything once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lumen_inbox::clock::Clock;
use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::random;
use lumen_inbox::wire::api::Published;
use serde_json::json;
use tokio::sync::watch;

use crate::support::chaos::Chaos;
use crate::support::child::Child;
use crate::support::follower::Follower;
use crate::support::http::{Api, ok};
use crate::support::opening::Opening;
use crate::support::patience;
use crate::support::tokens::Tokens;

const KILLS: usize = 200;
const PUBLISHERS: usize = 8;
const USERS: usize = 4;
/// Acknowledgements between two kills, at most; so a kill comes anywhere between a start and some full groups.
const POSTS_A_LIFE: u64 = 40;

struct World {
    /// Where the server is now; a publisher whose call failed waits for the next.
    base: watch::Sender<String>,
    acknowledged: AtomicUsize,
    ended: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_nothing_and_double_nothing() {
    let mut server = Child::start().await;
    let tokens = Tokens::of(server.dir(), Clock::System);
    let world = Arc::new(World {
        base: watch::Sender::new(server.url()),
        acknowledged: AtomicUsize::new(0),
        ended: AtomicBool::new(false),
    });
    let api = Api::new(server.url(), tokens.producer());
    let publishers: Vec<_> =
        (0..PUBLISHERS).map(|number| tokio::spawn(publish(number, api.clone(), world.clone()))).collect();
    let chaos = Chaos::start(server.addr()).await;
    let link = format!("http://{}", chaos.addr());
    let mut followers = Vec::new();
    for user in 0..USERS {
        let token = tokens.user(&format!("u{user}"));
        let opening = Opening::new(chaos.addr(), token.clone());
        followers.push(Follower::open(&format!("u{user}"), opening, Api::new(link.clone(), token)).await);
    }

    for _ in 0..KILLS {
        let goal = world.acknowledged.load(Ordering::Relaxed) + random::within(1..=POSTS_A_LIFE) as usize;
        let reached = async {
            while world.acknowledged.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        };
        patience::within(reached).await.expect("publishing goes on");
        server.kill9().await;
        server.restart().await;
        chaos.point_at(server.addr());
        world.base.send_replace(server.url());
    }
    world.ended.store(true, Ordering::Relaxed);

    let mut acknowledged: HashMap<String, BTreeMap<String, NotificationId>> = HashMap::new();
    for publisher in publishers {
        for (user, content, id) in publisher.await.unwrap() {
            acknowledged.entry(user).or_default().insert(content, id);
        }
    }
    for (user, follower) in followers.iter_mut().enumerate() {
        let user = format!("u{user}");
        follower.assert_shows_the_truth().await;
        let stored = api.at(server.url()).with(tokens.user(&user)).list_all().await;
        let contents: BTreeMap<String, NotificationId> =
            stored.items.iter().map(|item| (item.data.content.clone(), item.data.id)).collect();
        assert_eq!(contents.len(), stored.items.len(), "none is there twice");
        assert_eq!(contents, acknowledged[&user], "what was acknowledged is there, with the same id, and nothing else");
        let revs: Vec<u64> = stored.items.iter().rev().map(|item| item.rev).collect();
        assert_eq!(revs, (1..=stored.items.len() as u64).collect::<Vec<_>>());
    }
}

/// Posts one after the other, each under its own key until it is acknowledged.
async fn publish(number: usize, api: Api, world: Arc<World>) -> Vec<(String, String, NotificationId)> {
    let mut acknowledged = Vec::new();
    let mut bases = world.base.subscribe();
    for n in 0.. {
        if world.ended.load(Ordering::Relaxed) {
            break;
        }
        let user = format!("u{}", n % USERS);
        let content = format!("{number}-{n}");
        let draft = json!({"user": user, "type": "like", "content": content, "key": content});
        let id = loop {
            let base = bases.borrow_and_update().clone();
            match api.at(base).try_post(&draft).await {
                Ok(answer) => break ok::<Published>(answer).id,
                // It was killed under this call: the same draft again, to whoever comes up.
                Err(_) => patience::pause(Duration::from_millis(5)).await,
            }
        };
        world.acknowledged.fetch_add(1, Ordering::Relaxed);
        acknowledged.push((user, content, id));
    }
    acknowledged
}
