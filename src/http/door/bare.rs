//! What is said to those whose request could not be read as one.

use crate::domain::limits::HEAD_BYTES;
use crate::wire::problem::{MEDIA_TYPE, Problem};

/// Makes hyper's bare head for what it could not read a whole answer; `why` is the fault that it found.
pub fn answer(head: Vec<u8>, why: &hyper::Error) -> Vec<u8> {
    let problem = if why.is_parse_too_large() { head_too_large() } else { no_http(why) };
    // Texts and numbers are always JSON.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let head = String::from_utf8(head).unwrap_or_default();
    let told = format!(
        "\r\ncontent-type: {MEDIA_TYPE}\r\ncache-control: no-store\r\ncontent-length: {length}\r\n",
        length = body.len()
    );
    let mut answer = head.replacen("\r\ncontent-length: 0\r\n", &told, 1).into_bytes();
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
