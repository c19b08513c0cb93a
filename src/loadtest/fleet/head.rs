//! The head of an answer: its status, and whether an event stream follows.

use super::body::Body;
use crate::loadtest::reason;

/// More than this is no answer to a stream's request, and would fill memory.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 64;
/// Heads that may come before the answer: a server has one or two hints to give.
const INTERIM_MOST: usize = 16;
/// What a server that speaks TLS says to a request that is none: an alert.
const TLS_ALERT: u8 = 0x15;

/// Why an answer opens no stream. A browser takes each of them for the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    #[error("it answered {0}")]
    Status(String),
    #[error("it answered with the content type {0} and not with text/event-stream")]
    Type(String),
    #[error("its answer is no HTTP/1.x: {0}")]
    Unreadable(String),
    #[error("its answer is no HTTP/1.x (it may speak https; write its address with https://)")]
    Tls,
    #[error("the head of its answer is over 64 KiB")]
    TooLong,
    #[error("over {INTERIM_MOST} heads came, and no answer")]
    Interim,
    #[error("its answer is encoded ({0}), though nobody asked for that")]
    Encoded(String),
}

/// A head that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub body: Body,
    /// How many of the bytes it took.
    pub bytes: usize,
}

/// Reads the head at the beginning of `bytes`, and passes over what comes before the answer; `None` while it is not all
/// there.
///
/// # Errors
/// [`HeadFault`] when what follows is no event stream.
pub fn read(bytes: &[u8]) -> Result<Option<Head>, HeadFault> {
    if bytes.first() == Some(&TLS_ALERT) {
        return Err(HeadFault::Tls);
    }
    let mut before = 0;
    for _ in 0..=INTERIM_MOST {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let length = match answer.parse(&bytes[before..]) {
            Ok(httparse::Status::Complete(length)) => before + length,
            Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(HeadFault::TooLong),
            Err(fault) => return Err(HeadFault::Unreadable(fault.to_string())),
        };
        if length > HEAD_BYTES {
            return Err(HeadFault::TooLong);
        }
        match answer.code {
            Some(code @ 100..=199) if code != 101 => before = length,
            _ => return body(&answer).map(|body| Some(Head { body, bytes: length })),
        }
    }
    Err(HeadFault::Interim)
}

/// How the event stream is framed that follows a head, if one does.
fn body(answer: &httparse::Response<'_, '_>) -> Result<Body, HeadFault> {
    let header = |name: &str| {
        let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    if answer.code != Some(200) {
        let status = format!("{} {}", answer.code.unwrap_or_default(), answer.reason.unwrap_or_default());
        return Err(HeadFault::Status(reason::short(status.trim())));
    }
    let media = header("content-type").unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/event-stream") {
        return Err(HeadFault::Type(if media.is_empty() { "of nothing".to_owned() } else { reason::short(&media) }));
    }
    if let Some(encoding) = header("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(HeadFault::Encoded(reason::short(&encoding)));
    }
    let chunked = header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    Ok(match header("content-length") {
        _ if chunked => Body::CHUNKS,
        Some(length) => match length.parse() {
            Ok(0) => Body::Ended,
            Ok(length) => Body::Length(length),
            Err(_) => {
                return Err(HeadFault::Unreadable(format!("a content length of {:?}", reason::short(&length))));
            }
        },
        None => Body::UntilClose,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<Head>, HeadFault> {
        read(text.as_bytes())
    }

    #[test]
    fn a_stream_begins_behind_its_head() {
        let close = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";
        assert_eq!(of(&format!("{close}data")), Ok(Some(Head { body: Body::UntilClose, bytes: close.len() })));
        assert_eq!(of(&close[..close.len() - 1]), Ok(None));
        let chunked = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(of(chunked).unwrap().unwrap().body, Body::CHUNKS);
        let early = format!("HTTP/1.1 103 Early Hints\r\n\r\n{close}");
        assert_eq!(of(&early).unwrap().unwrap().bytes, early.len());
    }

    #[test]
    fn what_is_no_stream_is_named() {
        let status = |text: &str| HeadFault::Status(text.to_owned());
        assert_eq!(of("HTTP/1.1 204 No Content\r\n\r\n"), Err(status("204 No Content")));
        assert_eq!(of("HTTP/1.1 503 \r\n\r\n"), Err(status("503")));
        assert_eq!(of("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(status("101 Switching Protocols")));
        let html = of("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
        assert_eq!(html, Err(HeadFault::Type("text/html".into())));
        assert!(matches!(of("HTTP/1.1 200 OK\r\n\r\n"), Err(HeadFault::Type(_))));
        assert!(matches!(of("SSH-2.0-OpenSSH\r\n"), Err(HeadFault::Unreadable(_))));
        let tls = read(b"\x15\x03\x01\x00\x02\x02\x46").unwrap_err().to_string();
        assert!(tls.contains("https://"), "{tls}");
    }

    #[test]
    fn a_head_has_an_end_wherever_it_is_long() {
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(HEAD_BYTES));
        assert_eq!(of(&endless), Err(HeadFault::TooLong));
        assert_eq!(of(&format!("{endless}\r\n\r\n")), Err(HeadFault::TooLong));
        let hint = format!("HTTP/1.1 103 \r\na: {}\r\n\r\n", "x".repeat(HEAD_BYTES / 2));
        assert_eq!(of(&hint.repeat(3)), Err(HeadFault::TooLong));
        let waits = "HTTP/1.1 100\r\n\r\n";
        assert_eq!(of(&waits.repeat(INTERIM_MOST)), Ok(None));
        assert_eq!(of(&waits.repeat(HEAD_BYTES / waits.len())), Err(HeadFault::Interim));
    }

    #[test]
    fn what_a_server_says_is_told_in_short() {
        let long = "x".repeat(1_000);
        let typed = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
        for answer in [
            format!("HTTP/1.1 500 {long}\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\nContent-Type: {long}\r\n\r\n"),
            format!("{typed}Content-Encoding: {long}\r\n\r\n"),
            format!("{typed}Content-Length: {long}\r\n\r\n"),
        ] {
            let told = of(&answer).unwrap_err().to_string();
            assert!(told.len() < 250 && told.contains("xxx"), "{told}");
        }
    }
}
