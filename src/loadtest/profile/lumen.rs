//! How lumen is spoken to.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method};
use reqwest::Url;
use serde::Deserialize;

use super::producer::Producer;
use super::{Close, Counts, Heard, Message, ProfileFault, Ready, Request, Seat};
use crate::auth::{Claims, Keys};
use crate::client::access::Token;
use crate::client::{Access, ServerUrl};
use crate::clock::Clock;
use crate::domain::ids::UserId;
use crate::loadtest::stamp::Stamp;
use crate::wire::api;
use crate::wire::sse::Block;

/// How long a stream's token holds unless it is to end: longer than any run, which has ten hours at most.
const STREAM_TTL: Duration = Duration::from_secs(24 * 3600);
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A lumen server, and the keys to it.
pub struct Lumen {
    stream: Url,
    publish: Url,
    /// Signs a token for each stream.
    keys: Arc<Keys>,
    clock: Clock,
    producer: Producer,
    payload_bytes: usize,
}

impl Lumen {
    /// `keys` sign the streams' tokens; `producer` is let in to publish.
    pub fn new(url: &ServerUrl, keys: Arc<Keys>, clock: Clock, producer: Access, payload_bytes: usize) -> Self {
        let (stream, publish) = (url.at(api::STREAM), url.at(api::NOTIFICATIONS));
        Self { stream, publish, keys, clock, producer: Producer::new(producer), payload_bytes }
    }

    pub(super) fn subscribe(&self, user: &str, seat: &Seat<'_>) -> Result<Request, ProfileFault> {
        let user: UserId = user.parse().expect("a run's users are named by letters, digits and hyphens");
        let claims = Claims::user(&user, self.clock.now(), seat.token_ttl.unwrap_or(STREAM_TTL));
        let token = Token::parse(&self.keys.sign(&claims), "the signing key")?;
        let mut headers =
            vec![(ACCEPT, HeaderValue::from_static("text/event-stream")), (AUTHORIZATION, token.bearer())];
        if let Some(cursor) = seat.cursor {
            headers.push((LAST_EVENT_ID, HeaderValue::from_str(cursor).map_err(|_| ProfileFault::Cursor)?));
        }
        Ok(Request { method: Method::GET, url: self.stream.clone(), headers, body: Bytes::new() })
    }

    pub(super) fn publish(
        &self,
        stamp: Stamp,
        users: &[u32],
        name: impl Fn(u32) -> String,
    ) -> Result<Request, ProfileFault> {
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (AUTHORIZATION, self.producer.bearer()?),
        ];
        let body = self.draft(stamp, users, name).into();
        Ok(Request { method: Method::POST, url: self.publish.clone(), headers, body })
    }

    /// None of its texts has anything that JSON would escape.
    fn draft(&self, stamp: Stamp, users: &[u32], name: impl Fn(u32) -> String) -> String {
        let mut draft = String::with_capacity(160 + self.payload_bytes + 24 * users.len());
        match users {
            [user] => {
                let _ = write!(draft, r#"{{"user":"{}""#, name(*user));
            }
            several => {
                let names: Vec<String> = several.iter().map(|user| format!("\"{}\"", name(*user))).collect();
                let _ = write!(draft, r#"{{"users":[{}]"#, names.join(","));
            }
        }
        let (key, content) = (stamp.key(), stamp.padded(self.payload_bytes));
        let _ = write!(
            draft,
            r#","type":"system","sender":{{"username":"loadtest"}},"key":"{key}","content":"{content}"}}"#
        );
        draft
    }
}

/// What stands around a notification; the notification itself is passed over.
#[derive(Deserialize)]
struct Around {
    unread_count: u64,
    rev: u64,
    counts_rev: Option<u64>,
}

#[derive(Deserialize)]
struct Opening {
    unread_count: u64,
    rev: u64,
    heartbeat_s: u64,
}

#[derive(Deserialize)]
struct Ending {
    reason: String,
    reconnect: bool,
    retry_ms: u64,
}

pub(super) fn hear(block: &Block) -> Heard {
    let data = block.data.as_deref().unwrap_or_default();
    match block.event.as_str() {
        "message" => match Stamp::find(data.as_bytes()) {
            Some(stamp) => Heard::Message(Message { stamp, counts: counts(data) }),
            None => Heard::Other,
        },
        "ready" => match serde_json::from_str(data) {
            Ok(Opening { unread_count, rev, heartbeat_s }) => {
                Heard::Ready(Ready { rev, unread: unread_count, heartbeat_s })
            }
            Err(_) => Heard::Other,
        },
        "close" => match serde_json::from_str(data) {
            Ok(Ending { reason, reconnect, retry_ms }) => Heard::Close(Close { reason, reconnect, retry_ms }),
            Err(_) => Heard::Other,
        },
        "inbox" => match serde_json::from_str(data) {
            Ok(Around { unread_count, rev, .. }) => Heard::Changed { unread: unread_count, rev },
            Err(_) => Heard::Other,
        },
        "resync" => Heard::Resync,
        _ => Heard::Other,
    }
}

fn counts(data: &str) -> Option<Counts> {
    let Around { unread_count, rev, counts_rev } = serde_json::from_str(data).ok()?;
    Some(Counts { unread: unread_count, counts_rev: counts_rev.unwrap_or(rev), rev })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::draft;
    use crate::loadtest::profile::Profile;
    use crate::loadtest::stamp::RunId;

    const NUMBER: u32 = 7;

    fn profile(payload_bytes: usize) -> (Profile, Arc<Keys>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::load_or_create(&directory.path().join("key")).unwrap());
        let access = Access::Key { keys: keys.clone(), clock: Clock::System };
        let url = "http://127.0.0.1:8080/below".parse().unwrap();
        let lumen = Lumen::new(&url, keys.clone(), Clock::System, access, payload_bytes);
        (Profile::lumen(lumen, RunId::new([1; 8])), keys, directory)
    }

    fn stamp() -> Stamp {
        Stamp { run: RunId::new([1; 8]), number: NUMBER, due_us: 90 }
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(named, _)| named == name).map(|(_, value)| value.to_str().unwrap())
    }

    fn block(event: &str, data: &str) -> Block {
        Block { event: event.to_owned(), data: Some(data.to_owned()), ..Block::default() }
    }

    #[test]
    fn a_stream_is_its_users_and_goes_on_from_its_cursor() {
        let (profile, keys, _directory) = profile(100);
        let request = profile.subscribe(&Seat { user: 17, cursor: Some("k3f9q2-128"), token_ttl: None }).unwrap();
        assert_eq!(request.url.as_str(), "http://127.0.0.1:8080/below/api/v1/notifications/stream");
        assert_eq!((request.method.as_str(), header(&request, "accept")), ("GET", Some("text/event-stream")));
        assert_eq!(header(&request, "last-event-id"), Some("k3f9q2-128"));
        let token = header(&request, "authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let caller = keys.verify(&token, Clock::System.now()).unwrap();
        assert_eq!(caller.user().unwrap().as_str(), "lt-11111111-17");
        assert_eq!(caller.user().unwrap().as_str(), profile.user_name(17));
        assert!(!format!("{request:?}").contains(&token));

        let seat = Seat { user: 0, cursor: None, token_ttl: Some(Duration::from_secs(5)) };
        let short = profile.subscribe(&seat).unwrap();
        assert_eq!(header(&short, "last-event-id"), None);
        let token = header(&short, "authorization").unwrap().strip_prefix("Bearer ").unwrap();
        assert!(keys.verify(token, Clock::System.now() + 7_000).is_err());
        assert_eq!(profile.subscribe(&Seat { cursor: Some("a\nb"), ..seat }).unwrap_err(), ProfileFault::Cursor);
    }

    #[test]
    fn a_message_is_a_draft_that_the_server_takes() {
        for (users, bytes, length) in [(vec![3], 100, 100), (vec![3, 4, 5], 4096, 4096), (vec![3], 0, 18)] {
            let (profile, keys, _directory) = profile(bytes);
            let request = profile.publish(stamp(), &users).unwrap();
            assert_eq!(request.url.as_str(), "http://127.0.0.1:8080/below/api/v1/notifications");
            assert_eq!(header(&request, "content-type"), Some("application/json"));
            let token = header(&request, "authorization").unwrap().strip_prefix("Bearer ").unwrap();
            assert!(keys.verify(token, Clock::System.now()).unwrap().is_producer());
            let draft: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let content = draft["content"].as_str().unwrap().to_owned();
            assert_eq!(content.len(), length);
            assert_eq!(Stamp::find(content.as_bytes()), Some(stamp()));
            assert_eq!(draft["key"], format!("lt-11111111-{NUMBER}"));
            let addressed = draft::check(draft).unwrap();
            let names: Vec<String> = users.iter().map(|user| profile.user_name(*user)).collect();
            assert_eq!(addressed.users.iter().map(UserId::as_str).collect::<Vec<_>>(), names);
        }
    }

    #[test]
    fn an_event_is_heard() {
        let stamp = stamp();
        let live = format!(
            r#"{{"type":"system","unread_count":5,"unseen_count":2,"rev":128,"data":{{"content":"{stamp}x"}}}}"#
        );
        let counts = |counts_rev| Some(Counts { unread: 5, counts_rev, rev: 128 });
        assert_eq!(hear(&block("message", &live)), Heard::Message(Message { stamp, counts: counts(128) }));
        let missed = format!(r#"{},"replayed":true,"counts_rev":131}}"#, live.strip_suffix('}').unwrap());
        assert_eq!(hear(&block("message", &missed)), Heard::Message(Message { stamp, counts: counts(131) }));
        assert_eq!(hear(&block("message", &stamp.to_string())), Heard::Message(Message { stamp, counts: None }));
        let ready = r#"{"user":"u","unread_count":3,"unseen_count":1,"rev":9,"stream":"s","heartbeat_s":15}"#;
        assert_eq!(hear(&block("ready", ready)), Heard::Ready(Ready { rev: 9, unread: 3, heartbeat_s: 15 }));
        let close = r#"{"reason":"draining","reconnect":true,"retry_ms":1500}"#;
        let closes = Close { reason: "draining".to_owned(), reconnect: true, retry_ms: 1500 };
        assert_eq!(hear(&block("close", close)), Heard::Close(closes));
        assert_eq!(hear(&block("resync", r#"{"reason":"epoch"}"#)), Heard::Resync);
        assert_eq!(hear(&block("inbox", &live)), Heard::Changed { unread: 5, rev: 128 });
        for (event, data) in [("ping", "{}"), ("inbox", "x"), ("message", "{}"), ("ready", "x"), ("close", "{}")] {
            assert_eq!(hear(&block(event, data)), Heard::Other, "{event}");
        }
        assert_eq!(hear(&Block { event: "message".to_owned(), ..Block::default() }), Heard::Other);
    }
}
