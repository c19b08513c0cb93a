//! Blocks of a stream of ada's as they would come, written by hand: for the proofs of what reads them.

use lumen_inbox::domain::change::Counts;
use lumen_inbox::domain::ids::Rev;
use lumen_inbox::wire::event::ItemData;
use lumen_inbox::wire::sse::Splitter;

use super::reader::Received;

pub const PING: &str = "event: ping\ndata: {}\n\n";

/// What a reader makes of this text.
pub fn received(text: &str) -> Vec<Received> {
    let mut blocks = Vec::new();
    Splitter::default().push(text.as_bytes(), &mut blocks).expect("lines that end");
    assert!(!blocks.is_empty(), "no block: {text:?}");
    blocks.into_iter().map(Received::read).collect()
}

pub fn counts(unread: u64, unseen: u64, rev: Rev) -> Counts {
    Counts { unread, unseen, rev }
}

pub fn badge(unread: u64, unseen: u64, rev: Rev) -> String {
    format!("\"unread_count\":{unread},\"unseen_count\":{unseen},\"rev\":{rev}")
}

pub fn id(n: u64) -> String {
    format!("00000000-0000-7000-8000-{n:012}")
}

pub fn data(n: u64, read: bool) -> String {
    format!("\"id\":\"{}\",\"content\":\"c{n}\",\"read\":{read},\"created_at\":\"t\"", id(n))
}

/// An item with the rev that made it for a number.
pub fn item(rev: Rev, read: bool) -> String {
    format!("{{{},\"type\":\"like\",\"rev\":{rev}}}", data(rev, read))
}

pub fn items(all: &[(Rev, bool)]) -> Vec<ItemData> {
    all.iter().map(|(rev, read)| serde_json::from_str(&item(*rev, *read)).unwrap()).collect()
}

pub fn ready(id: Option<Rev>, resumed: bool, badge: &str, more: &str) -> String {
    let id = id.map_or_else(String::new, |rev| format!("id: aaaaaa-{rev}\n"));
    format!(
        "event: ready\n{id}data: {{\"user\":\"ada\",{badge},\"stream\":\"s\",\"resumed\":{resumed},\"missed\":null,\
         \"heartbeat_s\":15{more}}}\n\n"
    )
}

pub fn message(rev: Rev, read: bool, badge: &str, replayed: Option<Rev>) -> String {
    let replayed = replayed.map_or_else(String::new, |rev| format!(",\"replayed\":true,\"counts_rev\":{rev}"));
    format!("id: aaaaaa-{rev}\ndata: {{\"type\":\"like\",{badge},\"data\":{{{}}}{replayed}}}\n\n", data(rev, read))
}

pub fn inbox(rev: Rev, change: &str, rows: &str, badge: &str) -> String {
    format!("event: inbox\nid: aaaaaa-{rev}\ndata: {{\"change\":\"{change}\"{rows},{badge},\"origin\":null}}\n\n")
}

pub fn ids(all: &[u64]) -> String {
    let all: Vec<_> = all.iter().map(|n| format!("\"{}\"", id(*n))).collect();
    format!(",\"ids\":[{}]", all.join(","))
}

pub fn resync(head: Rev, badge: &str, more: &str) -> String {
    format!("event: resync\nid: aaaaaa-{head}\ndata: {{\"reason\":\"epoch\",\"missed\":null,{badge}{more}}}\n\n")
}

pub fn close(rev: Option<Rev>) -> String {
    let id = rev.map_or_else(String::new, |rev| format!("id: aaaaaa-{rev}\n"));
    format!("event: close\n{id}data: {{\"reason\":\"draining\",\"reconnect\":true,\"retry_ms\":9}}\n\n")
}
