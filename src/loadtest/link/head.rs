//! The head of an answer: its status, how its body is framed, and whether the connection serves another request.

use httparse::Response;

use super::body::Body;
use crate::loadtest::reason;

/// More than this is no answer to a request of ours, and would fill memory.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 64;
/// Heads that may come before the answer: a server has one or two hints to give.
const INTERIM_MOST: usize = 16;
/// What a server that speaks TLS says to a request that is none: an alert.
const TLS_ALERT: u8 = 0x15;

/// Why what came is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    #[error("its answer is no HTTP/1.x: {0}")]
    Unreadable(String),
    #[error("its answer is no HTTP/1.x (it may speak https; write its address with https://)")]
    Tls,
    #[error("the head of its answer is over 64 KiB")]
    TooLong,
    #[error("over {INTERIM_MOST} heads came, and no answer")]
    Interim,
}

/// A head that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// The words behind the status, which a server may choose.
    reason: String,
    /// The content type without its parameters; empty where there is none.
    pub media: String,
    /// The content encoding, if the body has one.
    pub encoding: Option<String>,
    pub body: Body,
    /// Whether another request may follow on the connection.
    pub keeps: bool,
    /// How many of the bytes it took.
    pub bytes: usize,
}

/// Reads the head at the beginning of `bytes`, and passes over what comes before the answer; `None` while it is not all
/// there.
///
/// # Errors
/// [`HeadFault`].
pub fn read(bytes: &[u8]) -> Result<Option<Head>, HeadFault> {
    if bytes.first() == Some(&TLS_ALERT) {
        return Err(HeadFault::Tls);
    }
    let mut before = 0;
    for _ in 0..=INTERIM_MOST {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut answer = Response::new(&mut headers);
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
            _ => return Head::of(&answer, length).map(Some),
        }
    }
    Err(HeadFault::Interim)
}

impl Head {
    fn of(answer: &Response<'_, '_>, bytes: usize) -> Result<Self, HeadFault> {
        let status = answer.code.unwrap_or_default();
        let media = header(answer, "content-type").unwrap_or_default();
        let body = framing(answer, status)?;
        Ok(Self {
            status,
            reason: answer.reason.unwrap_or_default().to_owned(),
            media: media.split(';').next().unwrap_or_default().trim().to_owned(),
            encoding: header(answer, "content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity")),
            body,
            keeps: keeps(answer) && body != Body::UntilClose && status != 101,
            bytes,
        })
    }

    /// `503 Service Unavailable`, in short.
    pub fn status(&self) -> String {
        reason::short(format!("{} {}", self.status, self.reason).trim())
    }
}

/// The values of a header, which may stand on several lines.
fn headers(answer: &Response<'_, '_>, name: &str) -> impl Iterator<Item = String> {
    let lines = answer.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    lines.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
}

fn header(answer: &Response<'_, '_>, name: &str) -> Option<String> {
    headers(answer, name).next()
}

/// How the body is framed that follows, by RFC 9112 §6.3.
fn framing(answer: &Response<'_, '_>, status: u16) -> Result<Body, HeadFault> {
    if matches!(status, 101 | 204 | 304) {
        return Ok(Body::Ended);
    }
    if header(answer, "transfer-encoding").is_some() {
        let chunked = has_word(answer, "transfer-encoding", "chunked");
        return Ok(if chunked { Body::CHUNKS } else { Body::UntilClose });
    }
    Ok(match header(answer, "content-length") {
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

/// Whether the connection outlives the answer, by RFC 9112 §9.3.
fn keeps(answer: &Response<'_, '_>) -> bool {
    match answer.version {
        Some(1) => !has_word(answer, "connection", "close"),
        _ => has_word(answer, "connection", "keep-alive"),
    }
}

/// Whether a word is in a header's list.
fn has_word(answer: &Response<'_, '_>, name: &str, word: &str) -> bool {
    headers(answer, name).any(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<Head>, HeadFault> {
        read(text.as_bytes())
    }

    /// What follows a head, and whether its connection goes on.
    fn follows(head: &str) -> (Body, bool) {
        let head = of(&format!("{head}\r\n\r\n")).unwrap().unwrap();
        (head.body, head.keeps)
    }

    #[test]
    fn a_head_says_what_follows_it() {
        let text = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";
        let head = of(&format!("{text}data")).unwrap().unwrap();
        assert_eq!((head.status(), head.media.as_str(), head.encoding), ("200 OK".into(), "text/event-stream", None));
        assert_eq!((head.body, head.keeps, head.bytes), (Body::UntilClose, false, text.len()));
        assert_eq!(of(&text[..text.len() - 1]), Ok(None));
        let early = format!("HTTP/1.1 103 Early Hints\r\n\r\n{text}");
        assert_eq!(of(&early).unwrap().unwrap().bytes, early.len());
        assert_eq!(of("HTTP/1.1 503 \r\n\r\n").unwrap().unwrap().status(), "503");
    }

    #[test]
    fn a_body_is_framed_and_a_connection_kept_as_http_has_it() {
        assert_eq!(follows("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"), (Body::CHUNKS, true));
        assert_eq!(
            follows("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 3"),
            (Body::CHUNKS, true)
        );
        assert_eq!(follows("HTTP/1.1 201 Created\r\nContent-Length: 3"), (Body::Length(3), true));
        assert_eq!(follows("HTTP/1.1 201 Created\r\nContent-Length: 0"), (Body::Ended, true));
        assert_eq!(
            follows("HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: x, Close"),
            (Body::Length(3), false)
        );
        let twice = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Upgrade\r\nConnection: close";
        assert_eq!(follows(twice), (Body::Length(3), false));
        let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3";
        assert_eq!(follows(coded), (Body::UntilClose, false));
        assert_eq!(follows("HTTP/1.0 200 OK\r\nContent-Length: 3"), (Body::Length(3), false));
        assert_eq!(follows("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive"), (Body::Length(3), true));
        assert_eq!(follows("HTTP/1.1 204 No Content"), (Body::Ended, true));
        assert_eq!(follows("HTTP/1.1 304 Not Modified\r\nContent-Length: 3"), (Body::Ended, true));
        assert_eq!(follows("HTTP/1.1 101 Switching Protocols"), (Body::Ended, false));
        assert_eq!(follows("HTTP/1.1 200 OK"), (Body::UntilClose, false));
    }

    #[test]
    fn what_is_no_answer_is_named() {
        assert!(matches!(of("SSH-2.0-OpenSSH\r\n"), Err(HeadFault::Unreadable(_))));
        assert!(matches!(of("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Err(HeadFault::Unreadable(_))));
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
        let status = of(&format!("HTTP/1.1 500 {long}\r\n\r\n")).unwrap().unwrap().status();
        let length = of(&format!("HTTP/1.1 200 OK\r\nContent-Length: {long}\r\n\r\n")).unwrap_err().to_string();
        for told in [status, length] {
            assert!(told.len() < 250 && told.contains("xxx"), "{told}");
        }
    }
}
