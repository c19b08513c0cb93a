//! Faults rows 1 and 2: the server is killed with kill -9 under publishing, again and again. Nothing that was
//! acknowledged is lost, nothing is there twice, a stream that comes back has seen everything once.

use std::collections::BTreeMap;

use lumen_inbox::clock::Clock;
use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::random;

use crate::support::chaos::Chaos;
use crate::support::child::Child;
use crate::support::follower::Follower;
use crate::support::http::Api;
use crate::support::opening::Opening;
use crate::support::publishers::Publishers;
use crate::support::tokens::Tokens;

const KILLS: usize = 200;
const PUBLISHERS: usize = 8;
const USERS: usize = 4;
/// Acknowledgements between two kills, at most; so a kill comes anywhere between a start and some full groups.
const POSTS_A_LIFE: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_nothing_and_double_nothing() {
    let mut server = Child::start().await;
    let tokens = Tokens::of(server.dir(), Clock::System);
    let api = Api::new(server.url(), tokens.producer());
    let chaos = Chaos::start(server.addr()).await;
    let link = format!("http://{}", chaos.addr());
    let mut followers = Vec::new();
    for user in 0..USERS {
        let token = tokens.user(&format!("u{user}"));
        let opening = Opening::new(chaos.addr(), token.clone());
        followers.push(Follower::open(&format!("u{user}"), opening, Api::new(link.clone(), token)).await);
    }
    let publishers = Publishers::start(PUBLISHERS, USERS, &api, server.url());

    for _ in 0..KILLS {
        publishers.further(random::within(1..=POSTS_A_LIFE) as usize).await;
        server.kill9().await;
        server.restart().await;
        chaos.point_at(server.addr());
        publishers.move_to(server.url());
    }

    let acknowledged = publishers.stop().await;
    for (user, follower) in followers.iter_mut().enumerate() {
        let user = format!("u{user}");
        follower.assert_shows_the_truth().await;
        let own = acknowledged.iter().filter(|row| row.user == user);
        let expected: BTreeMap<String, NotificationId> = own.map(|row| (row.content.clone(), row.id)).collect();
        let stored = api.at(server.url()).with(tokens.user(&user)).list_all().await;
        let contents: BTreeMap<String, NotificationId> =
            stored.items.iter().map(|item| (item.data.content.clone(), item.data.id)).collect();
        assert_eq!(contents, expected, "what was acknowledged is there, with the same id, and nothing else");
        let revs: Vec<u64> = stored.items.iter().rev().map(|item| item.rev).collect();
        assert_eq!(revs, (1..=expected.len() as u64).collect::<Vec<_>>(), "and nothing twice");
    }
}
