//! What a producer takes back, and what an operator sees and ends: over HTTP, while streams are open.

use std::time::Duration;

use lumen_inbox::clock::Clock;
use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::cursor::Reason;
use lumen_inbox::wire::api::{Disconnected, Erased, NOTIFICATIONS, Presence, Published, Retracted, USERS};
use lumen_inbox::wire::event::Event;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::http::{Answer, Api, ok};
use crate::support::patience;
use crate::support::server::Server;
use crate::support::shelf::NOON;

/// An id with all that a path must escape, and how a path has it.
const ZOE: (&str, &str) = ("zoë/☃ %?", "zo%C3%AB%2F%E2%98%83%20%25%3F");

/// An operator at this server.
struct Operator(Api);

impl Operator {
    fn of(server: &Server) -> Self {
        Self(server.api().with(server.tokens.admin()))
    }

    async fn ask(&self, method: Method, path: &str) -> Answer {
        self.0.send(self.0.request(method, &format!("{USERS}/{path}"))).await
    }

    async fn presence(&self, user: &str) -> Presence {
        ok(self.ask(Method::GET, &format!("{user}/presence")).await)
    }

    async fn disconnect(&self, user: &str) -> usize {
        ok::<Disconnected>(self.ask(Method::DELETE, &format!("{user}/streams")).await).closed
    }

    async fn erase(&self, user: &str) -> bool {
        ok::<Erased>(self.ask(Method::DELETE, user).await).erased
    }
}

async fn retract(server: &Server, query: &str) -> Retracted {
    let api = server.api();
    ok(api.send(api.request(Method::DELETE, &format!("{NOTIFICATIONS}?{query}"))).await)
}

/// Like, unlike, like: who liked twice is told of twice, and of nothing in between.
#[tokio::test]
async fn what_is_taken_back_is_gone_at_once_and_its_key_is_free() {
    let server = Server::start().await;
    let mut reader = server.reader(ZOE.0).await;
    reader.expect_ready().await;
    let draft = json!({"user": ZOE.0, "type": "like", "content": "likes it", "key": "like:9&/bob"});
    let query = format!("user={}&key=like%3A9%26/bob", ZOE.1);
    let first: Published = ok(server.api().post(&draft).await);
    assert_eq!(reader.expect_message().await.data.id, first.id);

    let gone = retract(&server, &query).await;
    assert_eq!(gone, Retracted { removed: true, counts: Counts { unread: 0, unseen: 0, rev: 2 } });
    let event = reader.next().await.event;
    let Some(Event::Inbox(inbox)) = event else { panic!("{event:?}") };
    assert_eq!((inbox.ids, inbox.counts, inbox.origin), (Some(vec![first.id]), gone.counts, None));
    assert_eq!(server.user(ZOE.0).get(first.id).await.0, 404);
    assert_eq!(retract(&server, &query).await, Retracted { removed: false, ..gone }, "and takes no rev");

    let again: Published = ok(server.api().post(&draft).await);
    assert_eq!((again.duplicate, again.rev), (false, 3));
    assert_eq!(reader.expect_message().await.data.id, again.id);
    // The same holds for a key that outlives the row that its user removed.
    ok::<Value>(server.user(ZOE.0).delete(again.id).await);
    assert!(ok::<Published>(server.api().post(&draft).await).duplicate);
    assert!(!retract(&server, &query).await.removed);
    assert!(!ok::<Published>(server.api().post(&draft).await).duplicate);
    let nobodys = Retracted { removed: false, counts: Counts::default() };
    assert_eq!(retract(&server, "user=nobody&key=k").await, nobodys);
    server.stop().await;
}

#[tokio::test]
async fn an_operator_sees_each_open_stream() {
    let server = Server::start().await;
    let operator = Operator::of(&server);
    assert_eq!(operator.presence("nobody").await, Presence { user: "nobody".parse().unwrap(), streams: Vec::new() });
    let mut others = server.reader("ben").await;
    others.expect_ready().await;
    let (mut first, mut names) = (server.reader(ZOE.0).await, Vec::new());
    names.push(first.expect_ready().await.stream);
    // Behind the site's own proxy, which is trusted as it is on this host.
    let mut second = server.opening(ZOE.0).raw("X-Forwarded-For: 203.0.113.7\r\n").open().await;
    names.push(second.expect_ready().await.stream);
    let seen = operator.presence(ZOE.1).await;
    assert_eq!(seen.user.as_str(), ZOE.0);
    let mut streams: Vec<String> = seen.streams.iter().map(|open| open.stream.clone()).collect();
    let mut from: Vec<_> = seen.streams.iter().map(|open| open.from.unwrap().to_string()).collect();
    from.sort();
    assert_eq!(from, ["127.0.0.1", "203.0.113.7"]);
    assert!(seen.streams.iter().all(|open| open.since.ends_with('Z')), "{seen:?}");
    streams.sort();
    names.sort();
    assert_eq!(streams, names);

    second.hang_up();
    let left = async {
        loop {
            let streams = operator.presence(ZOE.1).await.streams;
            if streams.len() < 2 {
                return streams;
            }
        }
    };
    assert_eq!(patience::within(left).await.expect("one that is gone").len(), 1);
    server.stop().await;
}

/// Faults row 37, for a user whom the operator ends.
#[tokio::test(start_paused = true)]
async fn a_disconnected_user_is_out_at_once_and_comes_back_with_a_fresh_token_without_a_hole() {
    let _still = patience::stand_still();
    let server = Server::start_by(Clock::tokio(NOON)).await;
    let operator = Operator::of(&server);
    let (mut ada, mut ben) = (server.reader("ada").await, server.reader("ben").await);
    let mut adas_phone = server.reader("ada").await;
    for reader in [&mut ada, &mut ben, &mut adas_phone] {
        reader.expect_ready().await;
    }
    server.api().publish("ada", "before").await;
    assert_eq!(ada.expect_message().await.data.content, "before");
    let old = server.user("ada");

    assert_eq!(operator.disconnect("ada").await, 2);
    // Time stands still: nothing that ticks has ended them.
    for reader in [&mut ada, &mut adas_phone] {
        let close = loop {
            let event = reader.next().await.event;
            if let Some(Event::Close(close)) = event {
                break close;
            }
        };
        assert_eq!((close.reason.as_str(), close.reconnect), ("disconnected", false));
    }
    assert_eq!(operator.presence("ada").await.streams, []);
    assert_eq!(operator.disconnect("ada").await, 0);
    // A token of this very second may have been signed before it.
    for token in [old, server.user("ada")] {
        let (status, problem) = token.list("").await;
        assert_eq!((status, &problem["code"]), (401, &json!("token_revoked")));
    }
    let refused = ada.try_resume().await;
    assert!(format!("{}", refused.unwrap_err()).contains("\"code\":\"token_revoked\""));

    server.api().publish("ada", "meanwhile").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    ada.opening().renew(server.tokens.user("ada"));
    ada.resume().await;
    let ready = ada.expect_ready().await;
    assert_eq!((ready.resumed, ready.missed), (true, Some(1)));
    assert_eq!(ada.expect_message().await.data.content, "meanwhile");
    server.api().publish("ben", "unharmed").await;
    assert_eq!(ben.expect_message().await.data.content, "unharmed");
    // While time stands still a connection ends with its client alone.
    drop((ada, ben, adas_phone));
    server.stop().await;
}

/// What was ended stays ended, by a server that has it from its disk alone.
#[tokio::test(start_paused = true)]
async fn an_ended_token_is_refused_after_a_restart() {
    let _still = patience::stand_still();
    let server = Server::start_by(Clock::tokio(NOON)).await;
    let old = server.tokens.user("newcomer");
    assert_eq!(Operator::of(&server).disconnect("newcomer").await, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    let fresh = server.tokens.user("newcomer");
    let server = server.stop().await.start().await;
    let (status, problem) = server.api().with(old).list("").await;
    assert_eq!((status, &problem["code"]), (401, &json!("token_revoked")));
    assert_eq!(server.api().with(fresh).list_all().await.counts, Counts::default());
    server.stop().await;
}

#[tokio::test]
async fn an_erased_inbox_is_nobodys_and_the_next_is_another() {
    let server = Server::start().await;
    let operator = Operator::of(&server);
    let draft = json!({"user": "ada", "type": "like", "content": "one", "key": "k"});
    let first: Published = ok(server.api().post(&draft).await);
    server.api().publish("ben", "his").await;
    let (mut open, mut away) = (server.reader("ada").await, server.reader("ada").await);
    for reader in [&mut open, &mut away] {
        reader.expect_ready().await;
    }
    away.hang_up();

    assert!(operator.erase("ada").await);
    let close = open.expect_close().await;
    assert_eq!((close.reason.as_str(), close.reconnect), ("erased", false));
    let ada = server.user("ada");
    let listed = ada.list_all().await;
    assert_eq!((listed.items.len(), listed.counts, listed.cursor.as_str()), (0, Counts::default(), "000000-0"));
    assert_eq!(ada.get(first.id).await.0, 404);
    assert!(!operator.erase("ada").await, "there is none any more");
    assert!(!operator.erase(ZOE.1).await, "there never was one");

    let other = json!({"user": "ada", "type": "like", "content": "another body", "key": "k"});
    let anew: Published = ok(server.api().post(&other).await);
    assert_eq!((anew.duplicate, anew.rev), (false, 1), "its keys are free, and it counts from the start");
    away.resume().await;
    assert!(!away.expect_ready().await.resumed);
    let event = away.next().await.event;
    let Some(Event::Resync(resync)) = event else { panic!("{event:?}") };
    assert_eq!((resync.reason, resync.counts.unread), (Reason::Epoch, 1));
    assert_eq!(server.user("ben").list_all().await.items.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_path_names_a_user_or_is_refused() {
    let server = Server::start().await;
    let operator = Operator::of(&server);
    let long = "x".repeat(129);
    for user in ["%ff", "%00", "a%0Ab", long.as_str()] {
        for (method, of) in [(Method::GET, "/presence"), (Method::DELETE, "/streams"), (Method::DELETE, "")] {
            let (status, problem) = operator.ask(method, &format!("{user}{of}")).await;
            assert_eq!((status, &problem["code"]), (400, &json!("bad_user")), "{user}{of}");
        }
    }
    for path in ["", "a/b", "a/presence/", "a/presence/b"] {
        let (status, problem) = operator.ask(Method::DELETE, path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("no_route")), "{path}");
    }
    let api = server.api();
    for query in ["", "user=ada", "key=k", "user=&key=k", "user=ada&key=", "user=a%00&key=k", "user=a&key=k&id=1"] {
        let answer = api.send(api.request(Method::DELETE, &format!("{NOTIFICATIONS}?{query}"))).await;
        assert_eq!((answer.0, &answer.1["code"]), (400, &json!("bad_parameter")), "{query}");
    }
    server.stop().await;
}
