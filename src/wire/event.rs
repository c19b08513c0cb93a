//! The events of a stream, as blocks of bytes and as what a client reads from them.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Deserialize;

use super::api::{write_data, write_items};
use super::sse::Encoder;
use crate::domain::change::{Change, Counts, Entry, Item, Logged, Rows, What};
use crate::domain::cursor::Cursor;
pub use crate::domain::cursor::Reason;
use crate::domain::ids::{NotificationId, Rev, UserId};

/// The first bytes of a stream: a comment, so that proxies and clients see that it lives.
pub const HELLO: &[u8] = b": lumen\n\n";
/// Sent when nothing else was for a heartbeat.
pub const PING: &[u8] = b"event: ping\ndata: {}\n\n";

/// What a stream begins with.
pub struct Ready<'a> {
    pub user: &'a UserId,
    pub counts: Counts,
    /// The stream's name, for the header `Lumen-Stream`.
    pub stream: &'a str,
    pub resumed: bool,
    /// Entries after the cursor; `None` before a resync.
    pub missed: Option<usize>,
    pub heartbeat_s: u64,
    pub items: Option<&'a [Item]>,
    pub id: Option<Cursor>,
    pub retry_ms: u64,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    TokenExpired,
    Draining,
    /// Too much at once: streams that open, or bytes that wait for readers.
    Busy,
    TooManyStreams,
    TooSlow,
    /// An operator ended the user's streams, and its tokens.
    Disconnected,
    Erased,
    StoreDown,
}

impl CloseReason {
    const ALL: [CloseReason; 8] = [
        CloseReason::TokenExpired,
        CloseReason::Draining,
        CloseReason::Busy,
        CloseReason::TooManyStreams,
        CloseReason::TooSlow,
        CloseReason::Disconnected,
        CloseReason::Erased,
        CloseReason::StoreDown,
    ];

    /// Whether to come back: after `token_expired` with a fresh token, else as before.
    pub fn reconnect(self) -> bool {
        match self {
            CloseReason::TokenExpired
            | CloseReason::Draining
            | CloseReason::Busy
            | CloseReason::TooManyStreams
            | CloseReason::TooSlow
            | CloseReason::StoreDown => true,
            CloseReason::Disconnected | CloseReason::Erased => false,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::TokenExpired => "token_expired",
            CloseReason::Draining => "draining",
            CloseReason::Busy => "busy",
            CloseReason::TooManyStreams => "too_many_streams",
            CloseReason::TooSlow => "too_slow",
            CloseReason::Disconnected => "disconnected",
            CloseReason::Erased => "erased",
            CloseReason::StoreDown => "store_down",
        }
    }

    /// The reason of this name; a later server may have more.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl Ready<'_> {
    pub fn encode(&self) -> Bytes {
        let mut data = String::with_capacity(256);
        let user = serde_json::Value::String(self.user.to_string());
        let _ = write!(data, "{{\"user\":{user},{}", Badge(self.counts));
        let missed = self.missed.map_or_else(|| "null".to_owned(), |missed| missed.to_string());
        let _ = write!(
            data,
            ",\"stream\":\"{}\",\"resumed\":{},\"missed\":{missed},\"heartbeat_s\":{}",
            self.stream, self.resumed, self.heartbeat_s
        );
        finish_with_items(&mut data, self.items);
        let mut block = Encoder::with_capacity(data.len() + 64).event("ready").retry(self.retry_ms);
        if let Some(cursor) = self.id {
            block = block.id(cursor);
        }
        block.data(&data).end()
    }
}

/// A change as it is told to whoever is there when it happens.
pub fn live(change: &Change) -> Bytes {
    entry(change.cursor(), &change.entry, change.counts, None)
}

/// An entry as it is told to whoever missed it, with what the badge should show now.
pub fn replayed(cursor: Cursor, missed: &Entry, counts: Counts) -> Bytes {
    entry(cursor, missed, counts, Some(counts.rev))
}

fn entry(cursor: Cursor, entry: &Entry, counts: Counts, counts_rev: Option<Rev>) -> Bytes {
    match entry {
        Entry::Made(item) => message(cursor, item, counts, counts_rev),
        Entry::Logged { logged, .. } => inbox(cursor, logged, counts, counts_rev),
    }
}

fn message(cursor: Cursor, item: &Item, counts: Counts, counts_rev: Option<Rev>) -> Bytes {
    let mut data = String::with_capacity(item.body.as_str().len() + 256);
    let badge = Badge(Counts { rev: cursor.rev, ..counts });
    let _ = write!(data, "{{\"type\":\"{}\",{badge},\"data\":", item.kind);
    write_data(&mut data, item);
    finish_replayed(&mut data, counts_rev);
    Encoder::with_capacity(data.len() + 40).id(cursor).data(&data).end()
}

fn inbox(cursor: Cursor, logged: &Logged, counts: Counts, counts_rev: Option<Rev>) -> Bytes {
    let mut data = String::with_capacity(256);
    let _ = write!(data, "{{\"change\":\"{}\"", logged.what.as_str());
    match &logged.rows {
        Rows::Ids(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
            let _ = write!(data, ",\"ids\":[{}]", ids.join(","));
        }
        Rows::UpTo(rev) => {
            let _ = write!(data, ",\"up_to\":{rev}");
        }
        Rows::Many => {}
    }
    let _ = write!(data, ",{}", Badge(Counts { rev: cursor.rev, ..counts }));
    let origin = logged.origin.as_deref().map_or(serde_json::Value::Null, Into::into);
    let _ = write!(data, ",\"origin\":{origin}");
    finish_replayed(&mut data, counts_rev);
    Encoder::with_capacity(data.len() + 64).event("inbox").id(cursor).data(&data).end()
}

/// Moves a client's cursor to the end of a page whose last entry is older.
pub fn step(cursor: Cursor) -> Bytes {
    Encoder::default().id(cursor).end()
}

/// Tells a client to fetch the list; its cursor is the head from now on.
pub fn resync(head: Cursor, reason: Reason, counts: Counts, items: Option<&[Item]>) -> Bytes {
    let mut data = String::with_capacity(128);
    let _ = write!(data, "{{\"reason\":\"{}\",\"missed\":null,{}", reason.as_str(), Badge(counts));
    finish_with_items(&mut data, items);
    Encoder::with_capacity(data.len() + 64).event("resync").id(head).data(&data).end()
}

/// The last event of a stream. `id` is the stream's cursor, where it has one.
pub fn close(id: Option<Cursor>, reason: CloseReason, retry_ms: u64) -> Bytes {
    let (name, reconnect) = (reason.as_str(), reason.reconnect());
    let data = format!("{{\"reason\":\"{name}\",\"reconnect\":{reconnect},\"retry_ms\":{retry_ms}}}");
    let mut block = Encoder::with_capacity(160).event("close").retry(retry_ms);
    if let Some(cursor) = id {
        block = block.id(cursor);
    }
    block.data(&data).end()
}

/// The counts as fields of a JSON object.
struct Badge(Counts);

impl std::fmt::Display for Badge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { unread, unseen, rev } = self.0;
        write!(f, "\"unread_count\":{unread},\"unseen_count\":{unseen},\"rev\":{rev}")
    }
}

fn finish_replayed(data: &mut String, counts_rev: Option<Rev>) {
    if let Some(rev) = counts_rev {
        let _ = write!(data, ",\"replayed\":true,\"counts_rev\":{rev}");
    }
    data.push('}');
}

fn finish_with_items(data: &mut String, items: Option<&[Item]>) {
    if let Some(items) = items {
        data.push_str(",\"items\":");
        write_items(data, items);
    }
    data.push('}');
}

/// An event as a client reads it. Fields that a later server adds are passed over.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Ready(ReadyData),
    Message(MessageData),
    Inbox(InboxData),
    Resync(ResyncData),
    Close(CloseData),
    Ping,
    /// One that this version does not know.
    Other,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReadyData {
    pub user: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub stream: String,
    pub resumed: bool,
    pub missed: Option<u64>,
    pub heartbeat_s: u64,
    pub items: Option<Vec<ItemData>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MessageData {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub data: NotificationData,
    #[serde(default)]
    pub replayed: bool,
    /// The rev by which the counts are compared, where it is not `rev`.
    pub counts_rev: Option<Rev>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NotificationData {
    pub id: NotificationId,
    pub sender: Option<serde_json::Value>,
    pub content: String,
    pub link: Option<String>,
    pub extra: Option<serde_json::Value>,
    pub read: bool,
    pub created_at: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ItemData {
    #[serde(flatten)]
    pub data: NotificationData,
    #[serde(rename = "type")]
    pub kind: String,
    pub rev: Rev,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InboxData {
    pub change: What,
    pub ids: Option<Vec<NotificationId>>,
    pub up_to: Option<Rev>,
    #[serde(flatten)]
    pub counts: Counts,
    pub origin: Option<String>,
    #[serde(default)]
    pub replayed: bool,
    pub counts_rev: Option<Rev>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ResyncData {
    pub reason: Reason,
    #[serde(flatten)]
    pub counts: Counts,
    pub items: Option<Vec<ItemData>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CloseData {
    /// Text, since a later server has more reasons.
    pub reason: String,
    pub reconnect: bool,
    pub retry_ms: u64,
}

/// Reads an event by its name and data.
///
/// # Errors
/// Data that is not what the event's name promises.
pub fn parse(name: &str, data: &str) -> Result<Event, serde_json::Error> {
    Ok(match name {
        "ready" => Event::Ready(serde_json::from_str(data)?),
        "message" => Event::Message(serde_json::from_str(data)?),
        "inbox" => Event::Inbox(serde_json::from_str(data)?),
        "resync" => Event::Resync(serde_json::from_str(data)?),
        "close" => Event::Close(serde_json::from_str(data)?),
        "ping" => Event::Ping,
        _ => Event::Other,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::notification::{Body, Kind};
    use crate::wire::sse::Splitter;

    const COUNTS: Counts = Counts { unread: 5, unseen: 2, rev: 131 };

    fn cursor(rev: Rev) -> Cursor {
        Cursor { epoch: "k3f9q2".parse().unwrap(), rev }
    }

    fn item() -> Item {
        Item {
            id: NotificationId::at(1_764_000_000_123, &[0; 10]),
            rev: 128,
            kind: Kind::stored("like"),
            body: Body::stored(r#"{"sender":{"username":"alice"},"content":"点赞了你的作品","link":"/posts/9"}"#),
            read: false,
            created_at: 1_764_000_000_123,
        }
    }

    fn text(block: &Bytes) -> &str {
        std::str::from_utf8(block).unwrap()
    }

    const DATA: &str = r#"{"id":"019ab697-e87b-7000-8000-000000000000","sender":{"username":"alice"},"content":"点赞了你的作品","link":"/posts/9","read":false,"created_at":"2025-11-24T16:00:00.123Z"}"#;

    #[test]
    fn a_message_live_and_replayed() {
        let entry = Entry::Made(Arc::new(item()));
        let change = Change {
            user: "u42".parse().unwrap(),
            epoch: cursor(0).epoch,
            entry: entry.clone(),
            counts: Counts { rev: 128, ..COUNTS },
        };
        let live_data = format!(r#"{{"type":"like","unread_count":5,"unseen_count":2,"rev":128,"data":{DATA}"#);
        assert_eq!(text(&live(&change)), format!("id: k3f9q2-128\ndata: {live_data}}}\n\n"));
        let expected = format!("id: k3f9q2-128\ndata: {live_data},\"replayed\":true,\"counts_rev\":131}}\n\n");
        assert_eq!(text(&replayed(cursor(128), &entry, COUNTS)), expected);
    }

    #[test]
    fn another_change_with_ids_up_to_a_rev_and_with_too_many() {
        let told = |what, rows, origin: Option<&str>| {
            let logged = Logged { what, rows, origin: origin.map(Arc::from) };
            let entry = Entry::Logged { rev: 131, logged: Arc::new(logged) };
            let block = entry_block(&entry);
            block.strip_prefix("event: inbox\nid: k3f9q2-131\ndata: ").unwrap().trim_end().to_owned()
        };
        fn entry_block(told: &Entry) -> String {
            text(&entry(cursor(131), told, COUNTS, None)).to_owned()
        }
        let badge = r#""unread_count":5,"unseen_count":2,"rev":131"#;
        let id = item().id;
        assert_eq!(
            told(What::Read, Rows::Ids(vec![id]), Some("s1")),
            format!(r#"{{"change":"read","ids":["{id}"],{badge},"origin":"s1"}}"#)
        );
        let expected = format!(r#"{{"change":"seen","up_to":7,{badge},"origin":null}}"#);
        assert_eq!(told(What::Seen, Rows::UpTo(7), None), expected);
        assert_eq!(told(What::Changed, Rows::Many, None), format!(r#"{{"change":"changed",{badge},"origin":null}}"#));
    }

    #[test]
    fn the_first_and_the_last_and_what_is_in_their_place() {
        let user = "a\"b".parse().unwrap();
        let ready = Ready {
            user: &user,
            counts: COUNTS,
            stream: "s1",
            resumed: true,
            missed: Some(3),
            heartbeat_s: 15,
            items: None,
            id: Some(cursor(128)),
            retry_ms: 2345,
        };
        let badge = r#""unread_count":5,"unseen_count":2,"rev":131"#;
        let data = format!(r#"{{"user":"a\"b",{badge},"stream":"s1","resumed":true,"missed":3,"heartbeat_s":15}}"#);
        assert_eq!(text(&ready.encode()), format!("event: ready\nretry: 2345\nid: k3f9q2-128\ndata: {data}\n\n"));
        let unresumed = Ready { resumed: false, missed: None, items: Some(&[]), id: None, ..ready };
        let data = data.replace("true,\"missed\":3", "false,\"missed\":null").replace("15}", "15,\"items\":[]}");
        assert_eq!(text(&unresumed.encode()), format!("event: ready\nretry: 2345\ndata: {data}\n\n"));

        let names = [Reason::Epoch, Reason::Ahead, Reason::Unknown, Reason::TooMany].map(Reason::as_str);
        assert_eq!(names, ["epoch", "ahead", "unknown", "too_many"]);
        let flat = format!(r#"{},"type":"like","rev":128}}"#, DATA.strip_suffix('}').unwrap());
        let expected = format!(
            "event: resync\nid: k3f9q2-131\ndata: {{\"reason\":\"ahead\",\"missed\":null,{badge},\"items\":[{flat}]}}\n\n"
        );
        assert_eq!(text(&resync(cursor(131), Reason::Ahead, COUNTS, Some(&[item()]))), expected);
        assert_eq!(text(&step(cursor(131))), "id: k3f9q2-131\n\n");
        let expected = "event: close\nretry: 2345\nid: k3f9q2-131\ndata: {\"reason\":\"draining\",\"reconnect\":true,\"retry_ms\":2345}\n\n";
        assert_eq!(text(&close(Some(cursor(131)), CloseReason::Draining, 2345)), expected);
    }

    #[test]
    fn what_a_server_tells_is_what_a_client_reads() {
        let user = "u42".parse().unwrap();
        let (counts, id) = (COUNTS, Some(cursor(131)));
        let ready = Ready {
            user: &user,
            counts,
            stream: "s1",
            resumed: true,
            missed: Some(3),
            heartbeat_s: 15,
            items: None,
            id,
            retry_ms: 7,
        };
        let logged = Logged { what: What::Read, rows: Rows::UpTo(7), origin: None };
        let stream = [
            Bytes::from_static(HELLO),
            ready.encode(),
            replayed(cursor(128), &Entry::Made(Arc::new(item())), COUNTS),
            replayed(cursor(131), &Entry::Logged { rev: 131, logged: Arc::new(logged) }, COUNTS),
            resync(cursor(131), Reason::Ahead, COUNTS, Some(&[item()])),
            Bytes::from_static(PING),
            close(id, CloseReason::Busy, 7),
        ]
        .concat();
        let mut blocks = Vec::new();
        Splitter::default().push(&stream, &mut blocks).unwrap();
        let read: Vec<Event> =
            blocks.iter().map(|block| parse(&block.event, block.data.as_deref().unwrap()).unwrap()).collect();
        let told = match &read[..] {
            [
                Event::Ready(ready),
                Event::Message(message),
                Event::Inbox(inbox),
                Event::Resync(resync),
                Event::Ping,
                Event::Close(close),
            ] => (
                (ready.user.as_str(), ready.missed, ready.counts),
                (message.kind.as_str(), message.data.content.as_str(), message.counts_rev),
                (inbox.change, inbox.up_to, inbox.replayed),
                (resync.reason, resync.items.as_ref().map(Vec::len)),
                (close.reason.as_str(), close.reconnect, close.retry_ms),
            ),
            other => panic!("{other:?}"),
        };
        let expected = (
            ("u42", Some(3), COUNTS),
            ("like", "点赞了你的作品", Some(131)),
            (What::Read, Some(7), true),
            (Reason::Ahead, Some(1)),
            ("busy", true, 7),
        );
        assert_eq!(told, expected);
        assert_eq!(parse("of_a_later_server", "?").unwrap(), Event::Other);
        for name in ["ready", "message", "inbox", "resync", "close"] {
            assert!(parse(name, "{}").is_err(), "{name}");
        }
    }

    #[test]
    fn every_reason_is_known_by_its_name_and_says_whether_to_come_back() {
        let told = CloseReason::ALL.map(|reason| (reason.as_str(), reason.reconnect()));
        let expected = [
            ("token_expired", true),
            ("draining", true),
            ("busy", true),
            ("too_many_streams", true),
            ("too_slow", true),
            ("disconnected", false),
            ("erased", false),
            ("store_down", true),
        ];
        assert_eq!(told, expected);
        assert!(CloseReason::ALL.iter().all(|reason| CloseReason::named(reason.as_str()) == Some(*reason)));
        assert_eq!(CloseReason::named("of_a_later_server"), None);
    }
}
