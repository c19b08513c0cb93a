//! What a public server must bear at its sockets: descriptors that run out, and peers that go in every way.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use lumen_inbox::wire::api::STREAM;
use serde_json::{Value, json};

use crate::support::child::{Child, Launch};
use crate::support::gcc;
use crate::support::http::Api;
use crate::support::link::Link;
use crate::support::netns::Namespace;
use crate::support::opening::Opening;
use crate::support::patience;
use crate::support::reader::Reader;

const STREAMS: usize = 10;
/// As large as a notification may be.
const CONTENT: usize = 4 * 1024;

async fn streams(server: &Child, user: &str) -> Vec<Reader> {
    let mut readers = Vec::new();
    for _ in 0..STREAMS {
        let mut reader = server.opening(user).open().await;
        reader.expect_ready().await;
        readers.push(reader);
    }
    readers
}

/// Posts to the user until it has no stream any more.
async fn until_no_stream(api: &Api, user: &str) {
    let gone = patience::within(async {
        while api.publish(user, "x").await.streams > 0 {
            patience::pause(Duration::from_millis(20)).await;
        }
    });
    assert!(gone.await.is_some(), "{user} still has streams");
}

/// How many sockets it has open.
fn sockets(server: &Child) -> usize {
    let pid = server.pid().expect("a running server");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
    let of = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    of.filter(|of| of.to_string_lossy().starts_with("socket:")).count()
}

fn lines(server: &Child) -> usize {
    server.stderr().lines().count()
}

/// Writes, and sees it at each of ada's readers.
async fn goes_on(api: &Api, readers: &mut [Reader]) {
    for n in 0..20 {
        let drafts: Vec<Value> =
            (0..100).map(|line| json!({"user": "ada", "type": "like", "content": format!("{n} {line}")})).collect();
        assert_eq!(api.batch(&drafts).await.0, 201, "the database writes");
    }
    for reader in readers {
        let messages = reader.messages(2_001).await;
        assert_eq!(messages.last().unwrap().data.content, "19 99");
    }
}

/// Faults row 14: as many as the limit of its start has room for.
#[tokio::test]
async fn a_crowd_keeps_newcomers_waiting_and_nobody_else() {
    let server = Launch::new().wrapper(["prlimit", "--nofile=256"]).start().await;
    let api = server.api();
    let mut readers = streams(&server, "ada").await;
    api.publish("ada", "before").await;
    let said = lines(&server);
    let mut crowd = Vec::new();
    for _ in 0..400 {
        crowd.push(Link::connect(server.addr()).await.unwrap());
    }
    patience::until(|| lines(&server) > said).await;
    let newcomer = tokio::spawn(server.opening("ben").open());
    goes_on(&api, &mut readers).await;
    drop(crowd);
    newcomer.await.unwrap().expect_ready().await;
    assert_eq!(lines(&server), said + 1, "{}", server.stderr());
}

/// Faults row 14: before any count of connections is full.
#[tokio::test]
async fn descriptors_that_run_out_keep_newcomers_waiting_and_nobody_else() {
    let server = Child::start().await;
    let api = server.api();
    let mut readers = streams(&server, "ada").await;
    api.publish("ada", "before").await;
    let said = lines(&server);
    let limit = limit_of_open_files(&server, STREAMS as u64);
    let newcomer = tokio::spawn(server.opening("ben").open());
    patience::until(|| lines(&server) > said).await;
    goes_on(&api, &mut readers).await;
    assert!(!newcomer.is_finished());
    limit_of_open_files(&server, limit);
    newcomer.await.unwrap().expect_ready().await;
    assert_eq!(lines(&server), said + 1, "{}", server.stderr());
}

/// Sets the limit of a running server; returns what it was.
fn limit_of_open_files(server: &Child, limit: u64) -> u64 {
    let pid = server.pid().expect("a running server").to_string();
    let prlimit = |words: &[&str]| {
        let done = Command::new("prlimit").args(["--pid", &pid]).args(words).output().expect("prlimit");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    let before = prlimit(&["--nofile", "--output=SOFT", "--noheadings"]);
    prlimit(&[&format!("--nofile={limit}:")]);
    before.parse().expect("a number")
}

/// Faults row 18, for those who still say something.
#[tokio::test]
async fn whoever_goes_leaves_nothing_behind() {
    let server = Child::start().await;
    let api = server.api();
    api.publish("ada", "before").await;
    let (said, base) = (lines(&server), sockets(&server));
    let resets: fn(Link) -> Option<Link> = |link| {
        link.reset();
        None
    };
    let hangs_up: fn(Link) -> Option<Link> = |_| None;
    let stays: fn(Link) -> Option<Link> = Some;
    for (how, closes_half) in [(resets, false), (hangs_up, false), (stays, true)] {
        let mut links = Vec::new();
        for _ in 0..STREAMS {
            let mut link = Link::connect(server.addr()).await.unwrap();
            link.send(request(&server, "ada").as_bytes()).await.unwrap();
            assert_eq!(link.head().await.unwrap().status, 200);
            links.push(link);
        }
        // More than the sockets hold: the server is in the midst of a write to each, and none of them reads.
        let content = "x".repeat(CONTENT);
        for _ in 0..4 {
            let drafts = vec![json!({"user": "ada", "type": "like", "content": content}); 200];
            assert_eq!(api.batch(&drafts).await.0, 201);
        }
        let mut left = Vec::new();
        for mut link in links {
            if closes_half {
                link.close_own_half().await.unwrap();
            }
            left.extend(how(link));
        }
        until_no_stream(&api, "ada").await;
        patience::until(|| sockets(&server) <= base).await;
        drop(left);
    }
    assert_eq!(lines(&server), said, "{}", server.stderr());
}

fn request(server: &Child, user: &str) -> String {
    format!("GET {STREAM} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", server.tokens().user(user))
}

/// Faults row 18, for those who say nothing any more.
#[tokio::test]
async fn a_vanished_client_is_given_up() {
    let Some(net) = Namespace::make() else { return };
    let shim = gcc::build("hasty_kernel.c", "hasty_kernel.so", &["-shared", "-fPIC"]);
    let launch = Launch::new().wrapper(net.wrapper()).listen(SocketAddr::new(net.inside, 0));
    let server = launch.env("LD_PRELOAD", shim).start().await;
    let api = server.api();
    api.publish("ada", "before").await;
    let (said, base) = (lines(&server), sockets(&server));
    let mut gone = Vec::new();
    for _ in 0..STREAMS {
        let mut reader = Opening::new(server.addr(), server.tokens().user("ada")).from(net.here_too).open().await;
        reader.expect_ready().await;
        gone.push(reader);
    }
    let mut stays = server.opening("ada").open().await;
    stays.expect_ready().await;
    net.swallow(net.here_too);
    let given_up = patience::within(async {
        while api.publish("ada", "x").await.streams > 1 {
            stays.expect_message().await;
        }
    });
    assert!(given_up.await.is_some(), "vanished clients are still there");
    patience::until(|| sockets(&server) <= base + 1).await;
    assert_eq!(lines(&server), said, "{}", server.stderr());
}
