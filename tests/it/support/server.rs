//! A whole server in the test's own process, on a port and a directory of its own: for paused time, a clock that is
//! turned, and rooms that are looked into.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lumen_inbox::auth::Keys;
use lumen_inbox::budget::Budget;
use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::http::{self, Address, Listener, Parts};
use lumen_inbox::hub::Hub;
use lumen_inbox::shutdown::Shutdown;
use lumen_inbox::store::Store;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::follower::Follower;
use super::http::Api;
use super::opening::Opening;
use super::patience;
use super::reader::Reader;
use super::tokens::Tokens;

/// A running server.
pub struct Server {
    pub store: Store,
    pub hub: Hub,
    pub tokens: Tokens,
    addr: SocketAddr,
    /// The producer.
    api: Api,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
    dir: Arc<TempDir>,
    config: Config,
}

impl Server {
    /// By the system's clock, in a new directory.
    pub async fn start() -> Self {
        Self::start_by(Clock::System).await
    }

    /// By this clock, in a new directory. With paused time, hold [`patience::stand_still`] too.
    pub async fn start_by(clock: Clock) -> Self {
        Self::start_as(clock, Config::defaults()).await
    }

    /// By this configuration, in a new directory.
    pub async fn start_with(config: Config) -> Self {
        Self::start_as(Clock::System, config).await
    }

    /// By this clock and configuration, in a new directory.
    pub async fn start_as(clock: Clock, config: Config) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a directory")), clock, config).await
    }

    async fn start_in(dir: Arc<TempDir>, clock: Clock, config: Config) -> Self {
        let keys = Arc::new(Keys::open(&config.auth, &dir.path().join("key")).expect("the keys"));
        let tokens = Tokens { keys, clock: clock.clone() };
        let kept = config.clone();
        let budget = Budget::new(config.buffer_bytes);
        let (store, commits) =
            Store::open(&dir.path().join("lumen.db"), config.store, clock.clone()).await.expect("the store opens");
        let hub = Hub::start(store.clone(), commits, clock.clone(), config.hub, budget.clone());
        let listener = Listener::bind(&Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))).expect("a port");
        let Ok(Address::Tcp(addr)) = listener.address() else { panic!("no address") };
        let keys = tokens.keys.clone();
        let parts = Parts { config: config.http, budget, store: store.clone(), hub: hub.clone(), keys, clock };
        let shutdown = Shutdown::default();
        let serving = tokio::spawn(http::serve(vec![listener], parts, shutdown.clone()));
        let api = Api::new(format!("http://{addr}"), tokens.producer());
        Self { store, hub, tokens, addr, api, shutdown, serving, dir, config: kept }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The database, to hold it or to look into it.
    pub fn store_path(&self) -> PathBuf {
        self.dir.path().join("lumen.db")
    }

    /// Its own key.
    pub fn key_path(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// The producer's client.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// A user's client.
    pub fn user(&self, user: &str) -> Api {
        self.api.with(self.tokens.user(user))
    }

    /// A stream of the user's, still to be opened.
    pub fn opening(&self, user: &str) -> Opening {
        Opening::new(self.addr, self.tokens.user(user))
    }

    /// A stream of the user's that starts at the head.
    pub async fn reader(&self, user: &str) -> Reader {
        self.opening(user).open().await
    }

    /// A device of the user's, over a link to `by` such as a [`super::chaos::Chaos`] in front of this server.
    pub async fn follower(&self, user: &str, by: SocketAddr) -> Follower {
        let mut opening = self.opening(user);
        opening.move_to(by);
        Follower::open(user, opening, self.user(user)).await
    }

    /// Drains it, as a signal would: every stream ends with its `close`, what is written is on disk.
    pub async fn stop(self) -> Stopped {
        self.shutdown.begin();
        self.hub.drain();
        let clock = self.tokens.clock.clone();
        let ended = patience::within(async {
            self.serving.await.expect("it serves to the end");
            self.store.close().await.expect("a disk that holds");
        });
        assert!(ended.await.is_some(), "the server does not end");
        Stopped { dir: self.dir, clock, config: self.config }
    }
}

/// What is left of a server: its directory, removed when it is dropped.
pub struct Stopped {
    dir: Arc<TempDir>,
    clock: Clock,
    config: Config,
}

impl Stopped {
    /// Another server on the same directory, on another port.
    pub async fn start(self) -> Server {
        Server::start_in(self.dir, self.clock, self.config).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::support::chaos::{Chaos, End, Kind, Mode, Where};
    use crate::support::http::ok;
    use lumen_inbox::wire::event::Event;

    #[tokio::test]
    async fn a_device_follows_it_over_a_breaking_link_and_a_restart() {
        let server = Server::start().await;
        let chaos = Chaos::start(server.addr()).await;
        // Cut behind the ready, then four times in the midst of what was missed.
        chaos.for_next(Mode::Cut(Where::Block { of: Kind::Event("ready"), nth: 1, then: 0 }, End::Close));
        let mut ada = server.follower("ada", chaos.addr()).await;
        let first = server.api().publish("ada", "one").await;
        for content in ["two", "three", "four"] {
            server.api().publish("ada", content).await;
        }
        let api = server.user("ada");
        ok::<serde_json::Value>(api.read(first.id).await);
        for nth in [2, 3, 1, 2] {
            chaos.for_next(Mode::Cut(Where::Block { of: Kind::Id, nth, then: 5 }, End::Reset));
        }
        ada.assert_shows_the_truth().await;
        assert!(chaos.counts().cut >= 3, "{:?}", chaos.counts());

        let stopped = server.stop().await;
        let server = stopped.start().await;
        chaos.point_at(server.addr());
        server.api().publish("ada", "five").await;
        ada.until(|device| device.items().len() == 5).await;
        assert_eq!(ada.device.items()[0].data.content, "five");
        assert_eq!(ada.device.violations(), Vec::<String>::new());
        server.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn its_time_is_the_tests() {
        let _still = patience::stand_still();
        let server = Server::start_by(Clock::tokio(1_795_478_400_000)).await;
        let mut reader = server.reader("ada").await;
        reader.expect_ready().await;
        server.api().publish("ada", "one").await;
        assert_eq!(reader.expect_message().await.data.created_at, "2026-11-24T00:00:00.000Z");
        for _ in 0..16 {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(reader.next().await.event, Some(Event::Ping));
        // Its connection ends once the client has closed its side too.
        let closing = async move { reader.expect_close().await };
        let (_, close) = tokio::join!(server.stop(), closing);
        assert_eq!(close.reason, "draining");
    }
}
