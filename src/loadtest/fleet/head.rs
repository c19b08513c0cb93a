//! The head of an answer: its status, and whether an event stream follows.

use super::body::Body;

/// More than this is no answer to a stream's request.
const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 64;

/// Why an answer opens no stream. A browser takes each of them for the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    #[error("it answered {0}")]
    Status(String),
    #[error("it answered with the content type {0} and not with text/event-stream")]
    Type(String),
    #[error("its answer is no HTTP/1.x: {0}")]
    Unreadable(String),
    #[error("the head of its answer is over 64 KiB")]
    TooLong,
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

/// Reads the head at the beginning of `bytes`; `None` while it is not all there.
///
/// # Errors
/// [`HeadFault`] when what follows is no event stream.
pub fn read(bytes: &[u8]) -> Result<Option<Head>, HeadFault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let length = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES => return Err(HeadFault::TooLong),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(fault) => return Err(HeadFault::Unreadable(fault.to_string())),
    };
    let header = |name: &str| {
        let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    match answer.code {
        Some(200) => {}
        // What comes before the answer.
        Some(code @ 100..=199) if code != 101 => {
            let after = read(&bytes[length..])?;
            return Ok(after.map(|head| Head { bytes: head.bytes + length, ..head }));
        }
        code => {
            let status = format!("{} {}", code.unwrap_or_default(), answer.reason.unwrap_or_default());
            return Err(HeadFault::Status(status.trim().to_owned()));
        }
    }
    let media = header("content-type").unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/event-stream") {
        return Err(HeadFault::Type(if media.is_empty() { "of nothing".to_owned() } else { media }));
    }
    if let Some(encoding) = header("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(HeadFault::Encoded(encoding));
    }
    let chunked = header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    let body = match header("content-length") {
        _ if chunked => Body::CHUNKS,
        Some(length) => match length.parse() {
            Ok(0) => Body::Ended,
            Ok(length) => Body::Length(length),
            Err(_) => return Err(HeadFault::Unreadable(format!("a content length of {length:?}"))),
        },
        None => Body::UntilClose,
    };
    Ok(Some(Head { body, bytes: length }))
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
        let long = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(HEAD_BYTES));
        assert_eq!(of(&long), Err(HeadFault::TooLong));
    }
}
