//! Faults row 8: the files go from under a running server, or come back from an older time. Nothing is acknowledged into
//! a file that nobody finds again; a cursor of a history that was taken back is told so, and the others go on.

use std::fs;
use std::path::Path;

use lumen_inbox::domain::cursor::Reason;
use serde_json::json;

use crate::support::child::{Child, Ended, Launch};
use crate::support::faulty_disk::FaultyDisk;
use crate::support::http::Answer;
use crate::support::stock::copy;

/// What is done to a directory, and what the last line then says of which file.
type Deed = (fn(&Path), &'static str);

const DEEDS: [Deed; 7] = [
    (|dir| fs::remove_file(dir.join("lumen.db")).unwrap(), "lumen.db was moved or deleted while"),
    (|dir| fs::rename(dir.join("lumen.db"), dir.join("old")).unwrap(), "lumen.db was moved or deleted while"),
    (|dir| replace(dir, "lumen.db"), "lumen.db was replaced while"),
    (|dir| fs::remove_file(dir.join("lumen.db-wal")).unwrap(), "lumen.db-wal was moved or deleted while"),
    (|dir| replace(dir, "lumen.db-wal"), "lumen.db-wal was replaced while"),
    (|dir| fs::remove_file(dir.join("lumen.db-shm")).unwrap(), "lumen.db-shm was moved or deleted while"),
    (remake, "lumen.db was replaced while"),
];

/// By a copy, as whoever restores one does.
fn replace(dir: &Path, name: &str) {
    let (old, copied) = (dir.join(name), dir.join("copied"));
    fs::copy(&old, &copied).unwrap();
    fs::rename(copied, old).unwrap();
}

/// All of it at once: moved away, with a copy in its place.
fn remake(dir: &Path) {
    let away = tempfile::tempdir().unwrap();
    let old = away.path().join("old");
    fs::rename(dir, &old).unwrap();
    fs::create_dir(dir).unwrap();
    copy(&old, dir);
}

fn assert_told(ended: &Ended, told: &str) {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains(told) && last.contains("then start again"), "{last}");
}

fn like(content: &str) -> serde_json::Value {
    json!({"user": "ada", "type": "like", "content": content})
}

#[tokio::test]
async fn after_its_files_went_nothing_is_acknowledged() {
    for (deed, told) in DEEDS {
        let mut server = Child::start().await;
        let api = server.api();
        api.publish("ada", "kept").await;
        deed(server.dir());
        // It may have ended by itself, before this reached it.
        if let Ok((status, answer)) = api.try_post(&like("lost")).await {
            assert_eq!(status, 503, "{told}: {answer}");
        }
        assert_told(&server.wait().await, told);
    }
}

/// They go while a commit is at the disk, so that it is in the file that is gone.
#[tokio::test]
async fn what_was_under_way_as_they_went_is_not_acknowledged() {
    for (deed, told) in DEEDS {
        let disk = FaultyDisk::new();
        let mut server = disk.under(Launch::new()).start().await;
        let api = server.api();
        api.publish("ada", "kept").await;
        disk.fails("sync *lumen.db-wal HOLD");
        let posting = tokio::spawn({
            let api = api.clone();
            async move { api.try_post(&like("lost")).await }
        });
        disk.until_held().await;
        deed(server.dir());
        disk.heals();
        let answer: Answer = posting.await.unwrap().expect("an answer");
        assert_eq!((answer.0, &answer.1["code"]), (503, &json!("store_down")), "{told}");
        assert_told(&server.wait().await, told);
    }
}

/// A server to which nobody writes finds it too, and does not go on serving what is gone.
#[tokio::test]
async fn an_idle_server_ends_by_itself() {
    for (deed, told) in DEEDS {
        let mut server = Child::start().await;
        deed(server.dir());
        assert_told(&server.wait().await, told);
    }
}

/// What was acknowledged is in the log, which is deleted but open still.
#[tokio::test]
async fn a_log_that_was_deleted_is_saved_before_the_end() {
    for posts in [true, false] {
        let mut server = Child::start().await;
        let api = server.api();
        for n in 0..20 {
            api.publish("ada", &n.to_string()).await;
        }
        fs::remove_file(server.dir().join("lumen.db-wal")).unwrap();
        if posts {
            let _ = api.try_post(&like("lost")).await;
        }
        assert_told(&server.wait().await, "lumen.db-wal was moved or deleted while");
        server.restart().await;
        let listed = server.api().with(server.tokens().user("ada")).list_all().await;
        // What was not acknowledged may be there, or not.
        let kept = listed.items.iter().rev().map(|item| item.rev).filter(|rev| *rev <= 20);
        assert_eq!(kept.collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    }
}

/// How a directory comes back from an older time.
struct Way {
    /// The server ends before it is kept, so that all of it is in the database file; else it runs.
    ended: bool,
    /// Only the database file is kept, without what its log has.
    bare: bool,
}

const BACKUP: Way = Way { ended: true, bare: false };
const SNAPSHOT: Way = Way { ended: false, bare: false };
const WITHOUT_LOG: Way = Way { ended: true, bare: true };

#[tokio::test]
async fn a_cursor_of_a_history_that_was_taken_back_is_told_and_the_others_go_on() {
    for Way { ended, bare } in [BACKUP, SNAPSHOT, WITHOUT_LOG] {
        let kept_aside = tempfile::tempdir().unwrap();
        let mut server = Child::start().await;
        publish(&server, "bob", "kept", 10).await;
        publish(&server, "ada", "kept", 10).await;
        let (bobs, kept) = (head(&server, "bob").await, head(&server, "ada").await);
        if ended {
            server.terminate();
            server.wait().await;
            server.restart().await;
        }
        if !bare {
            copy(server.dir(), kept_aside.path());
        }
        publish(&server, "ada", "lost", 10).await;
        let lost = head(&server, "ada").await;
        if bare {
            fs::copy(server.dir().join("lumen.db"), kept_aside.path().join("lumen.db")).unwrap();
        }
        server.kill9().await;

        for name in ["lumen.db", "lumen.db-wal", "lumen.db-shm"] {
            fs::remove_file(server.dir().join(name)).unwrap();
        }
        copy(kept_aside.path(), server.dir());
        server.restart().await;
        publish(&server, "ada", "after", 600).await;

        let mut reader = server.opening("ada").last_event_id(lost).open().await;
        let ready = reader.expect_ready().await;
        assert_eq!((ready.resumed, ready.missed), (false, None));
        assert_eq!(reader.expect_resync().await.reason, Reason::Epoch);
        let mut reader = server.opening("ada").last_event_id(kept).open().await;
        let ready = reader.expect_ready().await;
        assert_eq!((ready.resumed, ready.missed), (true, Some(600)));
        let told = reader.messages(600).await.into_iter().map(|message| message.data.content);
        assert_eq!(told.collect::<Vec<_>>(), (0..600).map(|n| format!("after {n}")).collect::<Vec<_>>());
        let ready = server.opening("bob").last_event_id(bobs).open().await.expect_ready().await;
        assert_eq!((ready.resumed, ready.missed), (true, Some(0)));
    }
}

async fn publish(server: &Child, user: &str, content: &str, number: usize) {
    let api = server.api();
    for n in 0..number {
        api.publish(user, &format!("{content} {n}")).await;
    }
}

async fn head(server: &Child, user: &str) -> String {
    server.api().with(server.tokens().user(user)).list_all().await.cursor
}
