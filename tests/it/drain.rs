//! Faults row 15 with its number: a deploy under ten thousand streams and posts that go on.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::wire::event::Event;
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use crate::support::child::Child;
use crate::support::publishers::Publishers;
use crate::support::reader::Reader;

const STREAMS: usize = 10_000;
/// Streams a user, below the cap.
const DEVICES: usize = 25;
const USERS: usize = STREAMS / DEVICES;
const PUBLISHERS: usize = 8;
/// As `http.drain_window` has it.
const WINDOW: Duration = Duration::from_secs(10);
/// Streams that are opened at a time: what is proved is the drain, not how many connect in a second.
const OPENING: usize = 128;

/// What one stream has to say in the end.
struct Device {
    user: usize,
    retry: u64,
    reader: Reader,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_are_told_to_go_and_all_come_back() {
    assert!(rlimit::increase_nofile_limit(u64::MAX).unwrap() > STREAMS as u64 + 1_000, "a stream is a descriptor");
    let mut server = Child::start().await;
    let gate = Arc::new(Semaphore::new(OPENING));
    let open = Arc::new(Barrier::new(STREAMS + 1));
    let mut devices = JoinSet::new();
    for stream in 0..STREAMS {
        let (opening, user) = (server.opening(&format!("u{}", stream / DEVICES)), stream / DEVICES);
        let (gate, open) = (gate.clone(), open.clone());
        devices.spawn(async move {
            let permit = gate.acquire().await.unwrap();
            let mut reader = opening.open().await;
            reader.expect_ready().await;
            drop(permit);
            open.wait().await;
            let close = reader.expect_close().await;
            assert_eq!((close.reason.as_str(), close.reconnect), ("draining", true));
            let last = reader.received().last().unwrap();
            assert_eq!((last.block.retry, last.block.id.as_deref()), (Some(close.retry_ms), reader.cursor()));
            Device { user, retry: close.retry_ms, reader }
        });
    }
    open.wait().await;
    let publishers = Publishers::start(PUBLISHERS, USERS, &server.api(), server.url());
    publishers.further(2 * USERS).await;
    let told = Instant::now();
    server.terminate();
    let ended = server.wait().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(told.elapsed() <= WINDOW, "it took {:?}, and the window is {WINDOW:?}", told.elapsed());
    let devices = devices.join_all().await;

    let retries: HashSet<u64> = devices.iter().map(|device| device.retry).collect();
    let (first, last) = (retries.iter().min().unwrap(), retries.iter().max().unwrap());
    assert!(last - first > WINDOW.as_millis() as u64 * 9 / 10, "they come back within {first} to {last} ms");
    assert!(retries.len() > STREAMS / 3, "only {} retries for {STREAMS} streams", retries.len());

    server.restart().await;
    publishers.move_to(server.url());
    publishers.further(USERS).await;
    let mut expected: Vec<BTreeMap<NotificationId, String>> = vec![BTreeMap::new(); USERS];
    for post in publishers.stop().await {
        let user: usize = post.user.strip_prefix('u').unwrap().parse().unwrap();
        expected[user].insert(post.id, post.content);
    }
    let expected = Arc::new(expected);
    let addr = server.addr();
    let mut back = JoinSet::new();
    for Device { user, mut reader, .. } in devices {
        let (gate, expected) = (gate.clone(), expected.clone());
        back.spawn(async move {
            let _permit = gate.acquire().await.unwrap();
            reader.opening().move_to(addr);
            reader.resume().await;
            let ready = reader.expect_ready().await;
            assert!(ready.resumed, "{ready:?}");
            let due = expected[user].len();
            let had = |reader: &Reader| messages(reader).count();
            while had(&reader) < due {
                reader.messages(1).await;
            }
            let seen: BTreeMap<NotificationId, String> =
                messages(&reader).map(|(id, content, _)| (id, content)).collect();
            assert_eq!((seen.len(), &seen), (had(&reader), &expected[user]), "each once, and none unknown");
            let revs: Vec<u64> = messages(&reader).map(|(_, _, rev)| rev).collect();
            assert_eq!(revs, (1..=due as u64).collect::<Vec<_>>(), "in order");
        });
    }
    back.join_all().await;
}

fn messages(reader: &Reader) -> impl Iterator<Item = (NotificationId, String, u64)> {
    reader.received().iter().filter_map(|received| match &received.event {
        Some(Event::Message(message)) => Some((message.data.id, message.data.content.clone(), message.counts.rev)),
        _ => None,
    })
}
