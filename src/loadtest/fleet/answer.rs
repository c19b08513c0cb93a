//! Whether an answer opens a stream.

use crate::loadtest::link::head::{self, Head, HeadFault};
use crate::loadtest::reason;

/// Why an answer opens no stream. A browser takes each of them for the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    #[error("it answered {0}")]
    Status(String),
    #[error("it answered with the content type {0} and not with text/event-stream")]
    Type(String),
    #[error("its answer is encoded ({0}), though nobody asked for that")]
    Encoded(String),
    #[error(transparent)]
    Head(#[from] HeadFault),
}

/// Reads the head of an answer that begins an event stream; `None` while it is not all there.
///
/// # Errors
/// [`AnswerFault`] when what follows is no event stream.
pub fn read(bytes: &[u8]) -> Result<Option<Head>, AnswerFault> {
    let Some(head) = head::read(bytes)? else { return Ok(None) };
    if head.status != 200 {
        return Err(AnswerFault::Status(head.status()));
    }
    if !head.media.eq_ignore_ascii_case("text/event-stream") {
        let media = if head.media.is_empty() { "of nothing" } else { &head.media };
        return Err(AnswerFault::Type(reason::short(media)));
    }
    if let Some(encoding) = &head.encoding {
        return Err(AnswerFault::Encoded(reason::short(encoding)));
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::link::body::Body;

    fn of(text: &str) -> Result<Option<Head>, AnswerFault> {
        read(text.as_bytes())
    }

    #[test]
    fn a_stream_begins_behind_its_head() {
        let close = "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n";
        let head = of(&format!("{close}data")).unwrap().unwrap();
        assert_eq!((head.body, head.bytes), (Body::UntilClose, close.len()));
        assert_eq!(of(&close[..close.len() - 1]), Ok(None));
    }

    #[test]
    fn what_is_no_stream_is_named() {
        let status = |text: &str| AnswerFault::Status(text.to_owned());
        assert_eq!(of("HTTP/1.1 204 No Content\r\n\r\n"), Err(status("204 No Content")));
        assert_eq!(of("HTTP/1.1 503 \r\n\r\n"), Err(status("503")));
        assert_eq!(of("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(status("101 Switching Protocols")));
        let html = of("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
        assert_eq!(html, Err(AnswerFault::Type("text/html".into())));
        assert_eq!(of("HTTP/1.1 200 OK\r\n\r\n"), Err(AnswerFault::Type("of nothing".into())));
        assert!(matches!(of("SSH-2.0-OpenSSH\r\n"), Err(AnswerFault::Head(HeadFault::Unreadable(_)))));
    }

    #[test]
    fn what_a_server_says_is_told_in_short() {
        let long = "x".repeat(1_000);
        for rest in [long.clone(), format!("text/event-stream\r\nContent-Encoding: {long}")] {
            let told = of(&format!("HTTP/1.1 200 OK\r\nContent-Type: {rest}\r\n\r\n")).unwrap_err().to_string();
            assert!(told.len() < 250 && told.contains("xxx"), "{told}");
        }
    }
}
