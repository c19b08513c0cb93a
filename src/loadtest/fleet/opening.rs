//! Whether an answer opens a stream.

use crate::loadtest::link::head::Head;
use crate::loadtest::reason;

/// Why an answer opens no stream. A browser takes each of them for the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpeningFault {
    #[error("it answered {0}")]
    Status(String),
    #[error("it answered with the content type {0} and not with text/event-stream")]
    Type(String),
    #[error("its answer is encoded ({0}), though nobody asked for that")]
    Encoded(String),
}

/// Whether an event stream follows this head.
///
/// # Errors
/// [`OpeningFault`] when none does.
pub fn check(head: &Head) -> Result<(), OpeningFault> {
    if head.status != 200 {
        return Err(OpeningFault::Status(head.status()));
    }
    if !head.media.eq_ignore_ascii_case("text/event-stream") {
        let media = if head.media.is_empty() { "of nothing" } else { &head.media };
        return Err(OpeningFault::Type(reason::short(media)));
    }
    match &head.encoding {
        Some(encoding) => Err(OpeningFault::Encoded(reason::short(encoding))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::link::head;

    fn of(text: &str) -> Result<(), OpeningFault> {
        check(&head::read(text.as_bytes()).unwrap().unwrap())
    }

    #[test]
    fn a_stream_is_known_by_its_head() {
        assert_eq!(of("HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n"), Ok(()));
    }

    #[test]
    fn what_is_no_stream_is_named() {
        let status = |text: &str| OpeningFault::Status(text.to_owned());
        assert_eq!(of("HTTP/1.1 204 No Content\r\n\r\n"), Err(status("204 No Content")));
        assert_eq!(of("HTTP/1.1 503 \r\n\r\n"), Err(status("503")));
        assert_eq!(of("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(status("101 Switching Protocols")));
        let html = of("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
        assert_eq!(html, Err(OpeningFault::Type("text/html".into())));
        assert_eq!(of("HTTP/1.1 200 OK\r\n\r\n"), Err(OpeningFault::Type("of nothing".into())));
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
