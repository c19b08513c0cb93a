//! What comes in at the door: cursors of every kind, keys, batches, two users' traffic side by side.

use std::collections::HashSet;

use lumen_inbox::domain::cursor::{Cursor, Reason};
use lumen_inbox::wire::api::{NOTIFICATIONS, Published, PublishedAll, STREAM};
use lumen_inbox::wire::event::Event;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::http::ok;
use crate::support::opening::Unopened;
use crate::support::server::Server;

/// Faults row 26.
#[tokio::test]
async fn an_unreadable_cursor_is_told_in_the_stream_and_a_400_in_the_query() {
    let server = Server::start().await;
    server.api().publish("ada", "one").await;
    let long = "1".repeat(10_000);
    for unreadable in ["abc", "-1", "1e3", "k3f9q2-18446744073709551616", &long, "k3f9q2-1,k3f9q2-1"] {
        let mut reader = server.opening("ada").last_event_id(unreadable).open().await;
        let ready = reader.expect_ready().await;
        assert_eq!((ready.resumed, ready.missed), (false, None), "{unreadable:.40}");
        let resync = reader.expect_resync().await;
        assert_eq!((resync.reason, resync.counts.unread), (Reason::Unknown, 1));
        let refused = server.opening("ada").last_event_id_in_query(unreadable).try_open().await;
        assert!(matches!(&refused, Err(Unopened::Refused { head, .. }) if head.status == 400), "{unreadable:.40}");
    }
    let mut twice = server.opening("ada").last_event_id("k3f9q2-1").raw("Last-Event-ID: k3f9q2-1\r\n").open().await;
    twice.expect_ready().await;
    assert_eq!(twice.expect_resync().await.reason, Reason::Unknown);
    let mut empty = server.opening("ada").last_event_id("").open().await;
    assert_eq!(empty.expect_ready().await.missed, Some(0), "an empty header counts as none");
    let nul = server.opening("ada").last_event_id("k3f9q2-1\0").try_open().await;
    assert!(matches!(&nul, Err(Unopened::Refused { head, .. }) if head.status == 400), "no HTTP at all: {nul:?}");
    server.stop().await;
}

/// What proxies and browsers go by.
#[tokio::test]
async fn a_stream_begins_with_its_head_and_a_heads_request_opens_none() {
    let server = Server::start().await;
    let mut reader = server.reader("ada").await;
    let ready = reader.next().await;
    assert!((2_000..=5_000).contains(&ready.block.retry.unwrap()));
    let head = reader.head();
    let header = |name| head.header(name);
    assert_eq!((head.status, header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(header("x-accel-buffering"), Some("no"));
    assert_eq!(server.hub.streams(), 1);
    let ada = server.user("ada");
    assert_eq!(ada.send(ada.request(Method::HEAD, STREAM)).await.0, 200);
    assert_eq!(server.hub.streams(), 1);
    server.stop().await;
}

/// While another process holds the database, writes are refused in words and the server is not ready; then it is again.
#[tokio::test]
async fn a_held_database_is_told_at_the_door() {
    let server = Server::start().await;
    let other = Connection::open(server.store_path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let draft = json!({"user": "ada", "type": "like", "content": "x"});
    let refused = server.api().request(Method::POST, NOTIFICATIONS).json(&draft).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"2"[..]));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "database_locked");
    let ready = async || server.api().send(server.api().request(Method::GET, "/readyz")).await;
    let (status, problem) = ready().await;
    assert_eq!((status, &problem["code"]), (503, &json!("not_writable")));
    other.execute_batch("COMMIT").unwrap();
    server.api().publish("ada", "x").await;
    assert_eq!(ready().await.0, 200);
    server.stop().await;
}

/// Faults row 27, but for age.
#[tokio::test]
async fn a_cursor_from_elsewhere_is_told_and_one_from_the_start_gets_all() {
    let server = Server::start().await;
    for n in 0..3 {
        server.api().publish("ada", &n.to_string()).await;
        server.api().publish("ben", &n.to_string()).await;
    }
    let cursor_of = |user: &'static str| {
        let api = server.user(user);
        async move { api.list_all().await.cursor.parse::<Cursor>().unwrap() }
    };
    let (ada, ben) = (cursor_of("ada").await, cursor_of("ben").await);
    for (cursor, reason) in [
        (Cursor { rev: 4, ..ada }, Reason::Ahead),
        (Cursor { rev: i64::MAX.unsigned_abs(), ..ada }, Reason::Ahead),
        (ben, Reason::Epoch),
        ("zzzzzz-1".parse().unwrap(), Reason::Epoch),
    ] {
        let mut reader = server.opening("ada").last_event_id(cursor.to_string()).open().await;
        assert_eq!(reader.expect_ready().await.missed, None);
        assert_eq!(reader.expect_resync().await.reason, reason, "{cursor}");
        let head = ada.to_string();
        assert_eq!(reader.cursor(), Some(head.as_str()), "from then on it stands at the head");
    }
    for start in ["000000-0", "zzzzzz-0"] {
        let mut reader = server.opening("ada").last_event_id_in_query(start).open().await;
        assert_eq!(reader.expect_ready().await.missed, Some(3));
        let contents: Vec<String> = reader.messages(3).await.into_iter().map(|message| message.data.content).collect();
        assert_eq!(contents, ["0", "1", "2"]);
    }
    server.stop().await;
}

/// Faults row 32.
#[tokio::test]
async fn a_key_is_one_notification_whoever_retries() {
    let server = Server::start().await;
    let draft = |content: &str| json!({"user": "ada", "type": "like", "content": content, "key": "k"});
    let at_once = (0..100).map(|_| {
        let (api, draft) = (server.api().clone(), draft("hi"));
        async move { api.post(&draft).await }
    });
    let answers = futures_util::future::join_all(at_once).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);
    let ids: HashSet<_> = answers.into_iter().map(|answer| ok::<Published>(answer).id).collect();
    assert_eq!(ids.len(), 1);
    let (status, problem) = server.api().post(&draft("ho")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("key_conflict")));
    assert_eq!(problem["errors"][0]["user"], "ada");

    let server = server.stop().await.start().await;
    let (status, again) = server.api().post(&draft("hi")).await;
    assert_eq!((status, &again["duplicate"], &again["streams"]), (200, &json!(true), &json!(0)));
    assert_eq!(server.user("ada").list_all().await.items.len(), 1);
    server.stop().await;
}

/// Faults row 33.
#[tokio::test]
async fn a_batch_with_bad_lines_names_each_and_stores_nothing() {
    let server = Server::start().await;
    let good = |user: &str| json!({"user": user, "type": "like", "content": "x"});
    let bad = json!({"user": "ada", "type": "LIKE", "content": "x", "color": "red"});
    let (status, problem) = server.api().batch(&[good("ada"), bad.clone(), good("ben"), json!([1])]).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_draft")));
    let faults: Vec<(u64, &str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            (fault["line"].as_u64().unwrap(), fault["field"].as_str().unwrap(), fault["code"].as_str().unwrap())
        })
        .collect();
    assert_eq!(faults, [(2, "color", "unknown_field"), (2, "type", "invalid"), (4, "", "type")]);
    assert_eq!(server.user("ada").list_all().await.items.len(), 0);

    let several = json!({"users": ["ada", "ben"], "type": "like", "content": "x"});
    let all: PublishedAll = ok(server.api().batch(&[good("ada"), several]).await);
    let results: Vec<(Option<usize>, &str, u64)> =
        all.results.iter().map(|row| (row.line, row.user.as_str(), row.rev)).collect();
    assert_eq!(results, [(Some(1), "ada", 1), (Some(2), "ada", 2), (Some(2), "ben", 1)]);
    let one_of_users: PublishedAll =
        ok(server.api().post(&json!({"users": ["ada"], "type": "like", "content": "y"})).await);
    assert_eq!(one_of_users.results[0].rev, 3, "the answer's shape is that of the question, however many they are");
    let ada = server.user("ada");
    ada.seen(2).await;
    assert_eq!(ada.counts().await, (200, json!({"unread_count": 3, "unseen_count": 1, "rev": 4})));
    server.stop().await;
}

/// One notification is got as the list has it, by its own user alone; a mark tells the streams whose it was.
#[tokio::test]
async fn one_is_got_and_a_mark_names_its_stream() {
    let server = Server::start().await;
    let draft = json!({"user": "ada", "type": "follow", "sender": {"username": "bob"}, "content": "x",
        "link": "/u/bob", "extra": {"n": 1}});
    let id = ok::<Published>(server.api().post(&draft).await).id;
    let ada = server.user("ada");
    let (status, item) = ada.get(id).await;
    let created_at = item["created_at"].clone();
    let expected = json!({"id": id, "sender": {"username": "bob"}, "content": "x", "link": "/u/bob", "extra": {"n": 1},
        "read": false, "created_at": created_at, "type": "follow", "rev": 1});
    assert_eq!((status, &item), (200, &expected));
    assert_eq!(ada.list("limit=1").await.1["items"][0], expected);
    assert_eq!(server.user("ben").get(id).await.0, 404);

    let mut stream = server.reader("ada").await;
    let name = stream.expect_ready().await.stream;
    assert_eq!(
        ada.on_stream(&name).read(id).await.1,
        json!({"changed": 1, "unread_count": 0, "unseen_count": 0, "rev": 2})
    );
    let inbox = stream.expect_inbox().await;
    assert_eq!((inbox.ids, inbox.origin), (Some(vec![id]), Some(name.clone())));
    ada.unread(id).await;
    assert_eq!(stream.expect_inbox().await.origin, None);
    let mut late = server.opening("ada").last_event_id_in_query("000000-0").open().await;
    late.expect_ready().await;
    late.expect_message().await;
    assert_eq!(late.expect_inbox().await.origin, Some(name), "the log keeps it");
    server.stop().await;
}

/// Faults row 39: whatever is posted to whom, a stream carries its own user's alone.
#[tokio::test]
async fn two_users_never_hear_each_other() {
    let server = Server::start().await;
    let users = ["ada", "ben", "ad", "ada ", "ADA"];
    let mut readers = Vec::new();
    for user in users {
        let mut reader = server.reader(user).await;
        assert_eq!(reader.expect_ready().await.user, user);
        readers.push(reader);
    }
    let posts = (0..200).map(|n| {
        let api = server.api().clone();
        let named: Vec<&str> =
            users.into_iter().enumerate().filter(|(at, _)| n >> at & 1 == 1).map(|(_, u)| u).collect();
        async move {
            if !named.is_empty() {
                let draft = json!({"users": named, "type": "like", "content": "to several", "extra": {"to": named}});
                assert_eq!(api.post(&draft).await.0, 201);
            }
        }
    });
    futures_util::future::join_all(posts).await;
    for (user, mut reader) in users.into_iter().zip(readers) {
        let listed = server.user(user).list_all().await;
        let messages = reader.messages(listed.items.len()).await;
        for message in messages {
            let to = message.data.extra.unwrap()["to"].clone();
            assert!(to.as_array().unwrap().contains(&Value::from(user)), "{user} was told {to}");
        }
        assert!(listed.items.len() >= 90);
        let last = server.api().publish(user, "last").await;
        let next = reader.next().await;
        assert!(matches!(&next.event, Some(Event::Message(message)) if message.data.id == last.id), "{next:?}");
    }
    server.stop().await;
}
