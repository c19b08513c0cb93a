//! What only the room itself can bring about: a panic of the writer, a log that nobody looks after, a file that goes.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::draft::check;
use crate::store::commit::Answer;
use crate::store::error::{Error, Fatal};
use crate::store::job::{Job, Task};
use crate::store::{Config, Store};

/// Faults row 13: the job that panics fails alone; the others of its group are stored, and the writer lives.
#[tokio::test]
async fn a_panic_is_its_own_jobs_fault() {
    let dir = tempfile::tempdir().unwrap();
    let (store, announcer) = open(dir.path()).await;
    let draft = || check(serde_json::json!({"user": "ada", "type": "like", "content": "x"})).unwrap();
    let mut answers = Vec::new();
    for _ in 0..20 {
        let (reply, answer) = oneshot::channel();
        store.0.queue.admit(Job { task: Task::Append(vec![draft()]), reply }).unwrap();
        answers.push(answer);
    }
    let (reply, panicked) = oneshot::channel();
    store.0.queue.admit(Job { task: Task::Panic, reply }).unwrap();
    let (reply, answer) = oneshot::channel();
    store.0.queue.admit(Job { task: Task::Append(vec![draft()]), reply }).unwrap();
    answers.push(answer);
    for (answer, rev) in answers.into_iter().zip(1..) {
        let Answer::Appended(results) = answer.await.unwrap().unwrap() else { panic!("another's answer") };
        assert_eq!(results[0].rev, rev);
    }
    assert!(matches!(panicked.await.unwrap(), Err(Error::Internal(_))));
    let (reply, panicked) = oneshot::channel();
    store.0.queue.admit(Job { task: Task::Panic, reply }).unwrap();
    assert!(panicked.await.unwrap().is_err());
    assert!(store.is_writable(), "the fault of a job is none of the disk's");
    store.close().await.unwrap();
    announcer.await.unwrap();
}

/// Nobody but the writer folds the log in, and it stays at its cap. While a reader is at it, it cannot be folded in, and
/// that is no fault.
#[tokio::test]
async fn the_log_is_capped_by_the_writer_itself() {
    const CAP: u64 = 64 * 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let (store, announcer) = open(dir.path()).await;
    store.0.caretaker.stop().await;
    let log_bytes = || dir.path().join("lumen.db-wal").metadata().unwrap().len();
    let users: Vec<String> = (0..1_000).map(|n| format!("u{n}")).collect();
    let draft = serde_json::json!({"users": users, "type": "system", "content": "x".repeat(4_000)});
    let mut highest = 0;
    let mut fill = async |times: usize| {
        for _ in 0..times {
            store.append(vec![check(draft.clone()).unwrap()]).await.unwrap();
            highest = highest.max(log_bytes());
        }
        highest
    };
    let group = fill(1).await;
    let highest = fill(35).await;
    assert!((CAP..CAP + 2 * group).contains(&highest), "{highest} after {group} a group");

    let reader = rusqlite::Connection::open(dir.path().join("lumen.db")).unwrap();
    let reading = reader.unchecked_transaction().unwrap();
    reading.query_row("SELECT COUNT(*) FROM inbox", [], |_| Ok(())).unwrap();
    let held = fill(35).await;
    assert!(held > CAP + 10 * group, "{held}");
    reading.rollback().unwrap();
    fill(2).await;
    assert!(log_bytes() < CAP / 2, "{} once nobody is at it", log_bytes());
    store.close().await.unwrap();
    announcer.await.unwrap();
}

/// So that a copy of that file alone is whole.
#[tokio::test]
async fn a_store_that_is_closed_has_folded_its_log_in() {
    let dir = tempfile::tempdir().unwrap();
    let (store, announcer) = open(dir.path()).await;
    let draft = check(serde_json::json!({"user": "ada", "type": "like", "content": "x"})).unwrap();
    store.append(vec![draft]).await.unwrap();
    let log_bytes = || dir.path().join("lumen.db-wal").metadata().unwrap().len();
    assert!(log_bytes() > 0);
    store.close().await.unwrap();
    assert_eq!(log_bytes(), 0);
    announcer.await.unwrap();
}

#[tokio::test]
async fn whoever_waits_for_a_failure_is_told_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, announcer) = open(dir.path()).await;
    let path = dir.path().join("lumen.db");
    std::fs::rename(&path, dir.path().join("away.db")).unwrap();
    let draft = check(serde_json::json!({"user": "ada", "type": "like", "content": "x"})).unwrap();
    assert_eq!(store.append(vec![draft]).await, Err(Error::Down));
    let gone = Fatal::Gone { path, replaced: false };
    let told = tokio::time::timeout(Duration::from_secs(20), store.failed()).await;
    assert_eq!(told.as_ref(), Ok(&gone));
    assert_eq!(store.close().await, Err(gone));
    announcer.await.unwrap();
}

async fn open(dir: &Path) -> (Store, JoinHandle<()>) {
    let config = Config {
        readers: 1,
        inbox_rows: 10_000,
        max_age: Duration::from_secs(3600),
        write_timeout: Duration::from_secs(10),
    };
    let (store, mut commits) = Store::open(&dir.join("lumen.db"), config, Clock::System).await.unwrap();
    let announcer = tokio::spawn(async move {
        while let Some(commit) = commits.next().await {
            commit.tell(|_| 0, |_| 0);
        }
    });
    (store, announcer)
}
