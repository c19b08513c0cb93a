//! Faults row 3: the power goes under 64 publishers, and the disk keeps what was fsynced, nothing else. What was
//! acknowledged is there, the database is whole, every device comes to the truth. The same harness with a disk that is
//! not asked (`synchronous=OFF`) sees losses, or it would prove nothing.

use std::time::SystemTime;

use lumen_inbox::clock::Clock;
use lumen_inbox::random;
use tempfile::TempDir;

use crate::support::chaos::Chaos;
use crate::support::child::{Child, Launch};
use crate::support::follower::Follower;
use crate::support::http::Api;
use crate::support::opening::Opening;
use crate::support::powercut::{Shim, cut};
use crate::support::publishers::{Acknowledged, Publishers};
use crate::support::stock::stored;
use crate::support::tokens::Tokens;

/// Power cuts of the suite; `scripts/power-cuts` makes more.
const CUTS: usize = 50;
const PUBLISHERS: usize = 64;
const USERS: usize = 8;
/// Acknowledgements between two cuts, at most.
const POSTS_A_LIFE: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cuts_lose_nothing_that_was_acknowledged() {
    let cuts = std::env::var("LUMEN_TEST_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(CUTS);
    let mut world = World::start(Some(random::within(0..=u64::MAX - 1)), |launch| launch).await;
    let mut followers = world.followers().await;
    let mut folded = 0;
    for cut in 1..=cuts {
        world.publishers.further(random::within(1..=POSTS_A_LIFE) as usize).await;
        folded += usize::from(world.cut_power().await);
        let missing = world.missing();
        assert!(missing.is_empty(), "cut {cut} lost {missing:?}");
        world.start_again().await;
    }
    let World { publishers, .. } = world;
    let acknowledged = publishers.stop().await;
    for follower in &mut followers {
        follower.assert_shows_the_truth().await;
    }
    assert!(folded * 10 >= cuts, "only {folded} of {cuts} lives had the log folded into the database");
    eprintln!("power cuts: {cuts}, {folded} of lives with a checkpoint, {} acknowledged, 0 lost", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fsync_the_same_harness_sees_losses() {
    // Without a seed, so that what is left of the database is nothing, and not something damaged.
    let mut world = World::start(None, |launch| launch.env("POWERCUT_DEAF", "lumen.db")).await;
    world.publishers.further(200).await;
    world.cut_power().await;
    assert!(!world.missing().is_empty());
}

/// A server on a disk that forgets, and its publishers.
struct World {
    server: Child,
    image: TempDir,
    tokens: Tokens,
    chaos: Chaos,
    publishers: Publishers,
    /// Acknowledged when the power went.
    acknowledged: Vec<Acknowledged>,
    /// What [`World::written`] was as this life began.
    began: (SystemTime, u64),
}

impl World {
    async fn start(seed: Option<u64>, with: impl FnOnce(Launch) -> Launch) -> Self {
        let image = tempfile::tempdir().unwrap();
        let launch = Launch::new();
        let variables = Shim::build().variables(launch.dir(), image.path(), seed);
        let launch = variables.into_iter().fold(with(launch), |launch, (name, value)| launch.env(name, value));
        let server = launch.start().await;
        let tokens = Tokens::of(server.dir(), Clock::System);
        let api = Api::new(server.url(), tokens.producer());
        let publishers = Publishers::start(PUBLISHERS, USERS, &api, server.url());
        let chaos = Chaos::start(server.addr()).await;
        Self { server, image, tokens, chaos, publishers, acknowledged: Vec::new(), began: (SystemTime::UNIX_EPOCH, 0) }
    }

    /// A device of each user, from the start.
    async fn followers(&self) -> Vec<Follower> {
        let mut followers = Vec::new();
        for user in 0..USERS {
            let token = self.tokens.user(&format!("u{user}"));
            let opening = Opening::new(self.chaos.addr(), token.clone()).last_event_id_in_query("000000-0");
            let api = Api::new(format!("http://{}", self.chaos.addr()), token);
            followers.push(Follower::open(&format!("u{user}"), opening, api).await);
        }
        followers
    }

    /// Whether the database file was written to in the life that ends so, which is what a checkpoint does.
    async fn cut_power(&mut self) -> bool {
        self.server.kill9().await;
        let folded = self.written() != self.began;
        // Whoever has an answer has it from before the cut: all of these must be there.
        self.acknowledged = self.publishers.acknowledged();
        cut(self.server.dir(), self.image.path());
        self.began = self.written();
        folded
    }

    /// When the database file was written to, and how long it is.
    fn written(&self) -> (SystemTime, u64) {
        let facts = self.server.dir().join("lumen.db").metadata().unwrap();
        (facts.modified().unwrap(), facts.len())
    }

    async fn start_again(&mut self) {
        self.server.restart().await;
        self.chaos.point_at(self.server.addr());
        self.publishers.move_to(self.server.url());
    }

    /// What was acknowledged and is not on the disk.
    fn missing(&self) -> Vec<Acknowledged> {
        let Some(stored) = stored(self.server.dir()) else { return self.acknowledged.clone() };
        let is_missing = |row: &&Acknowledged| stored.get(&row.content) != Some(&row.id);
        self.acknowledged.iter().filter(is_missing).cloned().collect()
    }
}
