//! What one stream is told: replay and live joined, and its end. The clock is the test's.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::domain::cursor::{Cursor, Epoch, Presented, Reason};
use lumen_inbox::domain::limits::{HEARTBEAT, PAGE_BYTES};
use lumen_inbox::hub::Refused;
use lumen_inbox::store::{Mark, Selection};
use lumen_inbox::wire::api::STREAM;
use lumen_inbox::wire::event::Event;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::child::Launch;
use crate::support::desk::{Desk, request};
use crate::support::link::Ended;
use crate::support::patience::{self, stand_still};
use crate::support::server::Server;
use crate::support::shelf::{NOON, draft, id};

#[tokio::test]
async fn a_new_stream_starts_at_the_head_and_is_told_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    desk.post("ada", "before").await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    let (cursor, ready) = stream.ready().await;
    assert_eq!((cursor.unwrap().rev, ready.counts.unread, ready.missed, ready.resumed), (1, 1, Some(0), false));
    let appended = desk.post("ada", "after").await;
    assert_eq!(appended.streams, 1);
    let (cursor, event) = stream.next().await;
    let Event::Message(message) = event else { panic!("a message, not {event:?}") };
    assert_eq!((cursor.unwrap().rev, message.counts.rev, message.counts.unread), (2, 2, 2));
    assert_eq!((message.data.content.as_str(), message.replayed, message.counts_rev), ("after", false, None));
    desk.mark("ada", Mark::Read(Selection::All)).await;
    assert_eq!(stream.revs(1).await, [(3, false)]);
    desk.post("ben", "another's").await;
    desk.post("ada", "own").await;
    assert_eq!(stream.revs(1).await, [(4, false)]);
}

#[tokio::test]
async fn what_was_missed_is_replayed_with_the_counts_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let first = desk.post("ada", "1").await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    let (cursor, _) = stream.ready().await;
    drop(stream);
    desk.post("ada", "2").await;
    desk.mark("ada", Mark::Delete(first.id)).await;
    desk.post("ada", "3").await;
    let mut stream = desk.listen("ada", Presented::Cursor(cursor.unwrap()));
    let (with_ready, ready) = stream.ready().await;
    assert_eq!((with_ready, ready.resumed, ready.missed, ready.counts.rev), (cursor, true, Some(3), 4));
    let mut told = Vec::new();
    for _ in 0..3 {
        let (cursor, event) = stream.next().await;
        let (counts, counts_rev, replayed) = match event {
            Event::Message(message) => (message.counts, message.counts_rev, message.replayed),
            Event::Inbox(inbox) => (inbox.counts, inbox.counts_rev, inbox.replayed),
            other => panic!("a change, not {other:?}"),
        };
        assert_eq!((counts.unread, counts_rev, replayed), (2, Some(4), true));
        assert_eq!(cursor.unwrap().rev, counts.rev);
        told.push(counts.rev);
    }
    assert_eq!(told, [2, 3, 4]);
}

/// Changes that commit while a stream opens are told once, by the page or by the mailbox.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_opens_under_writes_has_no_hole_and_no_repetition() {
    let dir = tempfile::tempdir().unwrap();
    let desk = std::sync::Arc::new(Desk::open(dir.path()).await);
    let start = desk.post("ada", "0").await.rev;
    let writing = tokio::spawn({
        let desk = desk.clone();
        async move {
            for n in 1..=600 {
                desk.post("ada", &n.to_string()).await;
            }
        }
    });
    let epoch = desk.store.list(&id("ada"), Default::default()).await.unwrap().cursor.epoch;
    let mut readers = Vec::new();
    for _ in 0..30 {
        let mut stream = desk.listen("ada", Presented::Cursor(Cursor { epoch, rev: start }));
        readers.push(tokio::spawn(async move {
            stream.ready().await;
            stream.revs(600).await
        }));
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    let expected: Vec<u64> = (start + 1..=start + 600).collect();
    for reader in readers {
        let revs: Vec<u64> = reader.await.unwrap().into_iter().map(|(rev, _)| rev).collect();
        assert_eq!(revs, expected);
    }
}

/// Commits of one group are told in their order: a stream that is there needs the store for none of them.
#[tokio::test]
async fn posts_at_once_are_told_live_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    stream.ready().await;
    for _ in 0..20 {
        let posts: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let (_, revs) = tokio::join!(
            futures_util::future::join_all(posts.iter().map(|content| desk.post("ada", content))),
            stream.revs(40)
        );
        assert!(revs.iter().all(|(_, replayed)| !replayed), "{revs:?}");
        assert!(revs.is_sorted_by(|one, next| one.0 + 1 == next.0), "{revs:?}");
    }
}

#[tokio::test]
async fn a_stream_that_does_not_read_goes_back_to_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    stream.ready().await;
    desk.append((0..1_500).map(|n| draft("ada", &n.to_string())).collect()).await;
    let revs = stream.revs(1_500).await;
    assert_eq!(revs.iter().map(|(rev, _)| *rev).collect::<Vec<_>>(), (1..=1_500).collect::<Vec<_>>());
    assert!(revs.iter().all(|(_, replayed)| *replayed), "lagging on an open stream is paged without a limit");
    desk.post("ada", "live").await;
    assert_eq!(stream.revs(1).await, [(1_501, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_the_instant_at_which_its_token_would_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _still = stand_still();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen_until("ada", Presented::Nothing, 0, NOON + 10_000);
    stream.ready().await;
    advance_by_seconds(9).await;
    desk.post("ada", "in time").await;
    assert_eq!(stream.revs(1).await, [(1, false)]);
    advance_by_seconds(1).await;
    let (cursor, event) = stream.next().await;
    let Event::Close(close) = event else { panic!("a close, not {event:?}") };
    assert_eq!((cursor.unwrap().rev, close.reason.as_str(), close.reconnect), (1, "token_expired", true));
    assert_eq!(stream.next_block().await, None);
    drop(stream);
    assert_eq!(desk.hub.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_pings_and_a_busy_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let _still = stand_still();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    stream.ready().await;
    advance_by_seconds(10).await;
    desk.post("ada", "x").await;
    assert_eq!(stream.revs(1).await.len(), 1);
    advance_by_seconds(HEARTBEAT.as_secs() - 1).await;
    assert!(stream.is_silent(), "news put off the ping");
    advance_by_seconds(1).await;
    assert_eq!(stream.next().await, (None, Event::Ping));
    advance_by_seconds(HEARTBEAT.as_secs()).await;
    assert_eq!(stream.next().await, (None, Event::Ping));
}

/// Faults row 17: a process that was stopped for long owes one ping, not one for each heartbeat.
#[tokio::test(start_paused = true)]
async fn a_long_stop_brings_no_burst_of_pings() {
    let dir = tempfile::tempdir().unwrap();
    let _still = stand_still();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    stream.ready().await;
    // The ticker is under way before the stop.
    advance_by_seconds(1).await;
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(stream.next().await, (None, Event::Ping));
    desk.post("ada", "x").await;
    assert_eq!(stream.next().await.0.unwrap().rev, 1);
}

/// Faults row 41: the wall clock jumps; streams go on by tokio's clock, and only tokens know the time of day.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_leaves_streams_alone() {
    let dir = tempfile::tempdir().unwrap();
    let _still = stand_still();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen_until("ada", Presented::Nothing, 0, NOON + 2 * 3_600_000);
    stream.ready().await;
    let Clock::Tokio { skew, .. } = &desk.clock else { panic!("a clock that can be moved") };
    for jump in [3_600_000, -7_200_000, -NOON] {
        skew.fetch_add(jump, Ordering::Relaxed);
        // The ticker looks at the clock that jumped.
        advance_by_seconds(2).await;
        assert!(stream.is_silent(), "after a jump by {jump}");
        let rev = desk.post("ada", "x").await.rev;
        assert_eq!(stream.next().await.0.unwrap().rev, rev);
    }
}

#[tokio::test]
async fn a_drain_closes_each_stream_and_refuses_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let mut stream = desk.listen("ada", Presented::Nothing);
    stream.ready().await;
    desk.hub.drain();
    let Some(block) = stream.next_block().await else { panic!("a close") };
    assert_eq!(block.event, "close");
    assert!((2_000..=15_000).contains(&block.retry.unwrap()));
    assert_eq!(stream.next_block().await, None);
    let late = request("ada", Presented::Nothing);
    assert_eq!(desk.hub.subscribe(late).err(), Some(Refused::Draining));
}

#[tokio::test]
async fn a_hole_that_cannot_be_replayed_is_told_with_the_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    desk.post("ada", "1").await;
    desk.post("ada", "2").await;
    let mut stream = desk.listen_until("ada", Presented::Unreadable, 1, i64::MAX);
    let (cursor, ready) = stream.ready().await;
    assert_eq!((cursor, ready.missed, ready.resumed, ready.items), (None, None, false, None));
    let (cursor, event) = stream.next().await;
    let Event::Resync(resync) = event else { panic!("a resync, not {event:?}") };
    assert_eq!((cursor.unwrap().rev, resync.reason, resync.counts.unread), (2, Reason::Unknown, 2));
    assert_eq!(resync.items.unwrap().iter().map(|item| item.rev).collect::<Vec<_>>(), [2]);
    desk.post("ada", "3").await;
    assert_eq!(stream.revs(1).await, [(3, false)]);
}

/// Faults row 24: from the start of a full inbox a list is the cheaper way. A stream that lags on one is paged; it holds
/// one page at a time, and nobody waits for it.
#[tokio::test]
async fn a_stream_that_lags_on_a_full_inbox_holds_a_page_at_a_time() {
    const ROWS: u64 = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let (mut ada, mut ben) = (desk.listen("ada", Presented::Nothing), desk.listen("ben", Presented::Nothing));
    ada.ready().await;
    ben.ready().await;
    let content = "x".repeat(1_000);
    for _ in 0..10 {
        desk.append((0..ROWS / 10).map(|_| draft("ada", &content)).collect()).await;
    }
    let (mut rev, mut most) = (0, 0);
    while rev < ROWS {
        rev += 1;
        assert_eq!(ada.revs(1).await, [(rev, true)]);
        most = most.max(desk.budget.taken());
        if rev % 1_000 == 0 {
            desk.post("ben", "another's").await;
            assert_eq!(ben.revs(1).await, [(rev / 1_000, false)]);
        }
    }
    assert!((PAGE_BYTES / 2..=PAGE_BYTES).contains(&most), "{most}");
    assert_eq!(desk.budget.taken(), 0);

    let mut again = desk.listen("ada", Presented::Cursor(Cursor { epoch: Epoch::NONE, rev: 0 }));
    assert_eq!(again.ready().await.1.missed, None);
    let (cursor, event) = again.next().await;
    let Event::Resync(resync) = event else { panic!("a resync, not {event:?}") };
    assert_eq!((cursor.unwrap().rev, resync.reason), (ROWS, Reason::TooMany));
}

/// Faults row 22: over the cap of its user an EventSource is told in a stream, and comes back; a program gets the status.
#[tokio::test]
async fn who_is_over_a_cap_is_told_and_nobody_else_is_touched() {
    let server = Server::start().await;
    let cap = Config::defaults().hub.streams_per_user;
    let mut open = Vec::new();
    for _ in 0..cap {
        let mut reader = server.reader("ada").await;
        reader.expect_ready().await;
        open.push(reader);
    }
    let cursor = open[0].cursor().unwrap().to_owned();
    let mut refused = server.opening("ada").last_event_id(cursor.clone()).open().await;
    let close = refused.expect_close().await;
    assert_eq!((close.reason.as_str(), close.reconnect), ("too_many_streams", true));
    let told = refused.received().last().unwrap();
    assert_eq!((told.block.id.as_ref(), told.block.retry), (Some(&cursor), Some(close.retry_ms)));
    let ada = server.user("ada");
    let (status, problem) = ada.send(ada.request(Method::GET, STREAM)).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too_many_streams")));
    assert!(problem["detail"].as_str().unwrap().contains(&format!(" {cap} streams")), "{problem}");

    server.reader("ben").await.expect_ready().await;
    server.api().publish("ada", "to all").await;
    for reader in &mut open {
        assert_eq!(reader.expect_message().await.data.content, "to all");
    }
    open.pop().unwrap().hang_up();
    let in_again = patience::within(async {
        loop {
            let mut reader = server.opening("ada").open().await;
            match reader.next().await.event {
                Some(Event::Ready(_)) => return,
                _ => patience::pause(Duration::from_millis(20)).await,
            }
        }
    });
    in_again.await.expect("whoever goes makes room");
    server.stop().await;
}

/// Faults row 17, with a process that is really stopped: of the heartbeats that it slept through it owes each stream one.
#[tokio::test]
async fn a_stopped_process_sends_no_burst_of_pings() {
    const STOP: Duration = Duration::from_secs(6);
    let server = Launch::new().config("[stream]\nheartbeat = \"1s\"\n").start().await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = server.opening("ada").open().await;
        reader.expect_ready().await;
        readers.push(reader);
    }
    let began = Instant::now();
    server.signal("STOP");
    patience::pause(STOP).await;
    server.signal("CONT");
    server.api().publish("ada", "awake").await;
    for reader in &mut readers {
        let passed = reader.until(|event| matches!(event, Event::Message(_))).await;
        let awake = began.elapsed() - STOP;
        let pings = passed.len() as u64 - 1;
        assert!(pings <= 2 + awake.as_secs(), "{pings} pings, {awake:?} of them awake");
        assert_eq!(passed.last().unwrap().block.id.as_deref().unwrap().split_once('-').unwrap().1, "1");
    }
}

/// Faults row 19: who never reads loses its stream and its connection, while another device of the same user has all.
#[tokio::test(start_paused = true)]
async fn who_never_reads_is_ended_and_its_connection_reset() {
    let _still = stand_still();
    let server = Server::start_by(Clock::tokio(NOON)).await;
    let (mut deaf, mut other) = (server.reader("ada").await, server.reader("ada").await);
    deaf.expect_ready().await;
    other.expect_ready().await;
    let content = "x".repeat(4_000);
    let drafts: Vec<Value> = (0..500).map(|_| draft("ada", &content)).collect();
    for _ in 0..4 {
        assert_eq!(server.api().batch(&drafts).await.0, 201);
        assert_eq!(other.messages(500).await.len(), 500);
    }
    let ada = id("ada");
    let mut seconds = 0;
    while server.hub.presence(&ada).len() == 2 {
        assert!(seconds < 120, "it goes on for {seconds} s");
        seconds += 1;
        advance_by_seconds(1).await;
    }
    assert!(seconds >= 60, "it is ended after {seconds} s");
    assert_eq!(server.hub.streams(), 2, "though nobody could tell it");
    advance_by_seconds(5).await;
    let gone = patience::within(async {
        while server.hub.streams() == 2 {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("its connection is cut");
    assert_eq!(deaf.ended().await.1, Ended::Reset);
    server.api().publish("ada", "after").await;
    assert_eq!(other.expect_message().await.data.content, "after");
    deaf.resume().await;
    deaf.expect_ready().await;
    deaf.expect_resync().await;
    // While time stands still a connection ends with its client alone.
    drop((deaf, other));
    server.stop().await;
}

async fn advance_by_seconds(seconds: u64) {
    for _ in 0..seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
}
