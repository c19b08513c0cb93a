//! How a server starts, what keeps it from starting, and how it ends: by a signal, by kill -9, under open streams and
//! requests that are under way.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lumen_inbox::clock::Clock;
use lumen_inbox::domain::ids::NotificationId;
use lumen_inbox::wire::api::{NOTIFICATIONS, Published, STREAM};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::chaos::{Chaos, Mode};
use crate::support::child::Child;
use crate::support::command::lumen;
use crate::support::follower::Follower;
use crate::support::http::{Api, ok};
use crate::support::link::{Ended, Link};
use crate::support::opening::Opening;
use crate::support::patience;
use crate::support::server::Server;
use crate::support::shelf::NOON;

const STREAMS: usize = 20;
const PUBLISHERS: usize = 4;

/// Faults row 15, but for the number.
#[tokio::test]
async fn a_signal_under_streams_and_posts_loses_nothing() {
    let mut server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    let chaos = Chaos::start(server.addr()).await;
    let (mut followers, mut readers) = (Vec::new(), Vec::new());
    for user in 0..PUBLISHERS {
        let (name, token) = (format!("u{user}"), tokens.user(&format!("u{user}")));
        let own = Api::new(format!("http://{}", chaos.addr()), token.clone());
        followers.push(Follower::open(&name, Opening::new(chaos.addr(), token.clone()), own).await);
        for _ in 0..STREAMS / PUBLISHERS {
            readers.push(Opening::new(server.addr(), token.clone()).open().await);
        }
    }
    let publishers: Vec<_> =
        (0..PUBLISHERS).map(|user| tokio::spawn(publish_until_it_ends(user, api.clone()))).collect();
    let mut retries = BTreeSet::new();
    readers[0].messages(10).await;
    server.terminate();
    for reader in &mut readers {
        let close = reader.expect_close().await;
        let last = reader.received().last().unwrap();
        assert_eq!((close.reason.as_str(), close.reconnect), ("draining", true));
        assert_eq!(last.block.retry, Some(close.retry_ms));
        assert!((2_000..=15_000).contains(&close.retry_ms), "{close:?}");
        assert_eq!(last.block.id.as_deref(), reader.cursor(), "from where it is to come back");
        retries.insert(close.retry_ms);
    }
    assert!(retries.len() > 1, "all come back in one moment: {retries:?}");
    let ended = server.wait().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("ended in good order\n"), "{}", ended.stderr);

    server.restart().await;
    chaos.point_at(server.addr());
    for (user, (publisher, follower)) in publishers.into_iter().zip(&mut followers).enumerate() {
        let acknowledged = publisher.await.unwrap();
        follower.assert_shows_the_truth().await;
        let listed = api.at(server.url()).with(tokens.user(&format!("u{user}"))).list_all().await;
        let stored: BTreeMap<String, NotificationId> =
            listed.items.into_iter().map(|item| (item.data.content, item.data.id)).collect();
        let missing = acknowledged.iter().find(|(content, id)| stored.get(*content) != Some(id));
        assert_eq!(missing, None, "acknowledged and not there");
        assert!(stored.len() <= acknowledged.len() + 1, "only the last post's outcome may be unknown");
    }
}

/// Posts to a user of its own until the server takes no more: what was acknowledged.
async fn publish_until_it_ends(user: usize, api: Api) -> BTreeMap<String, NotificationId> {
    let mut acknowledged = BTreeMap::new();
    for n in 0.. {
        let content = n.to_string();
        let draft = json!({"user": format!("u{user}"), "type": "like", "content": content});
        match api.try_post(&draft).await {
            Ok(answer) => acknowledged.insert(content, ok::<Published>(answer).id),
            Err(_) => break,
        };
    }
    acknowledged
}

/// A post whose head came before the signal is answered, stored and told as ever, and no other is let in meanwhile.
#[tokio::test]
async fn a_request_under_way_is_finished_while_nobody_else_is_let_in() {
    let mut server = Child::start().await;
    let probe = Api::new(server.url(), "");
    let probed = async |path: &str| probe.try_send(probe.request(Method::GET, path)).await;
    assert_eq!(probed("/healthz").await.unwrap(), (200, json!({"status": "alive"})));
    assert_eq!(probed("/readyz").await.unwrap(), (200, json!({"status": "ready"})));

    let body = json!({"user": "ada", "type": "like", "content": "slow"}).to_string();
    let (begun, rest) = body.split_at(10);
    let mut slow = half_a_post(&server, &body).await;
    slow.send(begun.as_bytes()).await.unwrap();
    let mut reader = server.opening("ada").open().await;
    reader.expect_ready().await;
    server.terminate();
    assert_eq!(reader.expect_close().await.reason, "draining");
    // It is no longer ready by then, and its port is closed right after.
    let closed = async {
        while let Ok((status, problem)) = probed("/readyz").await {
            assert_ne!(status, 200, "{problem}");
        }
    };
    patience::within(closed).await.expect("a port that closes");
    assert!(server.pid().is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()));

    slow.send(rest.as_bytes()).await.unwrap();
    let answer = patience::within(slow.head()).await.unwrap().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (201, Some("close")));
    let published: Published = serde_json::from_slice(&slow.whole_body().await).unwrap();
    assert_eq!(published.streams, 0, "its stream had been closed");
    assert_eq!(server.wait().await.status.code(), Some(0));
    server.restart().await;
    reader.opening().move_to(server.addr());
    reader.resume().await;
    assert_eq!(reader.expect_ready().await.missed, Some(1));
    assert_eq!(reader.expect_message().await.data.id, published.id);
}

/// Faults row 15, its second signal: what was acknowledged is there all the same.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = Child::start().await;
    let _slow = half_a_post(&server, "{}").await;
    let mut reader = server.opening("ada").open().await;
    reader.expect_ready().await;
    let kept = server.api().publish("ada", "kept").await;
    server.terminate();
    assert_eq!(reader.expect_close().await.reason, "draining");
    // What comes at once may be an echo of the first.
    while !server.has_ended() {
        server.signal("INT");
        patience::pause(Duration::from_millis(50)).await;
    }
    let ended = server.wait().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: a second signal ended it before it had drained; "), "{}", ended.stderr);
    server.restart().await;
    let listed = server.api().with(server.tokens().user("ada")).list_all().await;
    assert_eq!(listed.items.iter().map(|item| item.data.id).collect::<Vec<_>>(), [kept.id]);
}

/// `timeout`, for one, sends its signal to the process and to its group. Two kinds, since two of a kind may be one.
#[tokio::test]
async fn an_echo_of_a_signal_is_no_second_one() {
    let mut server = Child::start().await;
    let body = json!({"user": "ada", "type": "like", "content": "slow"}).to_string();
    let mut slow = half_a_post(&server, &body).await;
    let pid = server.pid().unwrap();
    let both = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {pid}; kill -INT {pid}")]).status();
    assert!(both.unwrap().success());
    slow.send(body.as_bytes()).await.unwrap();
    assert_eq!(patience::within(slow.head()).await.unwrap().unwrap().status, 201);
    let ended = server.wait().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

/// A post whose body is waited for, so that a drain has to wait too.
async fn half_a_post(server: &Child, body: &str) -> Link {
    let mut link = Link::connect(server.addr()).await.unwrap();
    let head = format!(
        "POST {NOTIFICATIONS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        server.tokens().producer(),
        body.len()
    );
    link.send(head.as_bytes()).await.unwrap();
    assert_eq!(patience::within(link.head()).await.unwrap().unwrap().status, 100);
    link
}

/// Who has come but not yet said all when the drain begins is told so in a way that brings an EventSource back.
#[tokio::test]
async fn who_comes_with_the_drain_is_told_to_come_back() {
    let server = Server::start().await;
    server.api().publish("ada", "one").await;
    let cursor = server.user("ada").list_all().await.cursor;
    let token = server.tokens.user("ada");
    let mut links = Vec::new();
    for (path, accept) in [("/readyz", "*/*"), ("/healthz", "*/*"), (STREAM, "*/*"), (STREAM, "text/event-stream")] {
        let mut link = Link::connect(server.addr()).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\n");
        link.send(head.as_bytes()).await.unwrap();
        links.push(link);
    }
    // Once this is answered, what was sent before it has been read.
    server.user("ada").list_all().await;
    let finishing = async {
        let mut answers = Vec::new();
        for link in &mut links {
            link.send(format!("Last-Event-ID: {cursor}\r\n\r\n").as_bytes()).await.unwrap();
            let head = link.head().await.unwrap();
            answers.push((head, String::from_utf8(link.whole_body().await).unwrap()));
        }
        answers
    };
    let (_, answers) = tokio::join!(server.stop(), patience::within(finishing));
    let answers = answers.expect("answers");
    assert_eq!(answers.iter().map(|(head, _)| head.status).collect::<Vec<_>>(), [503, 200, 503, 200]);
    for ((head, body), seconds) in [(&answers[0], 2..=2), (&answers[2], 2..=15)] {
        assert!(seconds.contains(&head.header("retry-after").unwrap().parse().unwrap()), "{head:?}");
        assert_eq!(body.parse::<Value>().unwrap()["code"], "draining");
    }
    let close = &answers[3].1;
    assert!(close.contains("event: close\n") && close.contains("\"reason\":\"draining\""), "{close}");
    assert!(close.contains(&format!("id: {cursor}\n")) && close.contains("retry: "), "{close}");
}

/// Faults row 10.
#[tokio::test]
async fn a_second_server_on_one_directory_is_told_who_has_it() {
    let mut first = Child::start().await;
    let Err(second) = first.launch().try_start().await else { panic!("two servers on one directory") };
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let told = format!("is in use by pid {}: end that `lumen serve`, or name another", first.pid().unwrap());
    assert!(second.stderr.contains(&told), "{}", second.stderr);
    first.api().publish("ada", "unharmed").await;
    first.kill9().await;
    let third = first.launch().start().await;
    assert_eq!(third.api().with(third.tokens().user("ada")).list_all().await.items.len(), 1);
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_told_with_its_cure() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name);
    let with_key = |name: &str, bytes: usize, mode: u32| {
        std::fs::create_dir(path(name)).unwrap();
        std::fs::write(path(name).join("key"), vec![b'k'; bytes]).unwrap();
        std::fs::set_permissions(path(name).join("key"), PermissionsExt::from_mode(mode)).unwrap();
    };
    std::fs::write(path("file"), "").unwrap();
    with_key("open", 32, 0o644);
    with_key("short", 31, 0o600);
    let other = Child::start().await;
    let taken = other.addr().to_string();
    for (dir, listen, told) in [
        ("file", "127.0.0.1:0", "file is no directory: give the path of a directory with --data-dir"),
        ("file/below", "127.0.0.1:0", "below is no directory: give the path"),
        ("open", "127.0.0.1:0", "open/key is open to others with mode 0644: run `chmod 600` on it"),
        ("short", "127.0.0.1:0", "short/key has 31 bytes, but 32 to 4096 are needed: put the right one back"),
        ("new", &taken, "Address already in use (os error 98): end the program that has it, or name another"),
        ("new", "192.0.2.1:0", "name an address of this host with --listen"),
    ] {
        let done = lumen("serve --listen").word(listen).word("--data-dir").word(path(dir)).run().await;
        assert_eq!((done.code, done.lines.len()), (Some(1), 0), "{done:?}");
        let last = done.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && last.contains(told), "{dir}: {}", done.stderr);
        assert_eq!(done.stderr.matches("error").count() - last.matches("os error").count(), 1, "{}", done.stderr);
    }
    let kept = std::fs::metadata(path("new").join("key")).unwrap();
    assert_eq!((kept.len(), kept.permissions().mode() & 0o777), (32, 0o600), "made by itself, for its user alone");
}

/// Faults row 2: killed between commit and answer.
#[tokio::test]
async fn a_post_whose_answer_was_lost_is_there_once() {
    let mut server = Child::start().await;
    let (api, tokens) = (server.api(), server.tokens());
    let chaos = Chaos::start(server.addr()).await;
    let mut away = server.opening("ada").open().await;
    away.expect_ready().await;
    away.hang_up();
    let mut open = server.opening("ada").open().await;
    open.expect_ready().await;

    chaos.for_next(Mode::Stall);
    let draft = json!({"user": "ada", "type": "like", "content": "once", "key": "k"});
    let through = api.at(format!("http://{}", chaos.addr()));
    let posting = tokio::spawn({
        let draft = draft.clone();
        async move { through.try_post(&draft).await }
    });
    let told = open.expect_message().await;
    server.kill9().await;
    chaos.cut_all();
    assert!(posting.await.unwrap().is_err(), "nobody was told that it is stored");

    server.restart().await;
    let api = api.at(server.url());
    let (status, again) = api.post(&draft).await;
    assert_eq!((status, &again["duplicate"], &again["id"]), (200, &json!(true), &json!(told.data.id)));
    for (reader, missed) in [(&mut away, 1), (&mut open, 0)] {
        reader.opening().move_to(server.addr());
        reader.resume().await;
        assert_eq!(reader.expect_ready().await.missed, Some(missed));
    }
    assert_eq!(away.expect_message().await.data.id, told.data.id);
    let next = api.publish("ada", "next").await;
    assert_eq!(open.expect_message().await.data.id, next.id, "what it was told does not come again");
    assert_eq!(api.with(tokens.user("ada")).list_all().await.items.len(), 2);
}

/// Faults row 37, for a token's end.
#[tokio::test(start_paused = true)]
async fn a_tokens_end_is_told_and_a_fresh_one_loses_nothing() {
    let _still = patience::stand_still();
    let server = Server::start_by(Clock::tokio(NOON)).await;
    let mut short = Opening::new(server.addr(), server.tokens.user_for("ada", Duration::from_secs(2))).open().await;
    short.expect_ready().await;
    server.api().publish("ada", "in time").await;
    assert_eq!(short.expect_message().await.data.content, "in time");
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let close = short.expect_close().await;
    assert_eq!((close.reason.as_str(), close.reconnect), ("token_expired", true));
    server.api().publish("ada", "meanwhile").await;
    let refused = short.try_resume().await;
    assert!(format!("{}", refused.unwrap_err()).contains("\"code\":\"token_expired\""));
    short.opening().renew(server.tokens.user("ada"));
    short.resume().await;
    assert_eq!(short.expect_ready().await.missed, Some(1));
    assert_eq!(short.expect_message().await.data.content, "meanwhile");
    short.hang_up();
    let ended = short.ended().await;
    assert_eq!(ended.1, Ended::HungUp);
    server.stop().await;
}
