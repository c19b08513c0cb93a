//! Faults rows 4 and 5: a disk that fails. After an fsync or a write that did, nothing more is acknowledged, streams are
//! told, and the process ends with one clear line; a write that was torn is recovered from. What was acknowledged is there
//! for the next start. And what only looks like a failed disk: no descriptors.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use lumen_inbox::clock::Clock;
use serde_json::{Value, json};

use crate::support::child::{Child, Ended, Launch};
use crate::support::faulty_disk::FaultyDisk;
use crate::support::http::Api;
use crate::support::patience;
use crate::support::publishers::Publishers;
use crate::support::stock::stored;
use crate::support::tokens::Tokens;

/// Rows of the largest request, of which the queue lets two wait.
const REQUEST_ROWS: usize = 10_000;

/// It ended because of its disk, and says so in its last line.
fn assert_disk_failed(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: storage I/O error: ") && last.contains("then start again"), "{}", ended.stderr);
}

/// More than is worth folding into the database.
fn many() -> Vec<Value> {
    let content = |n| format!("{n}{}", "x".repeat(3_000));
    (0..2_000).map(|n| json!({"user": "ada", "type": "like", "content": content(n)})).collect()
}

async fn rows_of_ada(server: &Child) -> usize {
    server.api().with(server.tokens().user("ada")).list_all().await.items.len()
}

#[tokio::test]
async fn after_a_failed_fsync_or_write_nothing_is_acknowledged_and_the_process_ends() {
    for fault in ["sync *lumen.db-wal EIO", "sync *lumen.db-wal EIO 1 1", "write *lumen.db-wal EIO 1 1"] {
        let disk = FaultyDisk::new();
        let mut server = disk.under(Launch::new()).start().await;
        let api = server.api();
        let kept = api.publish("ada", "kept").await;
        let mut stream = server.opening("ada").open().await;
        stream.expect_ready().await;

        disk.fails(fault);
        let (status, problem) = api.post(&json!({"user": "ada", "type": "like", "content": "refused"})).await;
        assert_eq!((status, &problem["code"]), (503, &json!("store_down")), "{fault}");
        let close = stream.expect_close().await;
        assert_eq!((close.reason.as_str(), close.reconnect), ("store_down", true));
        assert_disk_failed(&server.wait().await);

        disk.heals();
        server.restart().await;
        let listed = api.at(server.url()).with(server.tokens().user("ada")).list_all().await;
        assert!(listed.items.iter().any(|item| item.data.id == kept.id));
    }
}

/// Only one fsync fails, and the next would say yes: what waits behind it is refused all the same.
#[tokio::test]
async fn what_waited_behind_a_failed_fsync_is_refused() {
    let disk = FaultyDisk::new();
    let mut server = disk.under(Launch::new()).start().await;
    let api = server.api();
    api.publish("ada", "kept").await;
    disk.fails("sync *lumen.db-wal HOLD");
    let post = |user: &str, rows: usize| {
        let users: Vec<String> = (0..rows).map(|n| format!("{user}{n}")).collect();
        let (api, draft) = (api.clone(), json!({"users": users, "type": "like", "content": "x"}));
        tokio::spawn(async move { api.try_post(&draft).await })
    };
    let mut waiting = vec![post("first", 1)];
    // The writer is at the disk with the first, maybe with one of these; then two fill the queue, which is told by the
    // next one's refusal.
    let is_full = async {
        while !waiting.iter().skip(1).any(|post| post.is_finished()) {
            waiting.push(post("more", REQUEST_ROWS));
            patience::pause(Duration::from_millis(20)).await;
        }
    };
    patience::within(is_full).await.expect("a queue that fills");
    disk.fails("sync *lumen.db-wal EIO 1 1");
    let mut cut_short = 0;
    for post in waiting {
        // The last ones may have come to a closed door.
        let Ok((status, problem)) = post.await.unwrap() else { continue };
        assert_eq!(status, 503, "{problem}");
        cut_short += usize::from(problem["code"] == "store_down");
    }
    assert!(cut_short >= 3, "only {cut_short} were under way");
    assert_disk_failed(&server.wait().await);
    disk.heals();
    server.restart().await;
    assert_eq!(rows_of_ada(&server).await, 1);
}

/// The disk fails where no commit would notice: under the database file, as the log is folded into it.
#[tokio::test]
async fn one_failed_fsync_of_the_database_file_ends_the_process_too() {
    let disk = FaultyDisk::new();
    let mut server = disk.under(Launch::new()).start().await;
    disk.fails("sync *lumen.db EIO 1 1");
    let drafts = many();
    assert_eq!(server.api().batch(&drafts).await.0, 201);
    assert_disk_failed(&server.wait().await);
    disk.heals();
    server.restart().await;
    assert_eq!(rows_of_ada(&server).await, drafts.len(), "what was acknowledged is in the log still");
}

#[tokio::test]
async fn a_last_checkpoint_that_fails_is_told_by_the_exit_code() {
    let disk = FaultyDisk::new();
    let mut server = disk.under(Launch::new()).start().await;
    server.api().publish("ada", "kept").await;
    disk.fails("sync *lumen.db EIO 1 1");
    server.terminate();
    assert_disk_failed(&server.wait().await);
    disk.heals();
    server.restart().await;
    assert_eq!(rows_of_ada(&server).await, 1);
}

/// A limit of the size of files (`ulimit -f`) would kill the process without a word.
#[tokio::test]
async fn a_limit_of_the_size_of_files_is_a_write_that_fails() {
    let mut server = Launch::new().wrapper(["prlimit", "--fsize=2000000"]).start().await;
    let api = server.api();
    api.publish("ada", "kept").await;
    let (status, problem) = api.batch(&many()).await;
    assert_eq!((status, &problem["code"]), (503, &json!("store_down")));
    assert_disk_failed(&server.wait().await);
}

/// Faults row 4. A write that says how short it was is gone on with.
#[tokio::test]
async fn short_writes_are_gone_on_with() {
    let disk = FaultyDisk::new();
    let mut server = disk.under(Launch::new()).start().await;
    disk.fails("write *lumen.db* SHORT");
    assert_eq!(server.api().batch(&many()).await.0, 201);
    server.terminate();
    assert_eq!(server.wait().await.status.code(), Some(0));
    assert_eq!(stored(server.dir()).unwrap().len(), many().len());
}

/// Faults row 4: a write is torn, in the log or in the database, and the process is killed with it.
#[tokio::test]
async fn a_torn_write_loses_nothing_that_was_acknowledged() {
    let disk = FaultyDisk::new();
    let mut server = disk.under(Launch::new()).start().await;
    assert_eq!(server.api().batch(&many()).await.0, 201, "enough for the database file to be written to at each start");
    let publishers = Publishers::start(8, 4, &server.api(), server.url());
    for nth in 1..=40 {
        publishers.further(1).await;
        let (files, nth) = if nth % 8 == 0 { ("*lumen.db", nth / 8) } else { ("*lumen.db-wal", nth) };
        disk.fails(&format!("write {files} TORN {nth} 1"));
        assert_eq!(server.wait().await.status.signal(), Some(9), "killed in the midst of write {nth}");
        let stored = stored(server.dir()).unwrap();
        let missing = publishers.acknowledged().into_iter().find(|row| stored.get(&row.content) != Some(&row.id));
        assert_eq!(missing, None, "after write {nth} to {files}");
        disk.heals();
        server.restart().await;
        publishers.move_to(server.url());
    }
    publishers.stop().await;
}

/// Idle connections take every place there is; a statement that changes many rows needs no descriptor.
#[tokio::test]
async fn a_large_mark_needs_no_descriptor() {
    let server = Launch::new().wrapper(["prlimit", "--nofile=100:100"]).start().await;
    let tokens = Tokens::of(server.dir(), Clock::System);
    let api = Api::new(server.url(), tokens.producer());
    let drafts: Vec<_> = (0..5_000)
        .map(|n| json!({"user": "ada", "type": "like", "content": format!("{n}{}", "x".repeat(300))}))
        .collect();
    for part in drafts.chunks(1_000) {
        assert_eq!(api.batch(part).await.0, 201);
    }
    let ada = api.with(tokens.user("ada"));
    // More than there are descriptors: the last of them wait to be accepted.
    let mut idle = Vec::new();
    for _ in 0..120 {
        idle.push(tokio::net::TcpStream::connect(server.addr()).await.unwrap());
    }
    let (status, answer) = ada.read_all().await;
    assert_eq!((status, &answer["changed"]), (200, &json!(5_000)), "{}", server.stderr());
    assert_eq!(api.publish("ada", "and it lives").await.rev, 5_002);
}
