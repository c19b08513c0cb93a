//! What the store's file goes through: restarts, restores, foreign and newer and damaged files, a held lock.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use lumen_inbox::clock::Clock;
use lumen_inbox::config::Config;
use lumen_inbox::domain::cursor::Reason;
use lumen_inbox::store::{Error, OpenError, Standing, Store};
use rusqlite::Connection;
use serde_json::json;

use crate::support::patience::{self, stand_still};
use crate::support::shelf::{NOON, Shelf, addressed, draft, id};
use crate::support::stock::copy;

/// Faults row 8: an older copy comes back, and the history goes on from there with other content.
#[tokio::test]
async fn a_cursor_of_a_history_that_a_restore_took_back_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let backup = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    for n in 1..=10 {
        shelf.post("ada", &n.to_string()).await;
    }
    let kept = shelf.head("ada").await;
    shelf.store.close().await.unwrap();
    copy(dir.path(), backup.path());

    let shelf = Shelf::open(dir.path()).await;
    for n in 11..=20 {
        shelf.post("ada", &n.to_string()).await;
    }
    let lost = shelf.head("ada").await;
    shelf.store.close().await.unwrap();

    let shelf = Shelf::open(backup.path()).await;
    assert_eq!(shelf.open_at("ada", lost).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(shelf.open_at("ada", kept).await.standing, Standing::Resumed { missed: 0 });
    for n in 0..600 {
        shelf.post("ada", &format!("after {n}")).await;
    }
    // Its rev is one that the new history has too, with another notification.
    assert_eq!(shelf.open_at("ada", lost).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(shelf.open_at("ada", kept).await.standing, Standing::Resumed { missed: 600 });
}

/// Faults row 8: a snapshot of the whole directory, taken while the server ran, in the midst of a generation.
#[tokio::test]
async fn a_directory_back_from_a_snapshot_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    for n in 1..=10 {
        shelf.post("ada", &n.to_string()).await;
    }
    let kept = shelf.head("ada").await;
    copy(dir.path(), snapshot.path());
    for n in 11..=20 {
        shelf.post("ada", &n.to_string()).await;
    }
    let lost = shelf.head("ada").await;
    assert_eq!(kept.epoch, lost.epoch);
    shelf.store.close().await.unwrap();

    let shelf = Shelf::open(snapshot.path()).await;
    assert_eq!(shelf.open_at("ada", lost).await.standing, Standing::Resync(Reason::Ahead));
    for n in 0..600 {
        shelf.post("ada", &format!("after {n}")).await;
    }
    assert_eq!(shelf.open_at("ada", lost).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(shelf.open_at("ada", kept).await.standing, Standing::Resumed { missed: 600 });
}

/// Faults row 8: a copy without the write-ahead log, and one whose log and index were deleted, are older histories.
#[tokio::test]
async fn a_copy_without_its_log_is_an_older_history() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    shelf.post("ada", "kept").await;
    let kept = shelf.head("ada").await;
    shelf.store.close().await.unwrap();
    let shelf = Shelf::open(dir.path()).await;
    shelf.post("ada", "only in the log").await;
    let lost = shelf.head("ada").await;
    let bare = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("lumen.db"), bare.path().join("lumen.db")).unwrap();

    let restored = Shelf::open(bare.path()).await;
    assert_eq!(restored.items("ada").await.len(), 1, "the log held the second row");
    restored.post("ada", "another second").await;
    assert_eq!(restored.open_at("ada", lost).await.standing, Standing::Resync(Reason::Epoch));
    assert_eq!(restored.open_at("ada", kept).await.standing, Standing::Resumed { missed: 1 });
}

#[tokio::test]
async fn a_new_database_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    shelf.post("ada", "x").await;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

/// Each in a directory of its own, since the connections of a closed store go a moment later.
#[tokio::test]
async fn a_foreign_a_newer_and_a_damaged_file_are_refused() {
    let refusal = async |prepare: fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        prepare(&dir.path().join("lumen.db"));
        Shelf::try_open(dir.path()).await.err().unwrap()
    };
    let foreign = refusal(|path| Connection::open(path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap());
    assert!(matches!(foreign.await, OpenError::Foreign { found: 0, .. }));
    let others = refusal(|path| Connection::open(path).unwrap().execute_batch("PRAGMA application_id = 7").unwrap());
    assert!(matches!(others.await, OpenError::Foreign { found: 7, .. }));
    let newer = refusal(|path| {
        let own = "PRAGMA application_id = 0x4c754d6e; PRAGMA user_version = 99";
        Connection::open(path).unwrap().execute_batch(own).unwrap();
    });
    assert!(matches!(newer.await, OpenError::Newer { found: 99, known: 2, .. }));
    let damaged = refusal(|path| fs::write(path, vec![0x5a; 8192]).unwrap());
    assert!(matches!(damaged.await, OpenError::Damaged { .. }));
    let flipped = refusal(|path| {
        // Its first page is whole, so that only a look at all of them finds it.
        let own = "PRAGMA application_id = 0x4c754d6e; CREATE TABLE t (x); CREATE INDEX i ON t (x)";
        let database = Connection::open(path).unwrap();
        database.execute_batch(own).unwrap();
        database.execute("INSERT INTO t VALUES (zeroblob(20000))", []).unwrap();
        drop(database);
        let mut bytes = fs::read(path).unwrap();
        bytes[4096..8192].fill(0x5a);
        fs::write(path, bytes).unwrap();
    });
    assert!(matches!(flipped.await, OpenError::Damaged { .. }));
    let folder = refusal(|path| fs::create_dir(path).unwrap());
    assert!(matches!(folder.await, OpenError::NotAFile { what: "a directory", .. }));
}

/// Faults row 10: another process holds the lock; the wait is bounded, nothing is stored, and it recovers.
#[tokio::test]
async fn a_held_lock_is_waited_for_and_then_told() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    shelf.post("ada", "before").await;
    let other = Connection::open(dir.path().join("lumen.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(shelf.append(vec![draft("ada", "during")]).await, Err(Error::Locked));
    assert!(!shelf.store.is_writable());
    assert_eq!(shelf.items("ada").await.len(), 1, "reads go on");
    other.execute_batch("COMMIT").unwrap();
    // It is found out without anybody who writes.
    let writable = async {
        while !shelf.store.is_writable() {
            patience::pause(Duration::from_millis(20)).await;
        }
    };
    patience::within(writable).await.expect("it recovers");
    assert_eq!(shelf.post("ada", "after").await.rev, 2);
}

/// Faults row 13: a caller that hangs up in mid-publish changes nothing: the draft is stored whole.
#[tokio::test]
async fn a_caller_that_hangs_up_is_stored_once_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    for n in 0..50 {
        let mut append = Box::pin(shelf.store.append(vec![addressed(draft("ada", &n.to_string()))]));
        // Polled once, which queues the job, and then dropped.
        let polled = futures_util::poll!(append.as_mut());
        assert!(polled.is_pending());
        drop(append);
    }
    shelf.post("ada", "last").await;
    assert_eq!(shelf.counts("ada").await, (51, 51, 51));
}

#[tokio::test]
async fn a_life_in_seconds_is_stored_as_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    shelf.append(vec![json!({"user": "ada", "type": "like", "content": "x", "ttl_s": 60})]).await.unwrap();
    shelf.post("ada", "for good").await;
    let database = Connection::open(dir.path().join("lumen.db")).unwrap();
    let mut select = database.prepare("SELECT expires_at - created_at FROM notification ORDER BY rev").unwrap();
    let lives: Vec<Option<i64>> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(lives, [Some(60_000), None]);
}

/// A writer that does not come to an end is told as what it is: the outcome is unknown.
#[tokio::test(start_paused = true)]
async fn a_caller_waits_ten_seconds_and_no_more() {
    let _still = stand_still();
    let dir = tempfile::tempdir().unwrap();

    // Nobody announces, so nobody is answered.
    let (store, _commits) =
        Store::open(&dir.path().join("lumen.db"), Config::defaults().store, Clock::tokio(NOON)).await.unwrap();
    let appending = tokio::spawn({
        let store = store.clone();
        async move { store.append(vec![addressed(draft("ada", "x"))]).await }
    });
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(9)).await;
    tokio::task::yield_now().await;
    assert!(!appending.is_finished());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(appending.await.unwrap(), Err(Error::OutcomeUnknown));
}

#[tokio::test]
async fn a_store_that_was_closed_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(dir.path()).await;
    let pending = shelf.store.append(vec![addressed(draft("ada", "x"))]);
    let (stored, closed) = tokio::join!(pending, shelf.store.close());
    closed.unwrap();
    assert_eq!(stored.unwrap().len(), 1, "what was queued is done");
    assert_eq!(shelf.append(vec![draft("ada", "x")]).await, Err(Error::Down));
    assert!(
        !dir.path().join("lumen.db-wal").exists() || fs::metadata(dir.path().join("lumen.db-wal")).unwrap().len() == 0
    );
    assert_eq!(shelf.store.counts(&id("ada")).await.unwrap().rev, 1, "reads still go");
}
