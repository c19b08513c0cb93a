//! What is said to those whose request could not be read as one.

use crate::domain::limits::HEAD_BYTES;
use crate::wire::problem::{MEDIA_TYPE, Problem};

/// Fields of a head, as hyper writes them.
pub const CLOSE: &str = "\r\nconnection: close\r\n";
pub const KEEP_ALIVE: &str = "\r\nconnection: keep-alive\r\n";
pub const NO_BODY: &str = "\r\ncontent-length: 0\r\n";

/// Makes hyper's bare head for what it could not read a whole answer; `why` is the fault that it found.
pub fn answer(head: Vec<u8>, why: &hyper::Error) -> Vec<u8> {
    let problem = if why.is_parse_too_large() { head_too_large() } else { no_http(why) };
    // Texts and numbers are always JSON.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let head = String::from_utf8(head).unwrap_or_default();
    // An HTTP/1.0 head says nothing of the connection's end.
    let close = if head.contains(CLOSE) { "" } else { CLOSE.trim_end() };
    let told = format!(
        "{close}\r\ncontent-type: {MEDIA_TYPE}\r\ncache-control: no-store\r\ncontent-length: {length}\r\n",
        length = body.len()
    );
    let mut answer = head.replacen(NO_BODY, &told, 1).into_bytes();
    answer.extend(body);
    answer
}

fn head_too_large() -> Problem {
    Problem::new(
        431,
        "head_too_large",
        "The request's head is too large",
        format!("a head has at most {} KiB and 100 fields", HEAD_BYTES / 1024),
        "send fewer cookies and other headers, and what is long in the body",
    )
}

fn no_http(why: &hyper::Error) -> Problem {
    Problem::new(
        400,
        "no_http",
        "This cannot be read as HTTP",
        format!("where a request's head was to be, something breaks the rules of HTTP/1.1: {why}"),
        "at this port speak HTTP/1.1, and not TLS; if a proxy stands between, look at what it sends",
    )
}
