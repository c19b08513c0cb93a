//! Bodies of the HTTP API, as the server writes and the client reads them.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::change::{Counts, Item};
use crate::domain::ids::{Millis, NotificationId, Rev, UserId};

pub const NOTIFICATIONS: &str = "/api/v1/notifications";
pub const BATCH: &str = "/api/v1/notifications/batch";
pub const STREAM: &str = "/api/v1/notifications/stream";

/// The calls of operators are below it.
pub const USERS: &str = "/api/v1/users";

/// The media type of a batch.
pub const NDJSON: &str = "application/x-ndjson";
/// The header in which a request names the stream that it came from.
pub const STREAM_HEADER: &str = "lumen-stream";

/// What became of a draft for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Line of a batch, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    pub id: NotificationId,
    pub user: UserId,
    /// The notification's rev; of a duplicate, the inbox's now.
    pub rev: Rev,
    pub unread_count: u64,
    /// How many streams of this instance it was handed to.
    pub streams: usize,
    pub duplicate: bool,
}

/// The answer to a draft for several users, and to a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedAll {
    pub results: Vec<Published>,
}

/// The answer to marks and removals: rows changed (for `seen`, how much the count fell), and the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub changed: u64,
    #[serde(flatten)]
    pub counts: Counts,
}

/// What a call of `POST /notifications/read` marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Rev>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenRequest {
    pub up_to: Rev,
}

/// A page of an inbox, as a client reads it. Items are left as they are: one may be of a later server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ListPage {
    pub items: Vec<Value>,
    /// From where the next page goes on.
    pub next: Option<Rev>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// The answer to a retraction: whether there was something to take back, and the user's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retracted {
    pub removed: bool,
    #[serde(flatten)]
    pub counts: Counts,
}

/// Where a user is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    pub user: UserId,
    /// The oldest first.
    pub streams: Vec<OpenStream>,
}

/// One open stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStream {
    /// Its name, as its `ready` says it.
    pub stream: String,
    /// A [`timestamp`].
    pub since: String,
    /// `None` where it is not known, as of a peer behind a Unix socket.
    pub from: Option<IpAddr>,
}

/// The answer to the end of a user's streams: how many were ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    pub closed: usize,
}

/// The answer to an erasure: whether there was an inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub erased: bool,
}

/// Writes a list page: `items`, `next`, the counts, and the cursor of the same view.
pub fn list_page(items: &[Item], next: Option<Rev>, counts: Counts, cursor: &str) -> String {
    let next = next.map_or_else(|| "null".to_owned(), |rev| rev.to_string());
    let mut text = String::with_capacity(256 * (items.len() + 1));
    text.push_str("{\"items\":");
    write_items(&mut text, items);
    let Counts { unread, unseen, rev } = counts;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        ",\"next\":{next},\"unread_count\":{unread},\"unseen_count\":{unseen},\"rev\":{rev},\"cursor\":\"{cursor}\"}}"
    );
    text
}

/// Writes an array of items.
pub fn write_items(text: &mut String, items: &[Item]) {
    text.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_item(text, item);
    }
    text.push(']');
}

/// Writes an item: the `data` of its message plus `type` and `rev`, flat.
pub fn write_item(text: &mut String, item: &Item) {
    write_data(text, item);
    text.pop();
    let _ = write!(text, ",\"type\":\"{}\",\"rev\":{}}}", item.kind, item.rev);
}

/// Writes the `data` of an item's message. The body is an object's text: its inside goes between our own fields.
pub(super) fn write_data(text: &mut String, item: &Item) {
    let body = item.body.as_str();
    let inside = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
    let _ = write!(text, "{{\"id\":\"{}\",", item.id);
    if !inside.is_empty() {
        text.push_str(inside);
        text.push(',');
    }
    let _ = write!(text, "\"read\":{},\"created_at\":\"{}\"}}", item.read, timestamp(item.created_at));
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(at: Millis) -> String {
    match jiff::Timestamp::from_millisecond(at) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => "1970-01-01T00:00:00.000Z".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::{Body, Kind};

    #[test]
    fn a_page_has_its_items_in_order_and_the_counts_of_its_view() {
        let item = |rev, body| Item {
            id: NotificationId::at(1_764_000_000_123, &[0; 10]),
            rev,
            kind: Kind::stored("like"),
            body: Body::stored(body),
            read: rev == 1,
            created_at: 1_764_000_000_123,
        };
        let items = [item(3, r#"{"content":"x"}"#), item(2, "{}"), item(1, r#"{"content":"y"}"#)];
        let counts = Counts { unread: 2, unseen: 1, rev: 9 };
        let id = "019ab697-e87b-7000-8000-000000000000";
        let at = "2025-11-24T16:00:00.123Z";
        let badge = r#""unread_count":2,"unseen_count":1,"rev":9,"cursor":"k3f9q2-9""#;
        let told = |count: usize, next| list_page(&items[..count], next, counts, "k3f9q2-9");
        assert_eq!(told(0, None), format!(r#"{{"items":[],"next":null,{badge}}}"#));
        let [first, second, third] = [
            format!(r#"{{"id":"{id}","content":"x","read":false,"created_at":"{at}","type":"like","rev":3}}"#),
            format!(r#"{{"id":"{id}","read":false,"created_at":"{at}","type":"like","rev":2}}"#),
            format!(r#"{{"id":"{id}","content":"y","read":true,"created_at":"{at}","type":"like","rev":1}}"#),
        ];
        assert_eq!(told(3, Some(1)), format!(r#"{{"items":[{first},{second},{third}],"next":1,{badge}}}"#));
        let read: ListPage = serde_json::from_str(&told(3, Some(1))).unwrap();
        assert_eq!((read.items.len(), read.next, read.counts), (3, Some(1), counts));
    }
}
