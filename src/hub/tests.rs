//! What only the room itself can bring about: news that got lost on the way to a mailbox, turns that are all taken.

mod admission;
mod catch_up;
mod close;
mod housekeeping;

use std::sync::mpsc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::{Config, Hub, Request, Subscription};
use crate::auth::KeyId;
use crate::budget::{Budget, Use};
use crate::clock::Clock;
use crate::domain::cursor::{Cursor, Presented};
use crate::domain::draft::check;
use crate::domain::ids::{Millis, NotificationId, Rev};
use crate::domain::limits::{CATCH_UP_READS, HEARTBEAT, LOG_ENTRIES, MAILBOX_CHANGES, PAGE_BYTES};
use crate::shutdown::Shutdown;
use crate::store::{self, Mark, Selection, Store};
use crate::wire::event::{self, CloseReason, Event};
use crate::wire::sse::{Block, Splitter};

const NOON: Millis = 1_795_478_400_000;

struct Desk {
    hub: Hub,
    store: Store,
    budget: Budget,
    _dir: tempfile::TempDir,
    /// While it lives, paused time moves only by `advance`, whatever other threads are at.
    _still: Option<mpsc::SyncSender<()>>,
}

async fn desk() -> Desk {
    desk_with(hub_config(), Budget::new(1024 * 1024)).await
}

async fn desk_with(config: Config, budget: Budget) -> Desk {
    let (still, let_go) = mpsc::sync_channel::<()>(0);
    tokio::task::spawn_blocking(move || let_go.recv());
    Desk { _still: Some(still), ..moving_desk(config, budget).await }
}

/// One whose time goes on by itself.
async fn moving_desk(config: Config, budget: Budget) -> Desk {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::tokio(NOON);
    let store_config = store::Config {
        readers: 2,
        inbox_rows: 10_000,
        max_age: Duration::from_secs(365 * 24 * 3600),
        write_timeout: Duration::from_secs(10),
    };
    let (store, commits) = Store::open(&dir.path().join("lumen.db"), store_config, clock.clone()).await.unwrap();
    let hub = Hub::start(store.clone(), commits, clock, config, budget.clone());
    Desk { hub, store, budget, _dir: dir, _still: None }
}

fn hub_config() -> Config {
    Config {
        heartbeat: HEARTBEAT,
        too_slow: Duration::from_secs(60),
        retry: Duration::from_secs(2)..=Duration::from_secs(5),
        drain_window: Duration::from_secs(10),
        streams_per_user: 32,
        streams_per_address: 256,
        streams: 1_000,
        connects_per_s: 10_000,
        sweep_pause: Duration::from_secs(30),
    }
}

impl Desk {
    fn open(&self) -> Subscription {
        self.open_at(Presented::Nothing)
    }

    fn open_at(&self, cursor: Presented) -> Subscription {
        self.hub.subscribe(Request { cursor, ..request("ada") }).unwrap()
    }

    /// Takes all turns to read, so that who must read waits.
    async fn take_all_turns(&self) -> OwnedSemaphorePermit {
        self.hub.0.catch_up.clone().acquire_many_owned(CATCH_UP_READS as u32).await.unwrap()
    }

    /// The drain reaches the streams one shard after the other.
    async fn drain(&self) {
        self.hub.drain();
        let closing = || {
            let mut all = true;
            self.hub.0.registry.for_each(|mailbox| all &= mailbox.closing().is_some());
            all
        };
        while !closing() {
            tokio::task::yield_now().await;
        }
    }

    /// Posts one notification, and says to how many streams it was handed.
    async fn post(&self) -> usize {
        let draft = check(serde_json::json!({"user": "ada", "type": "like", "content": "x"})).unwrap();
        self.store.append(vec![draft]).await.unwrap()[0].streams
    }

    /// Posts while the stream's mailbox cannot be found: the news is lost, and the row is there.
    async fn post_unheard(&self, stream: &Subscription) {
        self.hub.0.registry.remove(&stream.place.mailbox);
        self.post().await;
        self.hub.0.registry.add(&stream.place.mailbox, usize::MAX);
    }
}

/// What a stream that outlives the test asks for.
fn request(user: &str) -> Request {
    Request {
        user: user.parse().unwrap(),
        cursor: Presented::Nothing,
        snapshot: 1,
        expires_at: Millis::MAX,
        issued_at: None,
        key: KeyId::default(),
        from: None,
        counts_for_address: false,
        cut: Shutdown::default(),
    }
}

async fn advance_by_seconds(seconds: u64) {
    for _ in 0..seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
}

/// The next block that has an id or data, and is no ping.
async fn news(stream: &mut Subscription) -> Block {
    loop {
        let block = next(stream).await;
        if block.event != "ping" {
            return block;
        }
    }
}

/// The next block that has an id or data.
async fn next(stream: &mut Subscription) -> Block {
    let mut blocks = Vec::new();
    let mut splitter = Splitter::default();
    while blocks.is_empty() {
        let bytes = in_time(stream.next()).await.expect("the stream goes on");
        splitter.push(&bytes, &mut blocks).unwrap();
    }
    blocks.remove(0)
}

/// What must come long before this much real time has passed, whatever the test's own time does.
async fn in_time<T>(coming: impl Future<Output = T>) -> T {
    let (_here, gone) = mpsc::sync_channel::<()>(0);
    let alarm = tokio::task::spawn_blocking(move || gone.recv_timeout(Duration::from_secs(20)));
    tokio::select! {
        biased;
        come = coming => come,
        _ = alarm => panic!("it does not come"),
    }
}

fn rev(block: &Block) -> Rev {
    block.id.as_deref().unwrap().split_once('-').unwrap().1.parse().unwrap()
}

/// A change that is lost on its way would be found in the store, a little later. None is: whoever is there is handed each
/// one as it happens, before its sender is answered.
#[tokio::test]
async fn of_two_thousand_changes_each_is_told_as_it_happens() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    let draft = || check(serde_json::json!({"user": "ada", "type": "like", "content": "x"})).unwrap();
    let batch = MAILBOX_CHANGES / 2;
    for first in (1..=2_000).step_by(batch) {
        let posted = desk.store.append((0..batch).map(|_| draft()).collect()).await.unwrap();
        for row in posted {
            assert_eq!(row.streams, 1);
            let frame =
                stream.next().now_or_never().unwrap_or_else(|| panic!("{} after {first} is not there", row.rev));
            let frame = String::from_utf8(frame.unwrap().to_vec()).unwrap();
            assert!(frame.contains(&format!("-{}\n", row.rev)) && !frame.contains("replayed"), "{frame}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn news_after_lost_news_sends_the_stream_to_the_store() {
    let desk = desk().await;
    let mut stream = desk.open();
    assert_eq!(next(&mut stream).await.event, "ready");
    desk.post().await;
    assert_eq!(rev(&next(&mut stream).await), 1);
    desk.post_unheard(&stream).await;
    desk.post().await;
    let told = [next(&mut stream).await, next(&mut stream).await];
    assert_eq!(told.each_ref().map(rev), [2, 3]);
    assert!(told[0].data.as_deref().unwrap().contains("\"replayed\":true"));
}

#[tokio::test(start_paused = true)]
async fn lost_news_that_nothing_follows_is_found_by_the_head_check() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post_unheard(&stream).await;
    let reading = tokio::spawn(async move { rev(&news(&mut stream).await) });
    advance_by_seconds(33).await;
    assert_eq!(reading.await.unwrap(), 1);
}

/// One check costs as much as a look at every stream: there is the next one, and none before it.
#[tokio::test(start_paused = true)]
async fn the_head_is_checked_every_thirty_seconds() {
    let config = Config { heartbeat: Duration::from_secs(3_600), ..hub_config() };
    let desk = desk_with(config, Budget::new(1024 * 1024)).await;
    let mut stream = desk.open();
    next(&mut stream).await;
    assert!(futures_util::poll!(stream.next()).is_pending());
    advance_by_seconds(31).await;
    for told in [1, 2] {
        desk.post_unheard(&stream).await;
        advance_by_seconds(28).await;
        assert_eq!(stream.place.mailbox.heard(), told - 1, "it is not looked for yet");
        advance_by_seconds(2).await;
        assert_eq!(rev(&next(&mut stream).await), told);
    }
}

/// Whatever is sent puts it off, also a ping.
#[tokio::test(start_paused = true)]
async fn a_ping_comes_after_each_heartbeat_of_silence() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    for silent in [true, true, false, true] {
        if !silent {
            advance_by_seconds(HEARTBEAT.as_secs() - 1).await;
            desk.post().await;
            assert_eq!(rev(&next(&mut stream).await), 1);
        }
        assert!(futures_util::poll!(stream.next()).is_pending());
        advance_by_seconds(HEARTBEAT.as_secs() - 1).await;
        assert!(futures_util::poll!(stream.next()).is_pending(), "not yet");
        advance_by_seconds(1).await;
        assert_eq!(next(&mut stream).await.event, "ping");
    }
}

#[tokio::test(start_paused = true)]
async fn doubled_news_is_told_once() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    // The mailbox is there twice, so each change is offered to it twice.
    desk.hub.0.registry.add(&stream.place.mailbox, usize::MAX);
    desk.post().await;
    desk.post().await;
    assert_eq!([rev(&next(&mut stream).await), rev(&next(&mut stream).await)], [1, 2]);
    let user = stream.place.mailbox.arrival.user.clone();
    drop(stream);
    assert_eq!(desk.hub.streams(), 0, "both are counted and both removed");
    assert!(desk.hub.0.registry.of(&user).is_none(), "and nothing is left of the user");
}

/// The mailbox is registered first, then the store is read: what commits between the two is in both, and told once.
#[tokio::test(start_paused = true)]
async fn what_commits_while_a_stream_opens_is_told_once() {
    let desk = desk().await;
    let turns = desk.take_all_turns().await;
    let mut stream = desk.open_at(Presented::Cursor("000000-0".parse().unwrap()));
    let opening = futures_util::poll!(stream.next());
    assert!(opening.is_ready(), "the first bytes need no read");
    assert!(futures_util::poll!(stream.next()).is_pending(), "the read waits");
    assert_eq!(desk.post().await, 1, "the stream is there already");
    drop(turns);
    assert_eq!(next(&mut stream).await.event, "ready");
    assert_eq!(rev(&next(&mut stream).await), 1);
    assert_eq!(desk.post().await, 1);
    assert_eq!(rev(&next(&mut stream).await), 2);
}

/// A stream that lags behind what the log still has is told so, with the items that it wanted.
#[tokio::test(start_paused = true)]
async fn a_stream_below_the_logs_floor_is_told() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post().await;
    let first = next(&mut stream).await;
    desk.hub.0.registry.remove(&stream.place.mailbox);
    for n in 0..=LOG_ENTRIES {
        let mark = if n % 2 == 0 { Mark::Read(Selection::All) } else { Mark::Unread(message_id(&first)) };
        desk.store.mark("ada".parse().unwrap(), mark, None).await.unwrap();
    }
    desk.hub.0.registry.add(&stream.place.mailbox, usize::MAX);
    desk.post().await;
    let told = next(&mut stream).await;
    let data = told.data.as_deref().unwrap();
    assert_eq!((told.event.as_str(), rev(&told)), ("resync", LOG_ENTRIES as u64 + 3));
    assert!(data.contains("\"reason\":\"too_many\"") && data.contains("\"items\":[{"), "{data}");
    desk.post().await;
    assert_eq!(rev(&next(&mut stream).await), LOG_ENTRIES as u64 + 4);
}

/// A history that was taken back under an open stream: the head is below what the stream has told.
#[tokio::test(start_paused = true)]
async fn a_head_below_the_streams_rev_is_told() {
    let desk = desk().await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post().await;
    let told = next(&mut stream).await;
    let cursor: Cursor = told.id.as_deref().unwrap().parse().unwrap();
    stream.cursor = Some(Cursor { rev: 5, ..cursor });
    stream.place.mailbox.nudge(0);
    let resync = next(&mut stream).await;
    assert_eq!((resync.event.as_str(), rev(&resync)), ("resync", 1));
    assert!(resync.data.as_deref().unwrap().contains("\"reason\":\"ahead\""));
}

/// Nothing is announced of such a history: the head check sees it.
#[tokio::test(start_paused = true)]
async fn a_stream_ahead_of_its_inbox_is_found_by_the_head_check() {
    let config = Config { heartbeat: Duration::from_secs(3_600), ..hub_config() };
    let desk = desk_with(config, Budget::new(1024 * 1024)).await;
    let mut stream = desk.open();
    next(&mut stream).await;
    desk.post().await;
    let told = next(&mut stream).await;
    let cursor: Cursor = told.id.as_deref().unwrap().parse().unwrap();
    stream.cursor = Some(Cursor { rev: 5, ..cursor });
    stream.place.mailbox.sent(5, 0);
    let reading = tokio::spawn(async move { news(&mut stream).await });
    advance_by_seconds(33).await;
    let resync = reading.await.unwrap();
    assert_eq!((resync.event.as_str(), rev(&resync)), ("resync", 1));
}

fn message_id(block: &Block) -> NotificationId {
    match event::parse(&block.event, block.data.as_deref().unwrap()) {
        Ok(Event::Message(message)) => message.data.id,
        other => panic!("a message, not {other:?}"),
    }
}
