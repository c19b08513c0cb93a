//! What only the room itself can bring about: a panic of the writer.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::domain::draft::check;
use crate::store::commit::Answer;
use crate::store::error::Error;
use crate::store::job::{Job, Task};
use crate::store::{Config, Store};

/// Faults row 13: the job that panics fails alone; the others of its group are stored, and the writer lives.
#[tokio::test]
async fn a_panic_is_its_own_jobs_fault() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        readers: 1,
        inbox_rows: 10_000,
        max_age: Duration::from_secs(3600),
        write_timeout: Duration::from_secs(10),
    };
    let (store, mut commits) = Store::open(&dir.path().join("lumen.db"), config, Clock::System).await.unwrap();
    let announcer = tokio::spawn(async move {
        while let Some(commit) = commits.next().await {
            commit.tell(|_| 0, |_| {});
        }
    });
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
    store.close().await.unwrap();
    announcer.await.unwrap();
}
