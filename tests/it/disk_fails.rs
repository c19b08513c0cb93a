//! Faults row 5: an fsync fails. Nothing more is acknowledged, streams are told, and the process ends with one clear
//! line; what was acknowledged before is there for the next. And what only looks like a failed disk: no descriptors.

use std::time::Duration;

use lumen_inbox::clock::Clock;
use serde_json::json;

use crate::support::child::Launch;
use crate::support::gcc;
use crate::support::http::Api;
use crate::support::patience;
use crate::support::reader::Reader;
use crate::support::tokens::Tokens;

#[tokio::test]
async fn after_a_failed_fsync_nothing_is_acknowledged_and_the_process_ends() {
    let shim = gcc::build("fsync_fails.c", "fsync_fails.so", &["-shared", "-fPIC"]);
    let trigger = tempfile::tempdir().unwrap();
    let failing = trigger.path().join("now");
    let launch = Launch::new().env("LD_PRELOAD", shim).env("FSYNC_FAILS_FROM", &failing);
    let mut server = launch.start().await;
    let tokens = Tokens::of(server.dir(), Clock::System);
    let api = Api::new(server.url(), tokens.producer());
    let kept = api.publish("ada", "kept").await;
    let mut stream = Reader::open(server.addr(), tokens.user("ada")).await;
    stream.expect_ready().await;

    std::fs::write(&failing, "").unwrap();
    let (status, problem) = api.post(&json!({"user": "ada", "type": "like", "content": "refused"})).await;
    assert_eq!((status, &problem["code"]), (503, &json!("store_down")));
    let close = stream.expect_close().await;
    assert_eq!((close.reason.as_str(), close.reconnect), ("store_down", true));
    let ended = server.wait().await;
    assert_eq!(ended.status.code(), Some(1));
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: storage I/O error"), "{last}");

    std::fs::remove_file(&failing).unwrap();
    server.restart().await;
    let listed = api.at(server.url()).with(tokens.user("ada")).list_all().await;
    assert!(listed.items.iter().any(|item| item.data.id == kept.id));
}

/// The disk fails where no commit would notice: under the database file, as the log is folded into it.
#[tokio::test]
async fn a_failed_fsync_of_the_database_file_ends_the_process_too() {
    let shim = gcc::build("fsync_fails.c", "fsync_fails_on.so", &["-shared", "-fPIC"]);
    let trigger = tempfile::tempdir().unwrap();
    let failing = trigger.path().join("now");
    let launch = Launch::new().env("LD_PRELOAD", shim).env("FSYNC_FAILS_FROM", &failing);
    let mut server = launch.env("FSYNC_FAILS_ON", "/lumen.db").start().await;
    let tokens = Tokens::of(server.dir(), Clock::System);
    let api = Api::new(server.url(), tokens.producer());
    std::fs::write(&failing, "").unwrap();
    // More than is worth folding in.
    let drafts: Vec<_> = (0..2_000)
        .map(|n| json!({"user": "ada", "type": "like", "content": format!("{n}{}", "x".repeat(3_000))}))
        .collect();
    assert_eq!(api.batch(&drafts).await.0, 201);
    let ended = server.wait().await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("error: storage I/O error"), "{}", ended.stderr);

    std::fs::remove_file(&failing).unwrap();
    server.restart().await;
    let listed = api.at(server.url()).with(tokens.user("ada")).list_all().await;
    assert_eq!(listed.items.len(), drafts.len(), "what was acknowledged is in the log still");
}

/// Idle connections take every descriptor; a statement that changes many rows needs none.
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
    let mut idle = Vec::new();
    let pid = server.pid().unwrap();
    let open_files = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    // The last of them wait to be accepted, and take each descriptor that is let go.
    let exhausted = async {
        while open_files() < 100 || idle.len() < 120 {
            idle.push(tokio::net::TcpStream::connect(server.addr()).await.unwrap());
            patience::pause(Duration::from_millis(1)).await;
        }
    };
    patience::within(exhausted).await.expect("every descriptor is taken");
    let (status, answer) = ada.read_all().await;
    assert_eq!((status, &answer["changed"]), (200, &json!(5_000)), "{}", server.stderr());
    assert_eq!(api.publish("ada", "and it lives").await.rev, 5_002);
}
