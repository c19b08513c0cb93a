//! What a store leaves in its file: nothing of what was erased or swept, and in each inbox's row what its rows add up to.

use std::path::Path;

use lumen_inbox::store::{Mark, Selection};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::shelf::{Shelf, draft, id, keyed, lasting};

const DAY: i64 = 24 * 3600 * 1000;

async fn shelf() -> (Shelf, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Shelf::open(dir.path()).await, dir)
}

fn number(dir: &Path, select: &str) -> i64 {
    Connection::open(dir.join("lumen.db")).unwrap().query_row(select, [], |row| row.get(0)).unwrap()
}

fn rows(dir: &Path) -> [i64; 5] {
    ["notification", "log", "key", "generation", "inbox"]
        .map(|table| number(dir, &format!("SELECT COUNT(*) FROM {table}")))
}

/// Inboxes whose row says something else than their rows, log and generations add up to.
const WRONG: &str = "
    SELECT COUNT(*) FROM inbox WHERE user IS NOT NULL AND (
        rows <> (SELECT COUNT(*) FROM notification n WHERE n.inbox = inbox.id)
     OR unread <> (SELECT COUNT(*) FROM notification n WHERE n.inbox = inbox.id AND read = 0)
     OR unseen <> (SELECT COUNT(*) FROM notification n WHERE n.inbox = inbox.id AND read = 0 AND rev > seen)
     OR logged <> (SELECT COUNT(*) FROM log l WHERE l.inbox = inbox.id)
     OR head < IFNULL((SELECT MAX(rev) FROM notification n WHERE n.inbox = inbox.id), 0)
     OR head < IFNULL((SELECT MAX(rev) FROM log l WHERE l.inbox = inbox.id), 0)
     OR log_floor >= IFNULL((SELECT MIN(rev) FROM log l WHERE l.inbox = inbox.id), head + 1)
     OR log_floor > head OR seen > head)";

/// Keys that live as long as a row that is not there.
const ORPHANS: &str = "SELECT COUNT(*) FROM key WHERE lapses IS NULL
    AND NOT EXISTS (SELECT 1 FROM notification n WHERE n.id = key.notification AND n.inbox = key.inbox)";

fn assert_sums(dir: &Path) {
    assert_eq!((number(dir, WRONG), number(dir, ORPHANS)), (0, 0));
    let verdict = "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    assert_eq!(number(dir, verdict), 0, "every index has what its table has");
}

#[tokio::test]
async fn of_an_erased_inbox_nothing_is_left_and_nothing_is_told() {
    let (shelf, dir) = shelf().await;
    shelf.append((0..2_300).map(|n| keyed("ada", "secret", &format!("k{n}"))).collect()).await.unwrap();
    let removed = shelf.append(vec![keyed("ada", "secret", "gone"), draft("ben", "his")]).await.unwrap().remove(0).id;
    shelf.mark("ada", Mark::Delete(removed)).await;
    for _ in 0..3 {
        shelf.mark("ada", Mark::Read(Selection::UpTo(1))).await;
        shelf.mark("ada", Mark::Read(Selection::UpTo(2))).await;
    }
    shelf.store.refuse_before(id("ada"), 5).await.unwrap();
    assert!(shelf.store.erase(id("ada")).await.unwrap());
    assert_eq!(number(dir.path(), "SELECT COUNT(*) FROM inbox WHERE user = 'ada' OR not_before IS NOT NULL"), 0);
    assert_eq!(rows(dir.path())[0], 2_301, "its rows go later");
    shelf.told();
    assert_eq!(shelf.sweep().await, [1_000, 1_000, 300, 0, 0]);
    assert_eq!(rows(dir.path()), [1, 0, 0, 1, 1]);
    assert!(shelf.told().is_empty());
    shelf.post("ada", "anew").await;
    assert_eq!(number(dir.path(), "SELECT MAX(id) FROM inbox"), 3, "its integer is never used again");
    assert_sums(dir.path());
}

/// An erased inbox that was too full, and whose rows have expired, goes all the same, and so do its neighbours' rows.
#[tokio::test]
async fn an_erased_inbox_is_swept_for_no_other_reason() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    shelf.append((0..8).map(|n| lasting("ada", &n.to_string(), 60)).collect()).await.unwrap();
    shelf.append((0..8).map(|n| lasting("ben", &n.to_string(), 60)).collect()).await.unwrap();
    shelf.append((0..3).map(|n| draft("ada", &n.to_string())).collect()).await.unwrap();
    shelf.mark("ada", Mark::Read(Selection::All)).await;
    shelf.store.erase(id("ada")).await.unwrap();
    shelf.skew(31 * DAY);
    shelf.told();
    assert_eq!(shelf.sweep().await, [19]);
    assert_eq!((rows(dir.path()), shelf.told().len()), ([0, 1, 0, 1, 1], 1));
    assert_sums(dir.path());

    // Erased, closed and opened again before it was swept.
    shelf.append((0..8).map(|n| draft("ben", &n.to_string())).collect()).await.unwrap();
    shelf.store.erase(id("ben")).await.unwrap();
    shelf.store.close().await.unwrap();
    let shelf = Shelf::with_inbox_rows(dir.path(), 5).await;
    assert_eq!(shelf.sweep().await, [8]);
    assert_eq!(rows(dir.path()), [0; 5]);
}

#[tokio::test]
async fn what_has_lapsed_leaves_the_file() {
    let (shelf, dir) = shelf().await;
    shelf.append(vec![keyed("ada", "x", "removed"), keyed("ada", "x", "kept")]).await.unwrap();
    let first = shelf.items("ada").await[0].id;
    shelf.mark("ada", Mark::Delete(first)).await;
    shelf.skew(7 * DAY - 60_000);
    shelf.sweep().await;
    assert_eq!(rows(dir.path())[..3], [1, 1, 2]);
    shelf.skew(120_000);
    shelf.sweep().await;
    assert_eq!(rows(dir.path())[..3], [1, 1, 1]);
    shelf.skew(23 * DAY);
    shelf.sweep().await;
    assert_eq!(rows(dir.path()), [1, 0, 1, 1, 1], "the inbox's own row is never swept");
    assert_sums(dir.path());
}

#[tokio::test]
async fn a_backlog_of_log_and_keys_is_swept_in_steps() {
    let (shelf, dir) = shelf().await;
    let users: Vec<_> = (0..1_500).map(|n| format!("u{n}")).collect();
    let drafts = json!({"users": users, "type": "like", "content": "x", "key": "k", "ttl_s": 60});
    shelf.append(vec![drafts]).await.unwrap();
    shelf.skew(61_000);
    assert_eq!(shelf.sweep().await.iter().sum::<u64>(), 1_500);
    shelf.skew(31 * DAY);
    let mut left = vec![rows(dir.path())];
    while shelf.store.sweep().await.unwrap().more {
        left.push(rows(dir.path()));
    }
    let without = |log, keys| [0, log, keys, 1_500, 1_500];
    assert_eq!(left, [without(1_500, 1_500), without(500, 1_500), without(0, 1_000), without(0, 0)]);
    assert_sums(dir.path());
}

/// What may happen to inboxes, drawn at random.
#[derive(Debug, Clone)]
enum Op {
    Post { user: usize, rows: usize, key: Option<u8>, ttl_s: Option<u64> },
    ReadUpTo(usize, u64),
    Seen(usize, u64),
    Delete(usize, usize),
    Retract(usize, u8),
    Erase(usize),
    Turn(i64),
    Sweep,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let user = || 0usize..3;
    let key = || proptest::option::of(0u8..4);
    let ttl = || proptest::option::of(prop_oneof![Just(60u64), Just(30 * 24 * 3600)]);
    let post = (user(), prop_oneof![3 => Just(1usize), 1 => 1usize..9], key(), ttl());
    prop_oneof![
        8 => post.prop_map(|(user, rows, key, ttl_s)| Op::Post { user, rows, key, ttl_s }),
        3 => (user(), 0u64..30).prop_map(|(user, rev)| Op::ReadUpTo(user, rev)),
        2 => (user(), 0u64..30).prop_map(|(user, rev)| Op::Seen(user, rev)),
        2 => (user(), 0usize..9).prop_map(|(user, nth)| Op::Delete(user, nth)),
        2 => (user(), 0u8..4).prop_map(|(user, key)| Op::Retract(user, key)),
        1 => user().prop_map(Op::Erase),
        3 => prop_oneof![Just(-DAY), Just(61_000), Just(8 * DAY), Just(200 * DAY)].prop_map(Op::Turn),
        4 => Just(Op::Sweep),
        1 => Just(Op::Reopen),
    ]
}

/// With a key its life goes by the key, since the same key with another body is refused.
fn drawn(user: usize, key: Option<usize>, ttl_s: Option<u64>) -> Value {
    let mut draft = draft(&format!("u{user}"), "x");
    if let Some(key) = key {
        draft["key"] = json!(format!("k{key}"));
    }
    if let Some(ttl_s) = key.map_or(ttl_s, |key| (key % 2 == 0).then_some(60)) {
        draft["ttl_s"] = json!(ttl_s);
    }
    draft
}

async fn play(ops: &[Op]) {
    let dir = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::with_inbox_rows(dir.path(), 6).await;
    let mut turned = 0;
    for op in ops {
        match *op {
            Op::Post { user, rows, key, ttl_s } => {
                let drafts = (0..rows).map(|n| drawn(user, key.map(|key| usize::from(key) + n), ttl_s));
                shelf.append(drafts.collect()).await.unwrap();
            }
            Op::ReadUpTo(user, rev) => {
                shelf.mark(&format!("u{user}"), Mark::Read(Selection::UpTo(rev))).await;
            }
            Op::Seen(user, rev) => {
                shelf.mark(&format!("u{user}"), Mark::Seen(rev)).await;
            }
            Op::Delete(user, nth) => {
                let user = format!("u{user}");
                if let Some(item) = shelf.items(&user).await.get(nth) {
                    shelf.mark(&user, Mark::Delete(item.id)).await;
                }
            }
            Op::Retract(user, key) => {
                shelf.retract(&format!("u{user}"), &format!("k{key}")).await;
            }
            Op::Erase(user) => {
                shelf.store.erase(id(&format!("u{user}"))).await.unwrap();
            }
            Op::Turn(by) => {
                turned += by;
                shelf.skew(by);
            }
            Op::Sweep => {
                shelf.sweep().await;
                let most = "SELECT IFNULL(MAX(rows), 0) FROM inbox";
                assert!(number(dir.path(), most) <= 6);
                assert_eq!(number(dir.path(), "SELECT COUNT(*) FROM inbox WHERE user IS NULL"), 0);
            }
            Op::Reopen => {
                shelf.store.close().await.unwrap();
                shelf = Shelf::with_inbox_rows(dir.path(), 6).await;
                shelf.skew(turned);
            }
        }
        assert_sums(dir.path());
    }
}

#[test]
fn each_inbox_adds_up_whatever_happens_to_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config =
        ProptestConfig { cases: 30, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&proptest::collection::vec(op(), 1..40), |ops| {
        runtime.block_on(play(&ops));
        Ok(())
    });
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
}
