//! Faults row 6: the disk is full. While the server runs it says so, streams and reads go on, and it resumes by itself;
//! at start it ends with one clear line, and what was stored is as it was.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lumen_inbox::clock::Clock;
use lumen_inbox::wire::api::{Changed, Published};
use reqwest::Method;
use serde_json::json;

use crate::support::child::{Child, Ended, Launch};
use crate::support::faulty_disk::FaultyDisk;
use crate::support::http::{Api, ok};
use crate::support::patience;
use crate::support::rights::{is_root, mounts};
use crate::support::stock::stored;
use crate::support::tokens::Tokens;

const FULL: &str = "write *lumen.db* ENOSPC";

fn like(content: &str) -> serde_json::Value {
    json!({"user": "ada", "type": "like", "content": content, "key": content})
}

/// Its code, or none while it is ready.
async fn unready(server: &Child) -> Option<String> {
    let api = Api::new(server.url(), "");
    let (status, answer) = api.try_send(api.request(Method::GET, "/readyz")).await.unwrap();
    assert_eq!(status == 200, answer["code"].is_null(), "{answer}");
    answer["code"].as_str().map(str::to_owned)
}

/// Waits for it, without writing anything.
async fn until_ready(server: &Child) {
    let ready = async {
        while unready(server).await.is_some() {
            patience::pause(Duration::from_millis(20)).await;
        }
    };
    patience::within(ready).await.expect("it is ready again by itself");
}

fn assert_no_room(ended: &Ended) {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: no room to open the database ") && last.contains("make room"), "{last}");
}

#[tokio::test]
async fn a_full_disk_is_told_borne_and_left_without_help() {
    let disk = FaultyDisk::new();
    let server = disk.under(Launch::new()).start().await;
    let (api, ada) = (server.api(), server.api().with(server.tokens().user("ada")));
    let first = api.publish("ada", "first").await;
    let mut stream = server.opening("ada").open().await;
    stream.expect_ready().await;
    assert_eq!(unready(&server).await, None);

    disk.fails(FULL);
    for _ in 0..3 {
        let (status, problem) = api.post(&like("second")).await;
        assert_eq!((status, &problem["code"]), (507, &json!("disk_full")));
        assert!(problem["cure"].as_str().unwrap().contains("made room"), "{problem}");
        assert_eq!(ada.read(first.id).await.0, 507);
        assert_eq!(unready(&server).await.as_deref(), Some("not_writable"));
    }
    // A commit that failed left nothing behind, neither on the disk nor in memory.
    let listed = ada.list_all().await;
    assert_eq!((listed.items.len(), listed.counts.rev, listed.counts.unread), (1, 1, 1));
    let mut another = server.opening("ada").snapshot(5).open().await;
    let ready = another.expect_ready().await;
    assert_eq!((ready.counts.rev, ready.items.map(|items| items.len())), (1, Some(1)));

    // It goes on trying by itself, and what that shows is what it says.
    for _ in 0..2 {
        disk.fails("write *lumen.db-wal HOLD");
        disk.until_held().await;
        assert_eq!(unready(&server).await.as_deref(), Some("not_writable"));
        disk.fails(FULL);
    }
    disk.heals();
    until_ready(&server).await;
    let second: Published = ok(api.post(&like("second")).await);
    assert_eq!((second.rev, second.unread_count, second.streams), (2, 2, 2), "the streams were there all the time");
    for stream in [&mut stream, &mut another] {
        let told = stream.expect_message().await;
        assert_eq!((told.data.id, told.counts.rev, told.counts.unread), (second.id, 2, 2));
    }
    let read: Changed = ok(ada.read(first.id).await);
    assert_eq!((read.changed, read.counts.rev, read.counts.unread), (1, 3, 1));
}

/// Only the log's index has no room to grow, for which SQLite has a name of its own.
#[tokio::test]
async fn an_index_of_the_log_without_room_is_a_full_disk() {
    let disk = FaultyDisk::new();
    let server = disk.under(Launch::new()).start().await;
    let api = server.api();
    // The first part of the index is enough for 4,062 pages of the log; this takes a page and more a row.
    let users: Vec<String> = (0..6_000).map(|n| format!("u{n}")).collect();
    let heavy = json!({"users": users, "type": "system", "content": "x".repeat(4_000)});
    disk.fails("write *lumen.db-shm ENOSPC");
    let (status, problem) = api.post(&heavy).await;
    assert_eq!((status, &problem["code"]), (507, &json!("disk_full")));
    disk.heals();
    until_ready(&server).await;
    assert_eq!(api.post(&heavy).await.0, 201);
    assert_eq!(api.publish("u0", "and on").await.rev, 2);
}

#[tokio::test]
async fn a_disk_that_is_full_at_start_leaves_what_is_stored_as_it_was() {
    let disk = FaultyDisk::new();
    let mut server = disk.under(Launch::new()).start().await;
    let kept = server.api().publish("ada", "kept").await;
    server.terminate();
    assert_eq!(server.wait().await.status.code(), Some(0));
    for full in [FULL, "write *lumen.db-wal ENOSPC"] {
        disk.fails(full);
        let Err(ended) = server.launch().try_start().await else { panic!("it starts on a full disk") };
        assert_no_room(&ended);
        disk.heals();
    }
    server.restart().await;
    assert_eq!(server.api().publish("ada", "next").await.rev, kept.rev + 1);
}

/// Faults rows 6 and 11: whichever write of the first start finds no room, or is the last, the next start makes it good.
#[tokio::test]
async fn a_start_that_ends_in_the_midst_of_making_the_tables_is_made_good_by_the_next() {
    let mut met = 0;
    for (nth, fault) in (1..).zip(["ENOSPC", "KILL", "TORN"].into_iter().cycle()) {
        let disk = FaultyDisk::new();
        let launch = disk.under(Launch::new());
        disk.fails(&format!("write *lumen.db* {fault} {nth}"));
        // Past the last write of a start it comes up.
        let Err(ended) = launch.clone().try_start().await else { break };
        if fault == "ENOSPC" {
            assert_no_room(&ended);
        }
        // All of the schema or nothing of it.
        assert!(stored(launch.dir()).is_none_or(|rows| rows.is_empty()), "write {nth}, {fault}");
        disk.heals();
        assert_eq!(launch.start().await.api().publish("ada", "first").await.rev, 1, "write {nth}, {fault}");
        met = nth;
    }
    assert!(met > 5, "the tables take more than {met} writes");
}

/// The same on a disk that is really full: one of 3 MB, which only the server sees.
#[tokio::test]
async fn a_small_disk_fills_and_is_given_room() {
    if !is_root() {
        return;
    }
    // The key is signed with before the server is there; the rest of the directory is the small disk's.
    let launch = Launch::new();
    let tokens = Tokens::of(launch.dir(), Clock::System);
    let dir = launch.dir().to_owned();
    let wrapper = mounts(
        &dir,
        "key=$(mktemp) && cp -p $dir/key $key && mount -t tmpfs -o size=3m,mode=700 none $dir && mv $key $dir/key && \
         head -c 1000000 /dev/zero >$dir/ballast",
    );
    let server = launch.wrapper(wrapper).start().await;
    let api = Api::new(server.url(), tokens.producer());
    let inside = |path: &Path| PathBuf::from(format!("/proc/{}/root{}", server.pid().unwrap(), path.display()));
    let mut stored = 0;
    let refusal = loop {
        let (status, answer) = api.post(&json!({"user": "ada", "type": "like", "content": "x".repeat(2_000)})).await;
        match status {
            201 => stored += 1,
            _ => break (status, answer["code"].clone()),
        }
    };
    assert_eq!((refusal, stored > 50), ((507, json!("disk_full")), true), "after {stored}");
    let ada = api.with(tokens.user("ada"));
    assert_eq!(ada.list_all().await.items.len(), stored);
    assert_eq!(unready(&server).await.as_deref(), Some("not_writable"));
    std::fs::remove_file(inside(&dir.join("ballast"))).unwrap();
    until_ready(&server).await;
    assert_eq!(api.publish("ada", "room").await.rev, stored as u64 + 1);
}
